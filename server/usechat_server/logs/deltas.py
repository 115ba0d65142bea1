"""Consecutive deltas of one block, kept as one text."""

from __future__ import annotations

from io import StringIO

from ui_message_stream.chunks import Chunk, ReasoningDelta, TextDelta, ToolInputDelta

__all__ = ["Deltas", "delta_text"]


def delta_text(chunk: Chunk) -> str | None:
    """The text of a delta that brings nothing else, so that it can be merged; None for the rest."""
    if isinstance(chunk, (TextDelta, ReasoningDelta)):
        return chunk.delta if chunk.provider_metadata is None and chunk.extra is None else None
    if isinstance(chunk, ToolInputDelta):
        return chunk.input_text_delta if chunk.extra is None else None
    return None


class Deltas:
    """Deltas of one block, one right after another: a text that grows, read from any offset.

    Offsets count characters. Folding leaves them what they are, so it moves no reader.
    """

    __slots__ = ("_folded", "_growing", "_id", "_kind", "length")

    def __init__(self, first: Chunk) -> None:
        self._kind = type(first)
        self._id = _block_id(first)
        self._growing = StringIO()
        self._folded: str | None = None
        #: characters so far
        self.length = 0

    def continues(self, delta: Chunk) -> bool:
        """Whether a delta belongs to the same block."""
        return type(delta) is self._kind and _block_id(delta) == self._id

    def add(self, text: str) -> None:
        """Takes the text of the block's next delta."""
        self.length += self._growing.write(text)

    def read(self, offset: int, size: int) -> Chunk:
        """What follows an offset, as one delta of at most `size` characters."""
        if self._folded is not None:
            text = self._folded[offset : offset + size]
        else:
            self._growing.seek(offset)
            text = self._growing.read(size)
            self._growing.seek(self.length)
        if self._kind is ToolInputDelta:
            return ToolInputDelta(tool_call_id=self._id, input_text_delta=text)
        if self._kind is ReasoningDelta:
            return ReasoningDelta(id=self._id, delta=text)
        return TextDelta(id=self._id, delta=text)

    def fold(self) -> None:
        """Nothing more will come: the text is kept in its smallest form."""
        self._folded = self._growing.getvalue()
        self._growing.close()


def _block_id(delta: Chunk) -> str:
    return delta.tool_call_id if isinstance(delta, ToolInputDelta) else delta.id  # type: ignore[union-attr,return-value]
