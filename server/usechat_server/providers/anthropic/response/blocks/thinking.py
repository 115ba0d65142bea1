"""Thinking: readable and signed, or encrypted (redacted)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from ui_message_stream.chunks import ReasoningDelta, ReasoningEnd, ReasoningStart
from ui_message_stream.versions import ChunkVariant

from usechat_server.providers.anthropic.message_record import BlockSlot
from usechat_server.providers.anthropic.provider_metadata import anthropic_metadata
from usechat_server.providers.anthropic.response import events
from usechat_server.providers.anthropic.response.blocks.base import ResponseContext

__all__ = ["RedactedThinkingTranslator", "ThinkingTranslator"]


class ThinkingBlock(msgspec.Struct):
    thinking: str = ""
    signature: str | None = None


class ThinkingTranslator:
    slot: BlockSlot = BlockSlot("reasoning")

    def __init__(self, block_id: str, content: dict[str, Any], _: ResponseContext) -> None:
        self.id = block_id
        self.block: ThinkingBlock = msgspec.convert(content, ThinkingBlock)

    def start(self) -> Sequence[ChunkVariant]:
        variants: list[ChunkVariant] = [ReasoningStart(id=self.id)]
        if self.block.thinking:
            variants.append(ReasoningDelta(id=self.id, delta=self.block.thinking))
        if self.block.signature:
            variants.append(self._signature_delta(self.block.signature))
        return variants

    def delta(self, delta: events.Delta | None) -> ChunkVariant | None:
        if type(delta) is events.ThinkingDelta:
            return ReasoningDelta(id=self.id, delta=delta.thinking)
        if type(delta) is events.SignatureDelta:
            return self._signature_delta(delta.signature)
        return None

    def stop(self) -> Sequence[ChunkVariant]:
        return (ReasoningEnd(id=self.id),)

    def _signature_delta(self, signature: str) -> ChunkVariant:
        # On an empty delta: the client replaces the part's metadata by the delta's.
        return ReasoningDelta(
            id=self.id, delta="", provider_metadata=anthropic_metadata(signature=signature)
        )


class RedactedThinkingBlock(msgspec.Struct):
    data: str


class RedactedThinkingTranslator:
    slot: BlockSlot = BlockSlot("reasoning")

    def __init__(self, block_id: str, content: dict[str, Any], _: ResponseContext) -> None:
        self.id = block_id
        self.block: RedactedThinkingBlock = msgspec.convert(content, RedactedThinkingBlock)

    def start(self) -> Sequence[ChunkVariant]:
        metadata = anthropic_metadata(redactedData=self.block.data)
        return (ReasoningStart(id=self.id, provider_metadata=metadata),)

    def delta(self, _: events.Delta | None) -> ChunkVariant | None:
        return None

    def stop(self) -> Sequence[ChunkVariant]:
        return (ReasoningEnd(id=self.id),)
