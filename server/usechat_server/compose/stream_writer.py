"""StreamWriter: writes one assistant message from the app's own code."""

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
from usechat_server.turn import BodyT, Turn

__all__ = ["ChatHandler", "StreamWriter"]

#: Chunks that can be written within a text without ending it.
_INLINE = (c.SourceUrl, c.SourceDocument, c.MessageMetadata, c.SteeringMessage)


class StreamWriter:
    """Writes one assistant message, as a legal stream whatever the order of the calls.

    Missing chunks (starts, ends, steps) are added; a chunk that cannot be made legal raises
    `IllegalChunk`. Methods do not wait for the client; only `merge` waits, for the stream that it
    merges. Not thread-safe: use it in the event loop of its handler.

    Args:
        append: Gets the chunks of the message, in batches. A handler is given a ready writer.
        client_version: The oldest client that must be able to read the message.
    """

    def __init__(self, append: Append, client_version: ClientVersion) -> None:
        self._merger = StreamMerger(append, client_version)
        #: chunks of `write`
        self._chunk_stream = self._merger.add()
        #: blocks of `text` and `reasoning`
        self._text_stream = self._merger.add()
        #: the block that `text` or `reasoning` continues
        self._block: BlockKey | None = None
        self._block_count = 0
        #: name and id of the data parts that can be replaced
        self._data_parts: set[tuple[str, str]] = set()
        #: ids of tool calls without an output, which the client runs
        self._open_calls: set[str] = set()

    def text(self, delta: str) -> None:
        """Append to the current text part, or start one.

        The part ends by itself when another part follows: reasoning, a tool call, a file, new data,
        a merged stream or a step.

        Args:
            delta: The text to append.
        """
        self._write_delta(False, delta)

    def reasoning(self, delta: str) -> None:
        """Append to the current reasoning part, or start one. It ends as a text part does.

        Args:
            delta: The text to append.
        """
        self._write_delta(True, delta)

    def data(self, name: str, data: Any, *, id: str | None = None, transient: bool = False) -> None:  # noqa: A002
        """Write a data part, `data-NAME` in the message.

        Args:
            name: The name, without `data-`.
            data: A JSON value.
            id: Replaces the earlier part with this name and id.
            transient: Pass the data to the client's `onData` only, and leave it out of the message.

        Raises:
            TypeError: The data has no JSON form.
        """
        self.write(c.Data(name=name, data=data, id=id, transient=transient or None))

    def source_url(self, url: str, *, title: str | None = None, id: str | None = None) -> None:  # noqa: A002
        """Cite a web page.

        Args:
            url: The address of the page.
            title: What the client shows.
            id: The id of the source; a random one by default.
        """
        self.write(c.SourceUrl(source_id=id or _new_id("source"), url=url, title=title))

    def source_document(
        self,
        title: str,
        media_type: str,
        *,
        filename: str | None = None,
        id: str | None = None,  # noqa: A002
    ) -> None:
        """Cite a document.

        Args:
            title: What the client shows.
            media_type: For example `application/pdf`.
            filename: The name of the file.
            id: The id of the source; a random one by default.
        """
        self.write(
            c.SourceDocument(
                source_id=id or _new_id("source"),
                media_type=media_type,
                title=title,
                filename=filename,
            )
        )

    def file(self, content: str | bytes, media_type: str) -> None:
        """Write a file part.

        Args:
            content: The URL of the file, or its bytes, which become a `data:` URL in the message.
            media_type: For example `image/png`.
        """
        if isinstance(content, bytes):
            content = f"data:{media_type};base64,{base64.b64encode(content).decode()}"
        self.write(c.File(url=content, media_type=media_type))

    def metadata(self, metadata: Mapping[str, Any]) -> None:
        """Merge values into the message's metadata.

        Args:
            metadata: JSON values by name. The client merges objects deeply and replaces lists.

        Raises:
            TypeError: A value has no JSON form.
        """
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
        """Write a tool call with its complete input.

        Write its output with `tool_output` or `tool_error`. A call without an output is left to the
        client, which sends the output as a continuation: see `turn.continued`.

        Args:
            name: The name of the tool.
            input: A JSON value.
            id: The id of the call; a random one by default.
            title: What the client shows instead of the name.
            dynamic: Whether the client does not know the tool's type (a `dynamic-tool` part).

        Returns:
            The id of the call.

        Raises:
            TypeError: The input has no JSON form.
        """
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
        """Write the output of a tool call.

        Args:
            call_id: The id of a call in this message.
            output: A JSON value.
            preliminary: Whether a later output replaces this one.

        Raises:
            IllegalChunk: There is no such call.
            TypeError: The output has no JSON form.
        """
        self.write(
            c.ToolOutputAvailable(
                tool_call_id=call_id, output=output, preliminary=preliminary or None
            )
        )

    def tool_error(self, call_id: str, text: str) -> None:
        """Write the failure of a tool call.

        Args:
            call_id: The id of a call in this message.
            text: The error text, which the client shows.

        Raises:
            IllegalChunk: There is no such call.
        """
        self.write(c.ToolOutputError(tool_call_id=call_id, error_text=text))

    def write(self, variant: ChunkVariant) -> None:
        """Write any chunk of `ui_message_stream.chunks`.

        Of `start` and `finish`, only the metadata and the finish reason are used: the stream has
        its own. A `start-step` is dropped while a merged stream writes reasoning or a tool input.

        Args:
            variant: The chunk, or one for some client versions only.

        Raises:
            IllegalChunk: The chunk is not legal here.
            TypeError: A value has no JSON form.
            ChatError: The chunk is an `error`. The exception has its text.
        """
        chunk = variant.chunk if isinstance(variant, VersionedChunk) else variant
        if not self._is_inline(chunk):
            self._end_block()
        self._merger.write(self._chunk_stream, variant)
        if isinstance(chunk, c.Data) and chunk.id is not None and not chunk.transient:
            self._data_parts.add((chunk.name, chunk.id))
        self._track_call(chunk)

    async def merge(self, stream: AsyncIterable[ChunkVariant]) -> None:
        """Write another stream as a part of this message, until it ends.

        Several streams can be merged at the same time, each in a task of its own. Block ids that
        collide are renamed.

        Args:
            stream: Chunks, or an agent's `agent.stream(turn)`. It is closed at the end.

        Raises:
            Exception: Whatever the stream raises.
            IllegalChunk: A chunk is not legal here.
            ChatError: The stream has an `error` chunk. The exception has its text.
        """
        self._end_block()
        await self._merger.merge(stream, on_written=self._track_call)

    @property
    def finish_reason(self) -> FinishReason | None:
        """The finish reason if the message ended now.

        `tool-calls` if the client has calls to run, otherwise that of the last merged stream.
        """
        return "tool-calls" if self._open_calls else self._merger.finish_reason

    def _write_delta(self, reasoning: bool, delta: str) -> None:
        if self._block is None or self._block[0] is not reasoning:
            self._end_block()
            self._block_count += 1
            block_id = str(self._block_count)
            start = c.ReasoningStart(id=block_id) if reasoning else c.TextStart(id=block_id)
            self._merger.write(self._text_stream, start)
            self._block = (reasoning, block_id)
        chunk_type = c.ReasoningDelta if reasoning else c.TextDelta
        self._merger.write(self._text_stream, chunk_type(id=self._block[1], delta=delta))

    def _end_block(self) -> None:
        if self._block is not None:
            reasoning, block_id = self._block
            self._block = None
            end = c.ReasoningEnd(id=block_id) if reasoning else c.TextEnd(id=block_id)
            self._merger.write(self._text_stream, end)

    def _is_inline(self, chunk: Chunk) -> bool:
        """Whether the current text part continues after this chunk."""
        if isinstance(chunk, c.Data):
            return bool(chunk.transient) or (chunk.name, chunk.id) in self._data_parts
        return isinstance(chunk, _INLINE)

    def _track_call(self, chunk: Chunk) -> None:
        if isinstance(chunk, c.ToolInputAvailable) and not chunk.provider_executed:
            self._open_calls.add(chunk.tool_call_id)
        elif isinstance(chunk, (c.ToolOutputAvailable, c.ToolOutputError, c.ToolOutputDenied)):
            self._open_calls.discard(chunk.tool_call_id)


#: Writes the response to a turn. Raise ChatError to end it with a text that the user reads.
ChatHandler = Callable[[Turn[BodyT], StreamWriter], Awaitable[None]]


def _new_id(kind: str) -> str:
    return f"{kind}_{secrets.token_urlsafe(12)}"
