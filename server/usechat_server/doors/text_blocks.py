"""The text of a message, in the order of its parts."""

from __future__ import annotations

from collections import deque

from ui_message_stream import chunks as c

__all__ = ["TextBlocks"]


class TextBlocks:
    """Puts the deltas of text blocks in order. Blocks may be written at the same time: what comes
    for one waits until those before it have ended.

    Args:
        separator: Comes between the texts of two blocks.
    """

    def __init__(self, separator: str = "") -> None:
        self._separator = separator
        #: those that have begun and of which not everything was returned, oldest first
        self._blocks: deque[_Block] = deque()
        self._open: dict[str, _Block] = {}
        #: whether a block before the current one had text
        self._needs_separator = False
        self._has_text = False

    @property
    def is_open(self) -> bool:
        """Whether a block has begun and not ended."""
        return bool(self._open)

    def read(self, chunk: c.Chunk) -> str:
        """Return the text that can be sent after this chunk."""
        if isinstance(chunk, c.TextDelta):
            block = self._open[chunk.id]
            if block is self._blocks[0]:
                return self._text(chunk.delta)
            block.waiting.append(chunk.delta)
        elif isinstance(chunk, c.TextStart):
            block = self._open[chunk.id] = _Block()
            self._blocks.append(block)
        elif isinstance(chunk, c.TextEnd):
            self._open.pop(chunk.id).has_ended = True
            return self._next_blocks()
        return ""

    def _next_blocks(self) -> str:
        """Return what waited for the blocks that have ended."""
        texts: list[str] = []
        while self._blocks and self._blocks[0].has_ended:
            self._blocks.popleft()
            self._needs_separator = self._has_text
            if self._blocks:
                texts.append(self._text("".join(self._blocks[0].waiting)))
        return "".join(texts)

    def _text(self, text: str) -> str:
        if not text:
            return ""
        self._has_text = True
        if self._needs_separator:
            self._needs_separator = False
            return self._separator + text
        return text


class _Block:
    """A text block that has begun."""

    __slots__ = ("has_ended", "waiting")

    def __init__(self) -> None:
        self.has_ended = False
        #: its text, while a block before it goes on
        self.waiting: list[str] = []
