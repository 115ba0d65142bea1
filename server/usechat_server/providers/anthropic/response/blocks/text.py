"""Text with its citations, and the summary that replaces a compacted conversation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from ui_message_stream import chunks
from ui_message_stream.versions import ChunkVariant

from usechat_server.providers.anthropic.message_record import BlockSlot
from usechat_server.providers.anthropic.provider_metadata import anthropic_metadata
from usechat_server.providers.anthropic.response import events
from usechat_server.providers.anthropic.response.blocks.base import ResponseContext
from usechat_server.providers.anthropic.response.blocks.citations import (
    source_chunk,
    text_citation,
)
from usechat_server.providers.json_objects import without_none

__all__ = ["CompactionTranslator", "TextTranslator"]


class TextBlock(msgspec.Struct):
    text: str = ""
    citations: list[dict[str, Any]] | None = None


class TextTranslator:
    slot: BlockSlot = BlockSlot("text")

    def __init__(self, block_id: str, content: dict[str, Any], context: ResponseContext) -> None:
        self.id = block_id
        self.block: TextBlock = msgspec.convert(content, TextBlock)
        self.context = context
        self.citations: list[dict[str, Any]] = []

    def start(self) -> Sequence[ChunkVariant]:
        variants: list[ChunkVariant] = [chunks.TextStart(id=self.id)]
        if self.block.text:
            variants.append(chunks.TextDelta(id=self.id, delta=self.block.text))
        sources = [self._cite(value) for value in self.block.citations or ()]
        return variants + [source for source in sources if source is not None]

    def delta(self, delta: events.Delta | None) -> ChunkVariant | None:
        if type(delta) is events.TextDelta:
            return chunks.TextDelta(id=self.id, delta=delta.text)
        if type(delta) is events.CitationsDelta:
            return self._cite(delta.citation)
        return None

    def stop(self) -> Sequence[ChunkVariant]:
        if not self.citations:
            return (chunks.TextEnd(id=self.id),)
        citations = [text_citation(value, self.context) for value in self.citations]
        return (
            chunks.TextEnd(
                id=self.id,
                citations=[citation for citation in citations if citation is not None],
                provider_metadata=anthropic_metadata(citations=self.citations),
            ),
        )

    def _cite(self, value: dict[str, Any]) -> ChunkVariant | None:
        self.citations.append(value)
        return source_chunk(value, self.context)


class CompactionBlock(msgspec.Struct):
    content: str | None = None
    signature: str | None = None
    encrypted_content: str | None = None
    tool_changes: Any = None


class CompactionTranslator:
    """The client gets the summary as a text part, marked by its metadata."""

    def __init__(self, block_id: str, content: dict[str, Any], _: ResponseContext) -> None:
        self.id = block_id
        self.block: CompactionBlock = msgspec.convert(content, CompactionBlock)
        self.encrypted_content = self.block.encrypted_content

    @property
    def slot(self) -> BlockSlot:
        fields = {
            "encrypted_content": self.encrypted_content,
            "tool_changes": self.block.tool_changes,
        }
        return BlockSlot("text", block=without_none(fields) or None)

    def start(self) -> Sequence[ChunkVariant]:
        fields = without_none({"type": "compaction", "signature": self.block.signature})
        start = chunks.TextStart(id=self.id, provider_metadata=anthropic_metadata(**fields))
        text = self.block.content
        return (start, chunks.TextDelta(id=self.id, delta=text)) if text else (start,)

    def delta(self, delta: events.Delta | None) -> ChunkVariant | None:
        if type(delta) is not events.CompactionDelta:
            return None
        self.encrypted_content = delta.encrypted_content or self.encrypted_content
        return chunks.TextDelta(id=self.id, delta=delta.content) if delta.content else None

    def stop(self) -> Sequence[ChunkVariant]:
        return (chunks.TextEnd(id=self.id),)
