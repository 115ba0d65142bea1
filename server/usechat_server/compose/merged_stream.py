"""One of the streams that become one message."""

from __future__ import annotations

from ui_message_stream import chunks as c
from ui_message_stream.chunks import Chunk

__all__ = ["BlockKey", "MergedStream", "block_key"]

#: A block: whether it is reasoning (text otherwise: each has ids of its own), and its id.
BlockKey = tuple[bool, str]


def block_key(chunk: Chunk) -> BlockKey | None:
    """The block that a chunk is about; None: it is about none."""
    if isinstance(chunk, (c.TextStart, c.TextDelta, c.TextEnd)):
        return False, chunk.id
    if isinstance(chunk, (c.ReasoningStart, c.ReasoningDelta, c.ReasoningEnd)):
        return True, chunk.id
    return None


class MergedStream:
    """What one stream has in the message."""

    def __init__(self) -> None:
        #: each block of the stream → its id in the message; also after its end
        self.names: dict[BlockKey, str] = {}
        #: the blocks that have not ended
        self.open: set[BlockKey] = set()
        #: those that a step ended, so that they go on as further parts
        self.cut: set[BlockKey] = set()
        #: tool calls that it began, and whose input is not complete
        self.inputs: set[str] = set()
        #: the last step in which it said something, by number
        self.step: int | None = None
        #: whether it waits for a step, which will end all that it has open
        self.waits = False

    @property
    def holds(self) -> bool:
        """Whether it is amid what cannot be cut: half a tool input is none, and reasoning is signed
        as a whole."""
        return not self.waits and (
            bool(self.inputs) or any(reasoning for reasoning, _ in self.open)
        )

    def advance(self, chunk: Chunk, key: BlockKey | None, step: int) -> None:
        """Takes a chunk of it that was written."""
        if isinstance(chunk, (c.TextStart, c.ReasoningStart)) and key:
            self.open.add(key)
            self.cut.discard(key)
        elif isinstance(chunk, (c.TextEnd, c.ReasoningEnd)) and key:
            self.open.discard(key)
        elif isinstance(chunk, c.ToolInputStart):
            self.inputs.add(chunk.tool_call_id)
        elif isinstance(chunk, (c.Data, c.MessageMetadata, c.SteeringMessage)):
            return  # they belong to no step
        self.step = step

    def step_ended(self) -> None:
        """The step is over, and with it all that was open."""
        self.cut |= self.open
        self.open.clear()
        self.inputs.clear()
