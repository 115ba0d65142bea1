"""The ids of a model's tool calls, made unique in the message: clients know a call by its id."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from ui_message_stream.chunks import (
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputError,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputError,
)
from ui_message_stream.versions import ChunkVariant, VersionedChunk

__all__ = ["CallIds"]

_INPUTS = (ToolInputStart, ToolInputAvailable, ToolInputError)
_OTHERS = (ToolInputDelta, ToolOutputAvailable, ToolOutputError)


class CallIds:
    """Gives a number to each id that a model uses again: some servers number the calls of each
    response anew.

    Args:
        used: The ids of the message's calls so far.
    """

    def __init__(self, used: Iterable[str]) -> None:
        self._used = set(used)
        #: calls whose input has begun and is not complete, by the model's id
        self._open: set[str] = set()
        #: the model's id → ours, where they differ
        self.renamed: dict[str, str] = {}

    def unique(self, variant: ChunkVariant) -> ChunkVariant:
        """Return a chunk of the model with the unique id of its call, if it is of a call."""
        chunk = variant.chunk if isinstance(variant, VersionedChunk) else variant
        if isinstance(variant, _INPUTS):  # not versioned ones: two forms are of one call
            self._assign(variant.tool_call_id, complete=not isinstance(variant, ToolInputStart))
        if not isinstance(chunk, _INPUTS + _OTHERS):
            return variant
        call_id = self.renamed.get(chunk.tool_call_id)
        if call_id is None:
            return variant
        renamed = msgspec.structs.replace(chunk, tool_call_id=call_id)
        if isinstance(variant, VersionedChunk):
            return VersionedChunk(renamed, since=variant.since, until=variant.until)
        return renamed

    def _assign(self, call_id: str, *, complete: bool) -> None:
        if call_id not in self._open:
            self.renamed.pop(call_id, None)
            unique_id, number = call_id, 1
            while unique_id in self._used:
                number += 1
                unique_id = f"{call_id}_{number}"
            self._used.add(unique_id)
            if unique_id != call_id:
                self.renamed[call_id] = unique_id
        if complete:
            self._open.discard(call_id)
        else:
            self._open.add(call_id)
