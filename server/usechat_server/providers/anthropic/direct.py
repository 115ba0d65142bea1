"""The first request of a model call, without the SDK's pipeline.

That pipeline (copies of the options, headers, hooks, a response object) costs more than everything
else until the first token. It is used for all that is not the rule: whatever is not a stream is
asked for again with the SDK, whose retries, pauses and errors then apply. There is no second policy
for retries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import httpx2
from anthropic import AsyncAnthropic
from ui_message_stream import json_codec

from usechat_server.providers.sdk_client import CLIENT_REQUEST_ID
from usechat_server.providers.sdk_errors import LONGEST_RETRY_AFTER, retry_after
from usechat_server.providers.transport import RawResponse, RequestHead, Transport
from usechat_server.telemetry.request import request_id

__all__ = ["DirectClient"]

#: Request heads that are kept. They differ in the headers of agents.
_MAX_HEADS = 64


class DirectClient:
    """Sends requests as an SDK client of ours does that has a key or a token.

    Args:
        transport: The client's transport.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._heads: dict[Hashable, RequestHead] = {}

    async def send(
        self,
        client: AsyncAnthropic,
        request: Mapping[str, Any],
        on_connection: Callable[[Callable[[], None]], None],
    ) -> RawResponse | None:
        """Send a request, and wait for the headers of its response.

        Args:
            client: The client, without a proxy and credentials to renew.
            request: The arguments of `messages.create`.
            on_connection: Called with what closes the connection at once.

        Returns:
            A stream. None: the response is something else, or there is none. What it asked to wait
            is over.
        """
        parameters = dict(request)
        headers, extra_body = parameters.pop("extra_headers"), parameters.pop("extra_body")
        body = json_codec.encode({**parameters, "stream": True, **extra_body})
        client_id = request_id()
        try:
            response = await self._transport.post(
                self._head(client, headers),
                body,
                on_connection,
                headers={} if client_id is None else {CLIENT_REQUEST_ID: client_id},
            )
        except httpx2.TransportError:
            return None
        media_type = response.headers.get("content-type", "")
        if response.status == 200 and media_type.startswith("text/event-stream"):
            return response
        response.body.close()
        seconds = retry_after(response.headers)
        if seconds is not None and seconds <= LONGEST_RETRY_AFTER:
            await asyncio.sleep(seconds)
        return None

    def _head(self, client: AsyncAnthropic, headers: Mapping[str, str]) -> RequestHead:
        key = (client.base_url, client.api_key, client.auth_token, *headers.items())
        head = self._heads.get(key)
        if head is None:
            if len(self._heads) >= _MAX_HEADS:
                self._heads.clear()
            head = self._heads[key] = _create_head(client, headers)
        return head


def _create_head(client: AsyncAnthropic, headers: Mapping[str, str]) -> RequestHead:
    all_headers = httpx2.Headers({"x-stainless-retry-count": "0"})
    defaults = client.default_headers.items()
    all_headers.update({name: value for name, value in defaults if isinstance(value, str)})
    all_headers.update(headers)
    url = client.base_url.copy_with(raw_path=client.base_url.raw_path + b"v1/messages")
    return RequestHead("POST", url, all_headers)
