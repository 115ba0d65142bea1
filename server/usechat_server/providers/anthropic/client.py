"""The clients of the `anthropic` SDK."""

from __future__ import annotations

import ssl
from typing import Any, Protocol

import httpx2
from anthropic import AsyncAnthropic, DefaultAioHttpClient
from opentelemetry import trace

from usechat_server.providers.sdk_client import TIMEOUT, ClientPerLoop, with_http_client

__all__ = ["Client", "Clients"]


class Client(Protocol):
    """What is used of `AsyncAnthropic`, `AsyncAnthropicBedrock`, `AsyncAnthropicVertex`, …"""

    @property
    def messages(self) -> Any: ...


class Clients(ClientPerLoop[Client, AsyncAnthropic]):
    """The app's own client, or else clients from the standard variables (`ANTHROPIC_API_KEY`,
    `ANTHROPIC_BASE_URL`)."""

    def __init__(self, app_client: Client | None) -> None:
        super().__init__(app_client, _create)

    def has_credentials(self) -> bool:
        """Whether the client is the app's, or the SDK has found credentials for ours."""
        if self.app_client is not None:
            return True
        client = self.own()
        return any((client.api_key, client.auth_token, client.credentials))


def _create(tls: ssl.SSLContext) -> AsyncAnthropic:
    # Spans that nothing collects would still cost a twentieth of the time to the first token.
    has_tracer = not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)

    def create(http_client: httpx2.AsyncClient) -> AsyncAnthropic:
        return AsyncAnthropic(
            timeout=TIMEOUT,
            http_client=http_client,
            open_telemetry=None if has_tracer else False,
        )

    return with_http_client(create, DefaultAioHttpClient, tls)
