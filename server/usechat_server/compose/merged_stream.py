"""The state of one of the streams that are merged into a message."""

from __future__ import annotations

from ui_message_stream import chunks as c
from ui_message_stream.chunks import Chunk

__all__ = ["BlockKey", "MergedStream", "block_key"]

#: Whether a block is reasoning (otherwise text: ids are unique within each kind), and its id.
BlockKey = tuple[bool, str]


def block_key(chunk: Chunk) -> BlockKey | None:
    """Return the text or reasoning block that a chunk belongs to, if any."""
    if isinstance(chunk, (c.TextStart, c.TextDelta, c.TextEnd)):
        return False, chunk.id
    if isinstance(chunk, (c.ReasoningStart, c.ReasoningDelta, c.ReasoningEnd)):
        return True, chunk.id
    return None


class MergedStream:
    """The blocks and tool inputs that one stream has open in the message."""

    def __init__(self) -> None:
        #: each block of the stream → its id in the message; kept after the block ends
        self.block_ids: dict[BlockKey, str] = {}
        #: blocks that have not ended
        self.open_blocks: set[BlockKey] = set()
        #: blocks that the end of a step closed: their next delta starts another part
        self.split_blocks: set[BlockKey] = set()
        #: ids of tool calls whose input is not complete
        self.open_inputs: set[str] = set()
        #: number of the last step that the stream wrote to
        self.last_step: int | None = None
        #: whether the stream waits for a new step, which closes everything it has open
        self.waits_for_step = False

    @property
    def blocks_steps(self) -> bool:
        """Whether a new step would break what the stream is writing: a tool input must be complete,
        and reasoning is signed as a whole."""
        return not self.waits_for_step and (
            bool(self.open_inputs) or any(reasoning for reasoning, _ in self.open_blocks)
        )

    def record(self, chunk: Chunk, key: BlockKey | None, step: int) -> None:
        """Update the state after a chunk of this stream was written."""
        if isinstance(chunk, (c.TextStart, c.ReasoningStart)) and key:
            self.open_blocks.add(key)
            self.split_blocks.discard(key)
        elif isinstance(chunk, (c.TextEnd, c.ReasoningEnd)) and key:
            self.open_blocks.discard(key)
        elif isinstance(chunk, c.ToolInputStart):
            self.open_inputs.add(chunk.tool_call_id)
        elif isinstance(chunk, (c.Data, c.MessageMetadata, c.SteeringMessage)):
            return  # not part of a step
        self.last_step = step

    def end_step(self) -> None:
        """Update the state after a step ended, which closed everything that was open."""
        self.split_blocks |= self.open_blocks
        self.open_blocks.clear()
        self.open_inputs.clear()
