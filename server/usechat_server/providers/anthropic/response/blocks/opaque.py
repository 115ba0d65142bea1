"""Blocks that a page shows nothing of, or only a newer one: the provider wants them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ui_message_stream.chunks import Custom
from ui_message_stream.versions import ChunkVariant

from usechat_server.providers.anthropic.message_record import BlockSlot
from usechat_server.providers.anthropic.response import events
from usechat_server.providers.anthropic.response.blocks.base import ResponseContext, anthropic

__all__ = ["Fallback", "Hidden"]


class Hidden:
    """A block that came whole; one of a type that nobody knew as well, unless deltas followed that
    nobody knew how to put together."""

    def __init__(self, _: str, content: dict[str, Any], __: ResponseContext) -> None:
        self.content = content
        known = isinstance(content.get("type"), str)
        self.place: BlockSlot | None = BlockSlot(block=content) if known else None

    def start(self) -> Sequence[ChunkVariant]:
        return ()

    def delta(self, _: events.Delta | None) -> ChunkVariant | None:
        self.place = None
        return None

    def stop(self) -> Sequence[ChunkVariant]:
        return ()


class Fallback(Hidden):
    """Where another model took over."""

    def start(self) -> Sequence[ChunkVariant]:
        told = {key: self.content.get(key) for key in ("type", "from", "to")}
        return (Custom(kind="anthropic.fallback", provider_metadata=anthropic(**told)),)
