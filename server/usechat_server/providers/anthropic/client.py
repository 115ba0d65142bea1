"""The SDK clients that send the requests."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any, Protocol, cast
from weakref import WeakKeyDictionary

import httpx2
from anthropic import AsyncAnthropic, DefaultAioHttpClient
from opentelemetry import trace

from usechat_server.providers.anthropic.errors import retry_after
from usechat_server.providers.transport import Transport, uses_proxy

__all__ = ["Client", "ClientPerLoop"]

#: Open connections through a proxy at most: more than one worker process carries streams. (The
#: default would queue the 101st.)
_MAX_CONNECTIONS = 10_000
#: Seconds that an idle connection is kept for the next turn, which then needs no TLS handshake.
_KEEP_ALIVE = 60.0
#: Seconds to open a connection.
_CONNECT_TIMEOUT = 5.0
#: Bytes that are read of the body of an error: a gateway may send a whole page.
_MAX_ERROR_BYTES = 64 * 1024
#: The longest `retry-after`, in seconds, that the SDK may obey. It would wait for hours; after a
#: longer one than this the user gets an error instead.
_LONGEST_RETRY_AFTER = 30.0


class Client(Protocol):
    """What is used of `AsyncAnthropic`, `AsyncAnthropicBedrock`, `AsyncAnthropicVertex`, …"""

    @property
    def messages(self) -> Any: ...


class ClientPerLoop:
    """The app's own client, or else one client per event loop.

    Ours are created on first use from the standard variables (`ANTHROPIC_API_KEY`,
    `ANTHROPIC_BASE_URL`).
    """

    def __init__(self, app_client: Client | None) -> None:
        self._app_client = app_client
        # Loading the certificates takes long enough to be noticed, so not in the first turn.
        self._tls = httpx2.create_ssl_context() if app_client is None else None
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncAnthropic] = (
            WeakKeyDictionary()
        )

    def get(self) -> Client:
        """Return the client for the running event loop."""
        return self._app_client or self._own_client()

    def has_credentials(self) -> bool:
        """Whether the client is the app's, or the SDK has found credentials for ours."""
        if self._app_client is not None:
            return True
        client = self._own_client()
        return any((client.api_key, client.auth_token, client.credentials))

    def _own_client(self) -> AsyncAnthropic:
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = self._create(self._tls or httpx2.create_ssl_context())
        return self._clients[loop]

    async def aclose(self) -> None:
        """Close the running loop's client, unless it is the app's."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    def _create(self, tls: ssl.SSLContext) -> AsyncAnthropic:
        # There is no read timeout: `StreamTimeouts` counts only while something reads, the
        # transport would count all the time.
        timeout = httpx2.Timeout(None, connect=_CONNECT_TIMEOUT)
        options: dict[str, Any] = {
            "timeout": timeout,
            "follow_redirects": True,
            "event_hooks": {"response": [_prevent_long_retry, _cut_error_body]},
        }
        # Spans that nothing collects would still cost a twentieth of the time to the first token.
        has_tracer = not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
        client = AsyncAnthropic(
            timeout=timeout,
            http_client=httpx2.AsyncClient(transport=Transport(tls), **options),
            open_telemetry=None if has_tracer else False,
        )
        if uses_proxy(str(client.base_url)):
            limits = httpx2.Limits(
                max_connections=_MAX_CONNECTIONS,
                max_keepalive_connections=_MAX_CONNECTIONS,
                keepalive_expiry=_KEEP_ALIVE,
            )
            http_client = DefaultAioHttpClient(limits=limits, verify=tls, **options)
            client = client.with_options(http_client=http_client)
        return client


async def _prevent_long_retry(response: httpx2.Response) -> None:
    if (retry_after(response.headers) or 0.0) > _LONGEST_RETRY_AFTER:
        response.headers["x-should-retry"] = "false"  # which the SDK obeys


async def _cut_error_body(response: httpx2.Response) -> None:
    if response.is_error:
        response.stream = _CutStream(cast(httpx2.AsyncByteStream, response.stream))


class _CutStream(httpx2.AsyncByteStream):
    """The beginning of a body."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = _MAX_ERROR_BYTES
        async for data in self._body:
            yield data[:left]
            left -= len(data)
            if left <= 0:
                return

    async def aclose(self) -> None:
        await self._body.aclose()
