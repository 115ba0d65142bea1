"""The clients of the `openai` SDK."""

from __future__ import annotations

import os
import ssl
from typing import Any, Protocol

import httpx2

from usechat_server.providers.openai.sdk import openai
from usechat_server.providers.sdk_client import TIMEOUT, ClientPerLoop, with_http_client

__all__ = ["AZURE", "OPENAI", "Client", "Clients"]

#: What a server gets that requires no key. (The SDK requires one.)
_NO_KEY = "none"
#: Names of providers.
OPENAI = "openai"
AZURE = "azure.ai.openai"


class Client(Protocol):
    """What is used of `AsyncOpenAI`, `AsyncAzureOpenAI`, …"""

    @property
    def chat(self) -> Any: ...


class Clients(ClientPerLoop[Client, openai.AsyncOpenAI]):
    """The app's own client, or else clients for a URL with a key.

    Args:
        app_client: The app's client.
        base_url: The URL of the API; None: `OPENAI_BASE_URL`, else OpenAI's.
        api_key: The key; None: `OPENAI_API_KEY`, which is sent to no other `base_url`. Nor is the
            organization, the project or any header that the environment has for OpenAI.
    """

    def __init__(
        self, app_client: Client | None, base_url: str | None, api_key: str | None
    ) -> None:
        super().__init__(app_client, self._create)
        self._base_url = base_url
        self._api_key = api_key or (None if base_url is None else _NO_KEY)

    def missing_credentials(self) -> str | None:
        """Return what to set if there is no key, else None."""
        if self.app_client is not None or self._api_key or os.environ.get("OPENAI_API_KEY"):
            return None
        return "set OPENAI_API_KEY"

    @property
    def provider(self) -> str:
        """The name of the provider by OpenTelemetry's conventions, else that of the host."""
        url = getattr(self.app_client, "base_url", self._base_url)
        url = url or os.environ.get("OPENAI_BASE_URL")
        host = httpx2.URL(url).host if url else OPENAI
        if host.endswith(".openai.com"):
            return OPENAI
        return AZURE if host.endswith(".azure.com") else host

    def _create(self, tls: ssl.SSLContext) -> openai.AsyncOpenAI:
        headers: Any = None if self._base_url is None else _headers_elsewhere(self._api_key)

        def create(http_client: httpx2.AsyncClient) -> openai.AsyncOpenAI:
            return openai.AsyncOpenAI(
                base_url=self._base_url,
                api_key=self._api_key,
                timeout=TIMEOUT,
                default_headers=headers,
                http_client=http_client,
            )

        return with_http_client(create, openai.DefaultAioHttpClient, tls)


def _headers_elsewhere(key: str | None) -> dict[str, str | openai.Omit]:
    """Return headers without what the SDK adds from the environment, which is for OpenAI."""
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    names = [line.partition(":")[0].strip() for line in lines if ":" in line]
    names = [name for name in names if name.lower() != "authorization"]
    return {
        **dict.fromkeys(["OpenAI-Organization", "OpenAI-Project", *names], openai.omit),
        # Also in place of one from the environment.
        "Authorization": f"Bearer {key}",
    }
