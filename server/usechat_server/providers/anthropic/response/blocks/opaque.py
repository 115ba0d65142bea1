"""Blocks that no client shows, or only a newer one: the provider needs them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ui_message_stream.chunks import Custom
from ui_message_stream.versions import ChunkVariant

from usechat_server.providers.anthropic.message_record import BlockSlot
from usechat_server.providers.anthropic.provider_metadata import anthropic_metadata
from usechat_server.providers.anthropic.response import events
from usechat_server.providers.anthropic.response.blocks.base import ResponseContext

__all__ = ["FallbackTranslator", "OpaqueTranslator"]


class OpaqueTranslator:
    """A block that is kept whole and not shown.

    Blocks of unknown types are kept too, unless they have deltas, which are unknown as well.
    """

    def __init__(self, _: str, content: dict[str, Any], __: ResponseContext) -> None:
        self.content = content
        has_type = isinstance(content.get("type"), str)
        self.slot: BlockSlot | None = BlockSlot(block=content) if has_type else None

    def start(self) -> Sequence[ChunkVariant]:
        return ()

    def delta(self, _: events.Delta | None) -> ChunkVariant | None:
        self.slot = None
        return None

    def stop(self) -> Sequence[ChunkVariant]:
        return ()


class FallbackTranslator(OpaqueTranslator):
    """Where another model took over."""

    def start(self) -> Sequence[ChunkVariant]:
        fields = {key: self.content.get(key) for key in ("type", "from", "to")}
        metadata = anthropic_metadata(**fields)
        return (Custom(kind="anthropic.fallback", provider_metadata=metadata),)
