"""Merge several streams into one message, without colliding block ids or truncated parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Sequence

import msgspec
from ui_message_stream import chunks as c
from ui_message_stream.chunks import Chunk, FinishReason
from ui_message_stream.schema import UNSET
from ui_message_stream.versions import ChunkVariant, ClientVersion, VersionedChunk

from usechat_server.compose.merged_stream import BlockKey, MergedStream, block_key
from usechat_server.errors import ChatError

__all__ = ["Append", "StreamMerger"]

#: Writes chunks and adds the ones that are missing. Raises IllegalChunk or TypeError.
Append = Callable[[Sequence[ChunkVariant]], None]

#: Chunks that start and end a stream. Those of a merged stream do not start or end the message.
_FRAMING = (c.Start, c.Finish, c.Abort, c.Error, c.ResetStep)
#: Chunks that are legal between two steps.
_OUTSIDE_STEPS = (
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
    """Writes streams side by side. `client_version` is the oldest version that reads the message.

    A block keeps its id unless another stream has an open block with the same id. The first step of
    a stream is the step that is already open; each later step starts when no other merged stream is
    writing reasoning or a tool input. Text that is split by a step continues as another part.
    """

    def __init__(self, append: Append, client_version: ClientVersion) -> None:
        #: the last finish reason that a stream gave; `tool-calls` takes precedence
        self.finish_reason: FinishReason | None = None
        self._append = append
        self._client_version = client_version
        self._streams: list[MergedStream] = []
        #: the streams that a new step waits for
        self._merged: set[MergedStream] = set()
        #: the blocks that are open in the message, with their ids there
        self._open_blocks: set[BlockKey] = set()
        #: number of block ids that were changed
        self._renames = 0
        #: number of steps that ended
        self._step = 0
        #: whether a step has to be ended: some chunks are legal without one
        self._in_step = False
        self._step_unblocked = asyncio.Event()

    def add(self, *, merged: bool = False) -> MergedStream:
        """Add a stream. New steps wait for streams with `merged` only."""
        stream = MergedStream()
        self._streams.append(stream)
        if merged:
            self._merged.add(stream)
        return stream

    def remove(self, stream: MergedStream) -> None:
        """Remove a stream and end its blocks. An incomplete tool input ends with the step."""
        self._streams.remove(stream)
        self._merged.discard(stream)
        for reasoning, block in stream.open_blocks:
            block_id = stream.block_ids[reasoning, block]
            self._open_blocks.discard((reasoning, block_id))
            self._append([c.ReasoningEnd(id=block_id) if reasoning else c.TextEnd(id=block_id)])
        self._step_unblocked.set()

    def write(self, stream: MergedStream, variant: ChunkVariant) -> None:
        """Write a chunk of a stream. A `start-step` that would have to wait is dropped.

        Raises:
            ChatError: The chunk is an `error`. The exception has its text.
        """
        chunk = variant.chunk if isinstance(variant, VersionedChunk) else variant
        if isinstance(chunk, c.StartStep):
            self.begin_step(stream)
        elif isinstance(chunk, c.FinishStep):
            self._finish_step(stream)
        elif isinstance(chunk, _FRAMING):
            self._write_framing(stream, chunk)
        else:
            self._write_content(stream, variant, chunk)

    def begin_step(self, stream: MergedStream) -> bool:
        """Start a step, unless the stream has not written to the open one yet.

        Returns:
            False if another stream blocks a new step.
        """
        if stream.last_step != self._step:
            return True
        if any(other.blocks_steps for other in self._merged if other is not stream):
            return False
        self._append([c.StartStep()])
        self._end_step()
        self._in_step = True
        return True

    async def merge(
        self, stream: AsyncIterable[ChunkVariant], *, on_written: Callable[[Chunk], None]
    ) -> None:
        """Write a stream until it ends, and close it, also when this is cancelled.

        Args:
            stream: The chunks.
            on_written: Called with each chunk after it was written, except `start-step`.
        """
        merged = self.add(merged=True)
        try:
            async for variant in stream:
                if isinstance(variant, c.StartStep):
                    await self.wait_for_step(merged)
                else:
                    self.write(merged, variant)
                    on_written(variant.chunk if isinstance(variant, VersionedChunk) else variant)
        finally:
            self.remove(merged)
            if aclose := getattr(stream, "aclose", None):
                await aclose()

    async def wait_for_step(self, stream: MergedStream) -> None:
        """Start a step as soon as no other stream blocks it."""
        stream.waits_for_step = True
        self._step_unblocked.set()
        try:
            while not self.begin_step(stream):
                self._step_unblocked.clear()
                await self._step_unblocked.wait()
        finally:
            stream.waits_for_step = False

    def _finish_step(self, stream: MergedStream) -> None:
        """End the step if no other stream has anything open; otherwise the next step ends it."""
        others = (other for other in self._streams if other is not stream)
        is_shared = any(other.open_blocks or other.open_inputs for other in others)
        if stream.last_step == self._step and self._in_step and not is_shared:
            self._append([c.FinishStep()])
            self._end_step()

    def _end_step(self) -> None:
        self._step += 1
        self._in_step = False
        self._open_blocks.clear()
        for stream in self._streams:
            stream.end_step()

    def _write_framing(self, stream: MergedStream, chunk: Chunk) -> None:
        if isinstance(chunk, c.Error):
            raise ChatError(chunk.error_text)
        if isinstance(chunk, c.ResetStep):
            raise ValueError("reset-step would discard what other streams wrote to the step")
        if isinstance(chunk, c.Finish) and self.finish_reason != "tool-calls":
            self.finish_reason = chunk.finish_reason or self.finish_reason
        if isinstance(chunk, (c.Start, c.Finish)) and chunk.message_metadata is not UNSET:
            self.write(stream, c.MessageMetadata(message_metadata=chunk.message_metadata))

    def _write_content(self, stream: MergedStream, variant: ChunkVariant, chunk: Chunk) -> None:
        # The state follows what the oldest client reads.
        is_read = not isinstance(variant, VersionedChunk) or variant.includes(self._client_version)
        key = block_key(chunk)
        if key is not None:
            if isinstance(chunk, (c.TextStart, c.ReasoningStart)):
                stream.block_ids[key] = self._unused_id(key)
            elif key in stream.split_blocks:
                if isinstance(chunk, (c.TextEnd, c.ReasoningEnd)):
                    stream.split_blocks.discard(key)
                    return
                start = c.ReasoningStart(id=key[1]) if key[0] else c.TextStart(id=key[1])
                self._write_content(stream, start, start)
            elif key not in stream.open_blocks and is_read:
                # An illegal chunk: it must not be written to another stream's block.
                stream.block_ids[key] = self._unused_id(key)
            variant = _with_block_id(variant, stream.block_ids.get(key, key[1]))
        self._append((variant,))
        self._in_step = self._in_step or not isinstance(chunk, _OUTSIDE_STEPS)
        if not is_read or isinstance(chunk, (c.TextDelta, c.ReasoningDelta, c.ToolInputDelta)):
            return
        stream.record(chunk, key, self._step)
        if key is not None:
            block = (key[0], stream.block_ids[key])
            if key in stream.open_blocks:
                self._open_blocks.add(block)
            else:
                self._open_blocks.discard(block)
        elif isinstance(chunk, _INPUT_ENDS):
            for each in self._streams:
                each.open_inputs.discard(chunk.tool_call_id)
        if not stream.blocks_steps:
            self._step_unblocked.set()

    def _unused_id(self, key: BlockKey) -> str:
        reasoning, block_id = key
        while (reasoning, block_id) in self._open_blocks:
            self._renames += 1
            block_id = f"{key[1]}-{self._renames}"
        return block_id


def _with_block_id(variant: ChunkVariant, block_id: str) -> ChunkVariant:
    if isinstance(variant, VersionedChunk):
        chunk = _with_block_id(variant.chunk, block_id)
        return variant if chunk is variant.chunk else msgspec.structs.replace(variant, chunk=chunk)
    if variant.id == block_id:  # type: ignore[union-attr]
        return variant
    return msgspec.structs.replace(variant, id=block_id)
