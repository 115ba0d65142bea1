"""The Messages API, as the `anthropic` SDK calls it."""

from __future__ import annotations

from typing import Any

import anthropic

from usechat_server.errors import ModelError
from usechat_server.providers.anthropic.client import Client, Clients
from usechat_server.providers.anthropic.errors import error_from_exception
from usechat_server.providers.anthropic.response.aws_event_stream import (
    MEDIA_TYPE,
    AWSEventStreamDecoder,
)
from usechat_server.providers.attempts import Refusal
from usechat_server.providers.sdk_errors import api_message
from usechat_server.providers.sdk_stream import Decoder, SendDirectly
from usechat_server.providers.sse import SSEDecoder

__all__ = ["MessagesAPI"]


class MessagesAPI:
    request_id_header = "request-id"

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def direct(self, client: Client) -> SendDirectly | None:
        return self._clients.direct(client)

    async def send(self, client: Client, request: dict[str, Any]) -> Any:
        call = client.messages.with_streaming_response.create(**request, stream=True)
        return await call.__aenter__()

    def decoder(self, media_type: str) -> Decoder | None:
        if media_type.startswith(MEDIA_TYPE):
            return AWSEventStreamDecoder()
        return SSEDecoder() if media_type.startswith("text/event-stream") else None

    def refusal(self, error: Exception) -> Refusal | None:
        if not isinstance(error, anthropic.APIStatusError):
            return None
        return Refusal(error_from_exception(error).kind, error.status_code, api_message(error))

    def model_error(self, error: Exception, request_id: str | None) -> ModelError:
        return error_from_exception(error, request_id=request_id)
