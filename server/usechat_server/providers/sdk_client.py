"""The SDK clients that send the requests: one per event loop, on our transport."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, Protocol, TypeVar, cast
from weakref import WeakKeyDictionary

import httpx2

from usechat_server.providers.sdk_errors import LONGEST_RETRY_AFTER, retry_after
from usechat_server.providers.transport import CONNECT_TIMEOUT, Transport, uses_proxy
from usechat_server.telemetry.request import request_id

__all__ = ["MAX_ERROR_BYTES", "TIMEOUT", "ClientPerLoop", "with_http_client"]

#: Open connections through a proxy at most: more than one worker process carries streams. (The
#: default would queue the 101st.)
_MAX_CONNECTIONS = 10_000
#: Seconds that an idle connection is kept for the next turn, which then needs no TLS handshake.
_KEEP_ALIVE = 60.0
#: Bytes that are read of the body of an error: a gateway may send a whole page.
MAX_ERROR_BYTES: int = 64 * 1024

#: OpenAI's name for an id that the client gives a request.
CLIENT_REQUEST_ID = "x-client-request-id"

#: There is no read timeout: `StreamTimeouts` counts only while something reads, the transport would
#: count all the time.
TIMEOUT = httpx2.Timeout(None, connect=CONNECT_TIMEOUT)


class OwnClient(Protocol):
    """What is used of an SDK's client that we create."""

    @property
    def base_url(self) -> httpx2.URL: ...

    def with_options(self, *, http_client: httpx2.AsyncClient) -> Any: ...

    async def close(self) -> None: ...


ClientT = TypeVar("ClientT")
OwnClientT = TypeVar("OwnClientT", bound=OwnClient)


class ClientPerLoop(Generic[ClientT, OwnClientT]):
    """The app's own client, or else one client per event loop, created on first use.

    Args:
        app_client: The app's client.
        create: Creates a client with these TLS settings.
    """

    def __init__(
        self, app_client: ClientT | None, create: Callable[[ssl.SSLContext], OwnClientT]
    ) -> None:
        self.app_client = app_client
        self._create = create
        # Loading the certificates takes long enough to be noticed, so not in the first turn.
        self._tls = httpx2.create_ssl_context() if app_client is None else None
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, OwnClientT] = (
            WeakKeyDictionary()
        )

    def get(self) -> ClientT | OwnClientT:
        """Return the client for the running event loop."""
        return self.app_client or self.own()

    def own(self) -> OwnClientT:
        """Return our client for the running event loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = self._create(self._tls or httpx2.create_ssl_context())
        return self._clients[loop]

    async def aclose(self) -> None:
        """Close the running loop's client, unless it is the app's."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()


def with_http_client(
    create: Callable[[httpx2.AsyncClient], OwnClientT],
    aiohttp_client: Callable[..., httpx2.AsyncClient],
    tls: ssl.SSLContext,
    transport: Transport | None = None,
) -> OwnClientT:
    """Return an SDK's client on our transport, or on the SDK's own if there is a proxy.

    Args:
        create: Creates the client.
        aiohttp_client: The SDK's `DefaultAioHttpClient`.
        tls: The TLS settings.
        transport: Our transport; default: a new one.
    """
    options: dict[str, Any] = {
        "timeout": TIMEOUT,
        "follow_redirects": True,
        "event_hooks": {
            "request": [_add_request_id],
            "response": [_prevent_long_retry, _cut_error_body],
        },
    }
    client = create(httpx2.AsyncClient(transport=transport or Transport(tls), **options))
    if uses_proxy(str(client.base_url)):
        limits = httpx2.Limits(
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=_MAX_CONNECTIONS,
            keepalive_expiry=_KEEP_ALIVE,
        )
        http_client = aiohttp_client(limits=limits, verify=tls, **options)
        client = cast(OwnClientT, client.with_options(http_client=http_client))
    return client


async def _add_request_id(request: httpx2.Request) -> None:
    if (id_of_request := request_id()) is not None:
        request.headers[CLIENT_REQUEST_ID] = id_of_request


async def _prevent_long_retry(response: httpx2.Response) -> None:
    if (retry_after(response.headers) or 0.0) > LONGEST_RETRY_AFTER:
        response.headers["x-should-retry"] = "false"  # which the SDK obeys


async def _cut_error_body(response: httpx2.Response) -> None:
    if response.is_error:
        response.stream = _CutStream(cast(httpx2.AsyncByteStream, response.stream))


class _CutStream(httpx2.AsyncByteStream):
    """The beginning of a body."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_ERROR_BYTES
        async for data in self._body:
            yield data[:left]
            left -= len(data)
            if left <= 0:
                return

    async def aclose(self) -> None:
        await self._body.aclose()
