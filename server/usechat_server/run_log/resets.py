"""What a `reset-step` takes back: the parts of its step, and nothing that concerns other parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ui_message_stream import chunks as c
from ui_message_stream.messages import DataPart, UIMessage
from ui_message_stream.versions import ChunkVariant, VersionedChunk

from usechat_server.run_log.position import Position
from usechat_server.run_log.text_buffer import TextBuffer

__all__ = ["Item", "Reset", "kept_chunks"]

#: What a log consists of.
Item = ChunkVariant | TextBuffer

_CallStart = c.ToolInputStart | c.ToolInputAvailable | c.ToolInputError
_CallUpdate = c.ToolOutputAvailable | c.ToolOutputError | c.ToolOutputDenied | c.ToolApprovalRequest


@dataclass(frozen=True, slots=True)
class Reset:
    """A `reset-step` in a log.

    Attributes:
        first: Index of the first item that it superseded.
        index: Its own index.
        kept: The superseded items that clients keep the effect of, by index.
    """

    first: int
    index: int
    kept: Sequence[tuple[int, ChunkVariant]]

    def concerns(self, position: Position) -> bool:
        """Whether a position is before or within what the reset superseded."""
        return (self.first, 0) <= position <= (self.index, 0)

    def chunks_from(self, position: Position) -> Iterator[ChunkVariant]:
        """Yield what a reader at such a position is sent instead of the superseded items."""
        if position > (self.first, 0):
            yield c.ResetStep()
        yield from (chunk for index, chunk in self.kept if index >= position[0])

    @property
    def end(self) -> Position:
        """The position after the reset."""
        return self.index + 1, 0


def kept_chunks(
    step: Iterable[tuple[int, Item]], earlier: Iterable[Item], continued: UIMessage | None
) -> list[tuple[int, ChunkVariant]]:
    """Return the chunks of a step whose effect outlives a reset of the step: clients only remove
    the parts that were added since its `start-step`.

    Those are outputs and approvals of earlier calls, new values of earlier data parts, and
    metadata.

    Args:
        step: The items of the step, with their indexes.
        earlier: The items before the step that count.
        continued: The message that the run continues.
    """
    calls: set[str] = set()
    approvals: set[str] = set()
    data = _data_parts(earlier, continued)
    kept: list[tuple[int, ChunkVariant]] = []
    for index, item in step:
        if isinstance(item, TextBuffer):
            continue
        chunk = item.chunk if isinstance(item, VersionedChunk) else item
        is_kept = isinstance(chunk, c.MessageMetadata)
        if isinstance(chunk, _CallStart):
            calls.add(chunk.tool_call_id)
        elif isinstance(chunk, c.ToolApprovalRequest) and chunk.tool_call_id in calls:
            approvals.add(chunk.approval_id)
        elif isinstance(chunk, _CallUpdate):
            is_kept = chunk.tool_call_id not in calls
        elif isinstance(chunk, c.ToolApprovalResponse):
            is_kept = chunk.approval_id not in approvals
        elif isinstance(chunk, c.Data) and chunk.id is not None and not chunk.transient:
            is_kept = (chunk.name, chunk.id) in data
        if is_kept:
            kept.append((index, item))
    return kept


def _data_parts(items: Iterable[Item], continued: UIMessage | None) -> set[tuple[str, str | None]]:
    """Return name and id of all data parts."""
    chunks = (item.chunk if isinstance(item, VersionedChunk) else item for item in items)
    parts = [] if continued is None else continued.parts
    return {
        (each.name, each.id)
        for each in (*parts, *chunks)
        if isinstance(each, DataPart) or (isinstance(each, c.Data) and not each.transient)
    }
