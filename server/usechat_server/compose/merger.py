"""Several streams as one message: ids that do not meet, steps that cut nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
from ui_message_stream import chunks as c
from ui_message_stream.chunks import Chunk, FinishReason
from ui_message_stream.schema import UNSET
from ui_message_stream.versions import ChunkVariant, ClientVersion, VersionedChunk

from usechat_server.compose.merged_stream import BlockKey, Strand, block_key
from usechat_server.errors import BadRequest

__all__ = ["Append", "Weave"]

#: Takes what is to be written, makes the missing chunks, and raises IllegalChunk or TypeError.
Append = Callable[[Sequence[ChunkVariant]], None]

#: What begins and ends a stream: of a strand it says something, but begins and ends nothing.
_FRAMING = (c.Start, c.Finish, c.Abort, c.Error, c.ResetStep)
#: What may stand between two steps.
_OUTSIDE = (
    c.ToolOutputAvailable,
    c.ToolOutputError,
    c.ToolOutputDenied,
    c.ToolApprovalRequest,
    c.ToolApprovalResponse,
    c.Data,
    c.MessageMetadata,
    c.SteeringMessage,
)
_INPUT_ENDS = (c.ToolInputAvailable, c.ToolInputError, c.ToolOutputError)


class Weave:
    """Writes strands side by side. `client_version` is the oldest release that reads the message.

    A block keeps its id unless another strand has one open under it. A strand's first step is the
    one that is open already; a later one waits until no merged strand is amid what cannot be cut.
    Text that a step cuts goes on as a further part.
    """

    def __init__(self, append: Append, client_version: ClientVersion) -> None:
        #: why the last strand that said so ended; open tool calls go before
        self.finish_reason: FinishReason | None = None
        self._append = append
        self._client_version = client_version
        self._strands: list[Strand] = []
        self._merged: set[Strand] = set()
        #: ids of the blocks that are open in the message
        self._taken: set[BlockKey] = set()
        self._renamed = 0
        #: how many steps ended
        self._step = 0
        #: whether there is one to end: outputs and notes need none
        self._in_step = False
        self._released = asyncio.Event()

    def add(self, *, merged: bool = False) -> Strand:
        """A further strand. Steps wait for merged ones only."""
        strand = Strand()
        self._strands.append(strand)
        if merged:
            self._merged.add(strand)
        return strand

    def remove(self, strand: Strand) -> None:
        """The strand is over, and so are its blocks. Half a tool input ends with the step."""
        self._strands.remove(strand)
        self._merged.discard(strand)
        for reasoning, block in strand.open:
            name = strand.names[reasoning, block]
            self._taken.discard((reasoning, name))
            self._append([c.ReasoningEnd(id=name) if reasoning else c.TextEnd(id=name)])
        self._released.set()

    def say(self, strand: Strand, variant: ChunkVariant) -> None:
        """Writes what a strand says; a step that it cannot begin now it does not begin.

        Raises BadRequest with the text of an `error`.
        """
        chunk = variant.chunk if isinstance(variant, VersionedChunk) else variant
        if isinstance(chunk, c.StartStep):
            self.begin_step(strand)
        elif isinstance(chunk, c.FinishStep):
            self._finish_step(strand)
        elif isinstance(chunk, _FRAMING):
            self._framing(strand, chunk)
        else:
            self._content(strand, variant, chunk)

    def begin_step(self, strand: Strand) -> bool:
        """Begins a step, unless the one that is open is new to the strand. False: not now."""
        if strand.step != self._step:
            return True
        if any(other.holds for other in self._merged if other is not strand):
            return False
        self._append([c.StartStep()])
        self._step_ended()
        self._in_step = True
        return True

    async def wait_for_step(self, strand: Strand) -> None:
        """Begins a step as soon as it can."""
        strand.waits = True
        self._released.set()
        try:
            while not self.begin_step(strand):
                self._released.clear()
                await self._released.wait()
        finally:
            strand.waits = False

    def _finish_step(self, strand: Strand) -> None:
        """Else the next step ends it."""
        busy = any(other.open or other.inputs for other in self._strands if other is not strand)
        if strand.step == self._step and self._in_step and not busy:
            self._append([c.FinishStep()])
            self._step_ended()

    def _step_ended(self) -> None:
        self._step += 1
        self._in_step = False
        self._taken.clear()
        for strand in self._strands:
            strand.step_ended()

    def _framing(self, strand: Strand, chunk: Chunk) -> None:
        if isinstance(chunk, c.Error):
            raise BadRequest(chunk.error_text)
        if isinstance(chunk, c.ResetStep):
            raise ValueError("reset-step would take away what others said in the step")
        if isinstance(chunk, c.Finish) and self.finish_reason != "tool-calls":
            self.finish_reason = chunk.finish_reason or self.finish_reason
        if isinstance(chunk, (c.Start, c.Finish)) and chunk.message_metadata is not UNSET:
            self.say(strand, c.MessageMetadata(message_metadata=chunk.message_metadata))

    def _content(self, strand: Strand, variant: ChunkVariant, chunk: Chunk) -> None:
        counts = not isinstance(variant, VersionedChunk) or variant.includes(self._client_version)
        key = block_key(chunk)
        if key is not None:
            if isinstance(chunk, (c.TextStart, c.ReasoningStart)):
                strand.names[key] = self._name(key)
            elif key in strand.cut:
                if isinstance(chunk, (c.TextEnd, c.ReasoningEnd)):
                    strand.cut.discard(key)
                    return
                start = c.ReasoningStart if key[0] else c.TextStart
                self._content(strand, begun := start(id=key[1]), begun)
            elif key not in strand.open and counts:
                # A mistake. It must not hit the block of another strand.
                strand.names[key] = self._name(key)
            variant = _renamed(variant, strand.names.get(key, key[1]))
        self._append((variant,))
        self._in_step = self._in_step or not isinstance(chunk, _OUTSIDE)
        if not counts or isinstance(chunk, (c.TextDelta, c.ReasoningDelta, c.ToolInputDelta)):
            return
        strand.advance(chunk, key, self._step)
        if key is not None:
            name = (key[0], strand.names[key])
            (self._taken.add if key in strand.open else self._taken.discard)(name)
        elif isinstance(chunk, _INPUT_ENDS):
            for any_strand in self._strands:
                any_strand.inputs.discard(chunk.tool_call_id)
        if not strand.holds:
            self._released.set()

    def _name(self, key: BlockKey) -> str:
        reasoning, name = key
        while (reasoning, name) in self._taken:
            self._renamed += 1
            name = f"{key[1]}-{self._renamed}"
        return name


def _renamed(variant: ChunkVariant, name: str) -> ChunkVariant:
    if isinstance(variant, VersionedChunk):
        chunk = _renamed(variant.chunk, name)
        return variant if chunk is variant.chunk else msgspec.structs.replace(variant, chunk=chunk)
    if variant.id == name:  # type: ignore[union-attr]
        return variant
    return msgspec.structs.replace(variant, id=name)
