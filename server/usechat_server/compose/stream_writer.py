"""StreamWriter: what plain code writes an answer with."""

from __future__ import annotations

import base64
import secrets
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from typing import Any

from ui_message_stream import chunks as c
from ui_message_stream.chunks import Chunk, FinishReason
from ui_message_stream.versions import ChunkVariant, ClientVersion, VersionedChunk

from usechat_server.compose.merged_stream import BlockKey
from usechat_server.compose.merger import Append, StreamMerger
from usechat_server.turn import Turn

__all__ = ["ChatHandler", "StreamWriter"]

#: They stand beside the text that is being written, and do not end it.
_BESIDE = (c.SourceUrl, c.SourceDocument, c.MessageMetadata, c.SteeringMessage)


class StreamWriter:
    """Writes one message. Whatever is called when, the stream is legal: what is missing is added,
    and what cannot be is an exception here.

    Not for threads. Nothing waits for the client to read; `merge` waits for what it merges.
    """

    def __init__(self, append: Append, client_version: ClientVersion) -> None:
        self._merger = StreamMerger(append, client_version)
        #: what goes through `write`, and the blocks of `text` and `reasoning`
        self._own, self._flowing = self._merger.add(), self._merger.add()
        #: the block that `text` or `reasoning` goes on with
        self._block: BlockKey | None = None
        self._blocks = 0
        #: data parts that later data replaces
        self._data: set[tuple[str, str]] = set()
        #: calls without an output, for the page to answer
        self._calls: set[str] = set()

    def text(self, delta: str) -> None:
        """Goes on with the text, or begins one. It ends by itself when another part comes after it:
        reasoning, a tool call, a file, new data, a merged stream, a step."""
        self._flow(False, delta)

    def reasoning(self, delta: str) -> None:
        """The same with reasoning."""
        self._flow(True, delta)

    def data(self, name: str, data: Any, *, id: str | None = None, transient: bool = False) -> None:  # noqa: A002
        """A part `data-NAME` of JSON values. With an id, it takes the place of the one before it.
        Transient: only the page's `onData` hears of it, and no message keeps it."""
        self.write(c.Data(name=name, data=data, id=id, transient=transient or None))

    def source_url(self, url: str, *, title: str | None = None, id: str | None = None) -> None:  # noqa: A002
        """A page that the answer relies on."""
        self.write(c.SourceUrl(source_id=id or _new_id("source"), url=url, title=title))

    def source_document(
        self,
        title: str,
        media_type: str,
        *,
        filename: str | None = None,
        id: str | None = None,  # noqa: A002
    ) -> None:
        """A document that the answer relies on."""
        self.write(
            c.SourceDocument(
                source_id=id or _new_id("source"),
                media_type=media_type,
                title=title,
                filename=filename,
            )
        )

    def file(self, content: str | bytes, media_type: str) -> None:
        """A file: its URL, or its bytes, which then are in the message."""
        if isinstance(content, bytes):
            content = f"data:{media_type};base64,{base64.b64encode(content).decode()}"
        self.write(c.File(url=content, media_type=media_type))

    def metadata(self, metadata: Mapping[str, Any]) -> None:
        """Adds to the message's metadata: the page merges it deeply, lists are replaced."""
        self.write(c.MessageMetadata(message_metadata=dict(metadata)))

    def tool_call(
        self,
        name: str,
        input: Any,  # noqa: A002
        *,
        id: str | None = None,  # noqa: A002
        title: str | None = None,
        dynamic: bool = False,
    ) -> str:
        """A tool call, and its id for the output. One without an output is the page's to answer:
        its output comes as a continuation, in `turn.continued`."""
        call_id = id or _new_id("call")
        self.write(
            c.ToolInputAvailable(
                tool_call_id=call_id,
                tool_name=name,
                input=input,
                title=title,
                dynamic=dynamic or None,
            )
        )
        return call_id

    def tool_output(self, call_id: str, output: Any, *, preliminary: bool = False) -> None:
        """The output of a call, JSON. A later one takes the place of a preliminary one."""
        self.write(
            c.ToolOutputAvailable(
                tool_call_id=call_id, output=output, preliminary=preliminary or None
            )
        )

    def tool_error(self, call_id: str, text: str) -> None:
        """Says that a call failed, with a text that the person sees."""
        self.write(c.ToolOutputError(tool_call_id=call_id, error_text=text))

    def write(self, variant: ChunkVariant) -> None:
        """Writes any chunk. `start` and `finish` give their metadata only, since the stream has its
        own; a `start-step` amid a merged stream's tool input or reasoning begins no step; `error`
        is raised.

        Raises IllegalChunk if it cannot be here, TypeError for a value without a JSON form,
        BadRequest with the text of an `error`.
        """
        chunk = variant.chunk if isinstance(variant, VersionedChunk) else variant
        if not self._is_beside(chunk):
            self._end_block()
        self._merger.say(self._own, variant)
        if isinstance(chunk, c.Data) and chunk.id is not None and not chunk.transient:
            self._data.add((chunk.name, chunk.id))
        self._note(chunk)

    async def merge(self, stream: AsyncIterable[ChunkVariant]) -> None:
        """Writes another stream, until it is over, as a part of this message: chunks, or
        `agent.stream(turn)`. Several can be merged at once, each in a task of its own.

        Raises what the stream raises, and BadRequest with the text of an `error` in it.
        """
        self._end_block()
        merged = self._merger.add(merged=True)
        try:
            async for variant in stream:
                if isinstance(variant, c.StartStep):
                    await self._merger.wait_for_step(merged)
                else:
                    self._merger.say(merged, variant)
                    self._note(variant.chunk if isinstance(variant, VersionedChunk) else variant)
        finally:
            self._merger.remove(merged)
            if aclose := getattr(stream, "aclose", None):
                await aclose()

    @property
    def finish_reason(self) -> FinishReason | None:
        """Why the answer would be over now: `tool-calls` if the page has some to answer, else what
        the last merged stream said."""
        return "tool-calls" if self._calls else self._merger.finish_reason

    def _flow(self, reasoning: bool, delta: str) -> None:
        if self._block is None or self._block[0] is not reasoning:
            self._end_block()
            self._blocks += 1
            begun = (reasoning, str(self._blocks))
            start = c.ReasoningStart if reasoning else c.TextStart
            self._merger.say(self._flowing, start(id=begun[1]))
            self._block = begun
        kind = c.ReasoningDelta if reasoning else c.TextDelta
        self._merger.say(self._flowing, kind(id=self._block[1], delta=delta))

    def _end_block(self) -> None:
        if self._block is not None:
            (reasoning, block), self._block = self._block, None
            kind = c.ReasoningEnd if reasoning else c.TextEnd
            self._merger.say(self._flowing, kind(id=block))

    def _is_beside(self, chunk: Chunk) -> bool:
        """Whether the text goes on in the same part after it."""
        if isinstance(chunk, c.Data):
            return bool(chunk.transient) or (chunk.name, chunk.id) in self._data
        return isinstance(chunk, _BESIDE)

    def _note(self, chunk: Chunk) -> None:
        if isinstance(chunk, c.ToolInputAvailable) and not chunk.provider_executed:
            self._calls.add(chunk.tool_call_id)
        elif isinstance(chunk, (c.ToolOutputAvailable, c.ToolOutputError, c.ToolOutputDenied)):
            self._calls.discard(chunk.tool_call_id)


#: Answers a turn in plain code. To end with a text that the person reads, it raises BadRequest.
ChatHandler = Callable[[Turn, StreamWriter], Awaitable[None]]


def _new_id(kind: str) -> str:
    return f"{kind}_{secrets.token_urlsafe(12)}"
