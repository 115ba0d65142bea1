"""Chat Completions, as the `openai` SDK calls it."""

from __future__ import annotations

from typing import Any

from usechat_server.errors import ModelError
from usechat_server.providers.attempts import Refusal
from usechat_server.providers.openai.client import Client
from usechat_server.providers.openai.errors import error_from_exception, refusal
from usechat_server.providers.sdk_stream import Decoder
from usechat_server.providers.sse import SSEDecoder

__all__ = ["ChatCompletionsAPI"]


class ChatCompletionsAPI:
    request_id_header = "x-request-id"

    def direct(self, client: Client) -> None:
        return None

    async def send(self, client: Client, request: dict[str, Any]) -> Any:
        completions = client.chat.completions
        call = completions.with_streaming_response.create(**request, stream=True)
        return await call.__aenter__()

    def decoder(self, media_type: str) -> Decoder | None:
        return SSEDecoder() if media_type.startswith("text/event-stream") else None

    def refusal(self, error: Exception) -> Refusal | None:
        return refusal(error)

    def model_error(self, error: Exception, request_id: str | None) -> ModelError:
        return error_from_exception(error, request_id)
