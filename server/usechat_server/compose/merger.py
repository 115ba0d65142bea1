"""Several streams as one message: ids that do not meet, steps that cut nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
from ui_message_stream import chunks as c
from ui_message_stream.chunks import Chunk, FinishReason
from ui_message_stream.schema import UNSET
from ui_message_stream.versions import ChunkVariant, ClientVersion, VersionedChunk

from usechat_server.compose.merged_stream import BlockKey, MergedStream, block_key
from usechat_server.errors import BadRequest

__all__ = ["Append", "StreamMerger"]

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


class StreamMerger:
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
        self._streams: list[MergedStream] = []
        self._merged: set[MergedStream] = set()
        #: ids of the blocks that are open in the message
        self._taken: set[BlockKey] = set()
        self._renamed = 0
        #: how many steps ended
        self._step = 0
        #: whether there is one to end: outputs and notes need none
        self._in_step = False
        self._released = asyncio.Event()

    def add(self, *, merged: bool = False) -> MergedStream:
        """A further strand. Steps wait for merged ones only."""
        stream = MergedStream()
        self._streams.append(stream)
        if merged:
            self._merged.add(stream)
        return stream

    def remove(self, stream: MergedStream) -> None:
        """The strand is over, and so are its blocks. Half a tool input ends with the step."""
        self._streams.remove(stream)
        self._merged.discard(stream)
        for reasoning, block in stream.open:
            name = stream.names[reasoning, block]
            self._taken.discard((reasoning, name))
            self._append([c.ReasoningEnd(id=name) if reasoning else c.TextEnd(id=name)])
        self._released.set()

    def say(self, stream: MergedStream, variant: ChunkVariant) -> None:
        """Writes what a strand says; a step that it cannot begin now it does not begin.

        Raises BadRequest with the text of an `error`.
        """
        chunk = variant.chunk if isinstance(variant, VersionedChunk) else variant
        if isinstance(chunk, c.StartStep):
            self.begin_step(stream)
        elif isinstance(chunk, c.FinishStep):
            self._finish_step(stream)
        elif isinstance(chunk, _FRAMING):
            self._framing(stream, chunk)
        else:
            self._content(stream, variant, chunk)

    def begin_step(self, stream: MergedStream) -> bool:
        """Begins a step, unless the one that is open is new to the strand. False: not now."""
        if stream.step != self._step:
            return True
        if any(other.holds for other in self._merged if other is not stream):
            return False
        self._append([c.StartStep()])
        self._step_ended()
        self._in_step = True
        return True

    async def wait_for_step(self, stream: MergedStream) -> None:
        """Begins a step as soon as it can."""
        stream.waits = True
        self._released.set()
        try:
            while not self.begin_step(stream):
                self._released.clear()
                await self._released.wait()
        finally:
            stream.waits = False

    def _finish_step(self, stream: MergedStream) -> None:
        """Else the next step ends it."""
        busy = any(other.open or other.inputs for other in self._streams if other is not stream)
        if stream.step == self._step and self._in_step and not busy:
            self._append([c.FinishStep()])
            self._step_ended()

    def _step_ended(self) -> None:
        self._step += 1
        self._in_step = False
        self._taken.clear()
        for stream in self._streams:
            stream.step_ended()

    def _framing(self, stream: MergedStream, chunk: Chunk) -> None:
        if isinstance(chunk, c.Error):
            raise BadRequest(chunk.error_text)
        if isinstance(chunk, c.ResetStep):
            raise ValueError("reset-step would take away what others said in the step")
        if isinstance(chunk, c.Finish) and self.finish_reason != "tool-calls":
            self.finish_reason = chunk.finish_reason or self.finish_reason
        if isinstance(chunk, (c.Start, c.Finish)) and chunk.message_metadata is not UNSET:
            self.say(stream, c.MessageMetadata(message_metadata=chunk.message_metadata))

    def _content(self, stream: MergedStream, variant: ChunkVariant, chunk: Chunk) -> None:
        counts = not isinstance(variant, VersionedChunk) or variant.includes(self._client_version)
        key = block_key(chunk)
        if key is not None:
            if isinstance(chunk, (c.TextStart, c.ReasoningStart)):
                stream.names[key] = self._name(key)
            elif key in stream.cut:
                if isinstance(chunk, (c.TextEnd, c.ReasoningEnd)):
                    stream.cut.discard(key)
                    return
                start = c.ReasoningStart if key[0] else c.TextStart
                self._content(stream, begun := start(id=key[1]), begun)
            elif key not in stream.open and counts:
                # A mistake. It must not hit the block of another strand.
                stream.names[key] = self._name(key)
            variant = _renamed(variant, stream.names.get(key, key[1]))
        self._append((variant,))
        self._in_step = self._in_step or not isinstance(chunk, _OUTSIDE)
        if not counts or isinstance(chunk, (c.TextDelta, c.ReasoningDelta, c.ToolInputDelta)):
            return
        stream.advance(chunk, key, self._step)
        if key is not None:
            name = (key[0], stream.names[key])
            (self._taken.add if key in stream.open else self._taken.discard)(name)
        elif isinstance(chunk, _INPUT_ENDS):
            for any_stream in self._streams:
                any_stream.inputs.discard(chunk.tool_call_id)
        if not stream.holds:
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
