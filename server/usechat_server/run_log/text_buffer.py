"""Consecutive deltas of one block, stored as one text."""

from __future__ import annotations

from io import StringIO
from typing import cast

from ui_message_stream.chunks import Chunk, ReasoningDelta, TextDelta, ToolInputDelta
from ui_message_stream.versions import ChunkVariant

__all__ = ["TextBuffer", "plain_delta"]


def plain_delta(chunk: Chunk) -> tuple[str, str] | None:
    """Return block id and text of a delta that carries nothing else, so that it can be merged.

    None for any other chunk.
    """
    if isinstance(chunk, (TextDelta, ReasoningDelta)):
        if chunk.provider_metadata is None and chunk.extra is None:
            return chunk.id, chunk.delta
    elif isinstance(chunk, ToolInputDelta) and chunk.extra is None:
        return chunk.tool_call_id, chunk.input_text_delta
    return None


class TextBuffer:
    """Consecutive deltas of one block as a text that grows and can be read from any offset.

    Offsets count characters; they are the same before and after `freeze`.
    """

    __slots__ = ("_block_id", "_buffer", "_chunk_type", "_frozen", "length")

    def __init__(self, chunk_type: type[Chunk], block_id: str, text: str) -> None:
        self._chunk_type = chunk_type
        self._block_id = block_id
        self._buffer = StringIO()
        self._frozen: str | None = None
        #: characters so far
        self.length: int = self._buffer.write(text)

    def try_append(self, chunk: ChunkVariant) -> bool:
        """Append the text of the next chunk; False if that is no plain delta of this block."""
        if type(chunk) is not self._chunk_type:
            return False
        if isinstance(chunk, ToolInputDelta):
            if chunk.tool_call_id != self._block_id or chunk.extra is not None:
                return False
            self.length += self._buffer.write(chunk.input_text_delta)
            return True
        delta = cast("TextDelta | ReasoningDelta", chunk)
        if (
            delta.id != self._block_id
            or delta.provider_metadata is not None
            or delta.extra is not None
        ):
            return False
        self.length += self._buffer.write(delta.delta)
        return True

    def read(self, offset: int, size: int) -> Chunk:
        """Return the text from an offset on as one delta of at most `size` characters."""
        if self._frozen is not None:
            text = self._frozen[offset : offset + size]
        else:
            self._buffer.seek(offset)
            text = self._buffer.read(size)
            self._buffer.seek(self.length)
        if self._chunk_type is ToolInputDelta:
            return ToolInputDelta(tool_call_id=self._block_id, input_text_delta=text)
        if self._chunk_type is ReasoningDelta:
            return ReasoningDelta(id=self._block_id, delta=text)
        return TextDelta(id=self._block_id, delta=text)

    def utf8_size(self) -> int:
        """Return the size of the text in bytes of UTF-8."""
        text = self._buffer.getvalue() if self._frozen is None else self._frozen
        return len(text.encode())

    def freeze(self) -> None:
        """Keep the text in its smallest form: no more deltas will follow."""
        self._frozen = self._buffer.getvalue()
        self._buffer.close()
