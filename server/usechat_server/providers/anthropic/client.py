"""The clients of the `anthropic` SDK."""

from __future__ import annotations

import ssl
from functools import cached_property, partial
from typing import Any, Protocol, cast
from weakref import WeakKeyDictionary

import httpx2
from anthropic import AsyncAnthropic, DefaultAioHttpClient

from usechat_server.providers.anthropic.direct import DirectClient
from usechat_server.providers.sdk_client import TIMEOUT, ClientPerLoop, with_http_client
from usechat_server.providers.sdk_stream import SendDirectly
from usechat_server.providers.transport import Transport, uses_proxy
from usechat_server.telemetry.tracing import is_traced

__all__ = ["Client", "Clients", "provider_of"]


class Client(Protocol):
    """What is used of `AsyncAnthropic`, `AsyncAnthropicBedrock`, `AsyncAnthropicVertex`, …"""

    @property
    def messages(self) -> Any: ...


class Clients(ClientPerLoop[Client, AsyncAnthropic]):
    """The app's own client, or else clients from the standard variables (`ANTHROPIC_API_KEY`,
    `ANTHROPIC_BASE_URL`)."""

    def __init__(self, app_client: Client | None) -> None:
        super().__init__(app_client, self._create_client)
        #: what sends first requests for a client of ours
        self._direct: WeakKeyDictionary[Client, DirectClient] = WeakKeyDictionary()

    def get(self) -> Client:
        """Return the client for the running event loop."""
        is_own = self.app_client is None
        return super().get() if is_own or not is_traced() else self._untraced_app_client

    def direct(self, client: Client) -> SendDirectly | None:
        """Return what sends the first request of a call; None if only the SDK can send it."""
        if self.app_client is not None or (direct := self._direct.get(client)) is None:
            return None
        own = cast(AsyncAnthropic, client)
        if own.custom_auth is not None or not (own.api_key or own.auth_token):
            return None
        return partial(direct.send, own)

    def _create_client(self, tls: ssl.SSLContext) -> AsyncAnthropic:
        transport = Transport(tls)
        client = with_http_client(_create, DefaultAioHttpClient, tls, transport)
        if not uses_proxy(str(client.base_url)):
            self._direct[client] = DirectClient(transport)
        return client

    @cached_property
    def _untraced_app_client(self) -> Client:
        """The app's client without spans of its own, which would count each call twice."""
        client: Any = self.app_client
        options = getattr(client, "open_telemetry", None)
        has_spans = options is not None and options["traces"]["enabled"]
        return cast(Client, client.with_options(open_telemetry=False) if has_spans else client)

    def has_credentials(self) -> bool:
        """Whether the client is the app's, or the SDK has found credentials for ours."""
        if self.app_client is not None:
            return True
        client = self.own()
        return any((client.api_key, client.auth_token, client.credentials))


def _create(http_client: httpx2.AsyncClient) -> AsyncAnthropic:
    return AsyncAnthropic(
        timeout=TIMEOUT,
        http_client=http_client,
        # The call has a span of ours: the SDK's would count it a second time. Even if nothing
        # collects it, it would cost a twentieth of the time to the first token.
        open_telemetry=False,
    )


def provider_of(client: Client | None) -> str:
    """Return the name of the provider that a client calls, by OpenTelemetry's conventions."""
    kind = type(client).__name__
    if "Bedrock" in kind or "AWS" in kind:
        return "aws.bedrock"
    return "gcp.vertex_ai" if "Vertex" in kind else "anthropic"
