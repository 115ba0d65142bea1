"""Thinking: shown and signed, or encrypted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from ui_message_stream.chunks import ReasoningDelta, ReasoningEnd, ReasoningStart
from ui_message_stream.versions import ChunkVariant

from usechat_server.providers.anthropic.message_record import BlockSlot
from usechat_server.providers.anthropic.response import events
from usechat_server.providers.anthropic.response.blocks.base import ResponseContext, anthropic

__all__ = ["RedactedThinking", "Thinking"]


class Thinking:
    class Content(msgspec.Struct):
        thinking: str = ""
        signature: str | None = None

    place = BlockSlot("reasoning")

    def __init__(self, block_id: str, content: dict[str, Any], _: ResponseContext) -> None:
        self.id = block_id
        self.content = msgspec.convert(content, self.Content)

    def start(self) -> Sequence[ChunkVariant]:
        made: list[ChunkVariant] = [ReasoningStart(id=self.id)]
        if self.content.thinking:
            made.append(ReasoningDelta(id=self.id, delta=self.content.thinking))
        if self.content.signature:
            made.append(self._signed(self.content.signature))
        return made

    def delta(self, delta: events.Delta | None) -> ChunkVariant | None:
        if type(delta) is events.ThinkingDelta:
            return ReasoningDelta(id=self.id, delta=delta.thinking)
        if type(delta) is events.SignatureDelta:
            return self._signed(delta.signature)
        return None

    def stop(self) -> Sequence[ChunkVariant]:
        return (ReasoningEnd(id=self.id),)

    def _signed(self, signature: str) -> ChunkVariant:
        # The signature rides on an empty delta: the client replaces the part's metadata by it.
        return ReasoningDelta(
            id=self.id, delta="", provider_metadata=anthropic(signature=signature)
        )


class RedactedThinking:
    class Content(msgspec.Struct):
        data: str

    place = BlockSlot("reasoning")

    def __init__(self, block_id: str, content: dict[str, Any], _: ResponseContext) -> None:
        self.id = block_id
        self.content = msgspec.convert(content, self.Content)

    def start(self) -> Sequence[ChunkVariant]:
        metadata = anthropic(redactedData=self.content.data)
        return (ReasoningStart(id=self.id, provider_metadata=metadata),)

    def delta(self, _: events.Delta | None) -> ChunkVariant | None:
        return None

    def stop(self) -> Sequence[ChunkVariant]:
        return (ReasoningEnd(id=self.id),)
