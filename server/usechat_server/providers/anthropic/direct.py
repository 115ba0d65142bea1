"""The first request of a model call, without the SDK's pipeline.

That pipeline (copies of the options, headers, hooks, a response object) costs more than everything
else until the first token. It is used for all that is not the rule: what fails is asked for again
with the SDK, after the pause of its first retry. Its retries and errors then apply.
"""

from __future__ import annotations

import json
import random
from asyncio import sleep
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from typing import Any

import httpx2
from anthropic import APIStatusError, AsyncAnthropic
from ui_message_stream import json_codec

from usechat_server.providers.sdk_client import CLIENT_REQUEST_ID, MAX_ERROR_BYTES
from usechat_server.providers.sdk_errors import LONGEST_RETRY_AFTER, retry_after
from usechat_server.providers.transport import (
    RawResponse,
    RequestHead,
    StaleConnectionError,
    Transport,
)
from usechat_server.telemetry.request import request_id

__all__ = ["DirectClient"]

#: Request heads that are kept. They differ in the headers of agents.
_MAX_HEADS = 64
#: Seconds before the SDK's first retry, at most; it has no public name for them.
_FIRST_PAUSE = 0.5


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
            A response with a status of success. None: there is none, and what the SDK would wait
            before its first retry is over.

        Raises:
            anthropic.APIStatusError: The response is an error after which nothing is to be sent.
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
        except StaleConnectionError:
            return None
        except httpx2.TransportError:
            await sleep(_first_pause())
            return None
        if 200 <= response.status < 300:
            return response  # also one that is no stream: it was paid for
        pause = retry_after(response.headers) or 0.0
        should_retry = response.headers.get("x-should-retry")
        is_temporary = response.status in (408, 409, 429) or response.status >= 500
        if pause > LONGEST_RETRY_AFTER or (is_temporary and should_retry == "false"):
            raise await _status_error(client, response)
        response.body.close()
        if is_temporary or should_retry == "true":
            await sleep(pause or _first_pause())
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


def _first_pause() -> float:
    """Return the seconds that the SDK waits before its first retry."""
    return _FIRST_PAUSE * random.uniform(0.75, 1.0)  # noqa: S311


async def _status_error(client: AsyncAnthropic, response: RawResponse) -> APIStatusError:
    """Read the body of an error response, and return the error that the SDK has for it."""
    data = b""
    with suppress(httpx2.TransportError):
        async for piece in response.body:
            data += piece
            if len(data) >= MAX_ERROR_BYTES:
                break
    response.body.close()
    text = data[:MAX_ERROR_BYTES].decode("utf-8", "replace")
    body: object = text
    with suppress(ValueError):
        body = json.loads(text)
    return APIStatusError(
        f"Error code: {response.status} - {body}",
        response=httpx2.Response(
            response.status,
            headers=dict(response.headers),
            request=httpx2.Request("POST", client.base_url),
        ),
        body=body,
    )
