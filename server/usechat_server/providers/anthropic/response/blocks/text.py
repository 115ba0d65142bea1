"""Text, with its citations, and the summary that stands for what was compacted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from ui_message_stream.chunks import TextDelta, TextEnd, TextStart
from ui_message_stream.versions import ChunkVariant

from usechat_server.providers.anthropic.message_record import BlockSlot
from usechat_server.providers.anthropic.response import events
from usechat_server.providers.anthropic.response.blocks.base import (
    ResponseContext,
    anthropic,
    without_none,
)
from usechat_server.providers.anthropic.response.blocks.citations import citation, source

__all__ = ["Compaction", "Text"]


class Text:
    class Content(msgspec.Struct):
        text: str = ""
        citations: list[dict[str, Any]] | None = None

    place = BlockSlot("text")

    def __init__(self, block_id: str, content: dict[str, Any], answer: ResponseContext) -> None:
        self.id = block_id
        self.content = msgspec.convert(content, self.Content)
        self.answer = answer
        self.citations: list[dict[str, Any]] = []

    def start(self) -> Sequence[ChunkVariant]:
        made: list[ChunkVariant] = [TextStart(id=self.id)]
        if self.content.text:
            made.append(TextDelta(id=self.id, delta=self.content.text))
        cited = (self._cite(value) for value in self.content.citations or ())
        return made + [variant for variant in cited if variant is not None]

    def delta(self, delta: events.Delta | None) -> ChunkVariant | None:
        if type(delta) is events.TextDelta:
            return TextDelta(id=self.id, delta=delta.text)
        if type(delta) is events.CitationsDelta:
            return self._cite(delta.citation)
        return None

    def stop(self) -> Sequence[ChunkVariant]:
        if not self.citations:
            return (TextEnd(id=self.id),)
        shown = (citation(value, self.answer) for value in self.citations)
        return (
            TextEnd(
                id=self.id,
                citations=[value for value in shown if value is not None],
                provider_metadata=anthropic(citations=self.citations),
            ),
        )

    def _cite(self, value: dict[str, Any]) -> ChunkVariant | None:
        self.citations.append(value)
        return source(value, self.answer)


class Compaction:
    """The page has it as a text, told apart by its metadata."""

    class Content(msgspec.Struct):
        content: str | None = None
        signature: str | None = None
        encrypted_content: str | None = None
        tool_changes: Any = None

    def __init__(self, block_id: str, content: dict[str, Any], _: ResponseContext) -> None:
        self.id = block_id
        self.content = msgspec.convert(content, self.Content)
        self.encrypted = self.content.encrypted_content

    @property
    def place(self) -> BlockSlot:
        hidden = {"encrypted_content": self.encrypted, "tool_changes": self.content.tool_changes}
        return BlockSlot("text", block=without_none(hidden) or None)

    def start(self) -> Sequence[ChunkVariant]:
        told = without_none({"type": "compaction", "signature": self.content.signature})
        opened = TextStart(id=self.id, provider_metadata=anthropic(**told))
        text = self.content.content
        return (opened, TextDelta(id=self.id, delta=text)) if text else (opened,)

    def delta(self, delta: events.Delta | None) -> ChunkVariant | None:
        if type(delta) is not events.CompactionDelta:
            return None
        self.encrypted = delta.encrypted_content or self.encrypted
        return TextDelta(id=self.id, delta=delta.content) if delta.content else None

    def stop(self) -> Sequence[ChunkVariant]:
        return (TextEnd(id=self.id),)
