"""Consecutive deltas of one block, kept as one text."""

from __future__ import annotations

from io import StringIO

from ui_message_stream.chunks import Chunk, ReasoningDelta, TextDelta, ToolInputDelta

__all__ = ["TextBuffer", "plain_delta"]


def plain_delta(chunk: Chunk) -> tuple[str, str] | None:
    """Block id and text of a delta that brings nothing else, so that it can be merged; or None."""
    if isinstance(chunk, (TextDelta, ReasoningDelta)):
        if chunk.provider_metadata is None and chunk.extra is None:
            return chunk.id, chunk.delta
    elif isinstance(chunk, ToolInputDelta) and chunk.extra is None:
        return chunk.tool_call_id, chunk.input_text_delta
    return None


class TextBuffer:
    """Deltas of one block, one right after another: a text that grows, read from any offset.

    Offsets count characters. Folding leaves them what they are, so it moves no reader.
    """

    __slots__ = ("_block", "_folded", "_growing", "_kind", "length")

    def __init__(self, kind: type[Chunk], block: str, text: str) -> None:
        self._kind = kind
        self._block = block
        self._growing = StringIO()
        self._folded: str | None = None
        #: characters so far
        self.length = self._growing.write(text)

    def add(self, kind: type[Chunk], block: str, text: str) -> bool:
        """Takes the text of the next delta; False if it belongs to another block."""
        if kind is not self._kind or block != self._block:
            return False
        self.length += self._growing.write(text)
        return True

    def read(self, offset: int, size: int) -> Chunk:
        """What follows an offset, as one delta of at most `size` characters."""
        if self._folded is not None:
            text = self._folded[offset : offset + size]
        else:
            self._growing.seek(offset)
            text = self._growing.read(size)
            self._growing.seek(self.length)
        if self._kind is ToolInputDelta:
            return ToolInputDelta(tool_call_id=self._block, input_text_delta=text)
        if self._kind is ReasoningDelta:
            return ReasoningDelta(id=self._block, delta=text)
        return TextDelta(id=self._block, delta=text)

    def size(self) -> int:
        """Bytes of UTF-8."""
        text = self._growing.getvalue() if self._folded is None else self._folded
        return len(text.encode())

    def fold(self) -> None:
        """Nothing more will come: the text is kept in its smallest form."""
        self._folded = self._growing.getvalue()
        self._growing.close()
