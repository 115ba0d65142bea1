"""Streams an async iterator of chunks as a response of Starlette or FastAPI."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Mapping,
    Sequence,
)
from typing import Self

from starlette.background import BackgroundTask
from ui_message_stream.chunks import Chunk
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ChunkVariant, ClientVersion
from ui_message_stream.writer import Writer

from usechat_server.aio import is_cancelled
from usechat_server.client_version import SILENT_CLIENT_VERSION
from usechat_server.compose import ChatHandler, handler_chunks
from usechat_server.doors.completion import CompletionStream
from usechat_server.doors.ndjson import LifecycleEvents
from usechat_server.doors.object import JSONDocument
from usechat_server.doors.sse import EventStream
from usechat_server.doors.text import PlainText
from usechat_server.errors import RESTARTING, public_error
from usechat_server.http.stream_response import StreamResponse
from usechat_server.run_log.encoding import Encoding, ui_message_stream
from usechat_server.settings import cached_settings
from usechat_server.turn import BodyT, Turn

__all__ = [
    "CompletionStreamResponse",
    "NDJSONResponse",
    "ObjectStreamResponse",
    "RawSSEResponse",
    "TextStreamResponse",
    "UIMessageStreamResponse",
]

logger: logging.Logger = logging.getLogger("usechat.response")


class UIMessageStreamResponse(StreamResponse):
    """Streams an async iterator of chunks to `useChat`.

        async def chunks() -> AsyncIterator[Chunk]:
            yield TextStart(id="0")
            async for word in my_model():
                yield TextDelta(id="0", delta=word)

        return UIMessageStreamResponse(chunks())

    Chunks that the protocol requires and the iterator leaves out are added: `start` with
    `message_id`, `start-step`, the end of every part, `finish`. An exception or an illegal chunk
    ends the stream with an `error` chunk. Its text contains only a reference to the log line that
    has the details.

    Args:
        chunks: It is closed when the client leaves.
        client_version: Oldest release of `ai` that has to be able to read the stream. By default
            the setting, else 5.0.0.
        message: The assistant message to continue. The stream then has its id.
        message_id: The id of a new assistant message.
        keep_alive: Seconds of silence after which a comment is sent. By default the setting.
        send_timeout: Seconds after which a client that reads nothing is disconnected. By default
            the setting.
        status_code: The HTTP status.
        headers: Additional response headers.
        background: Runs after the stream has ended.
    """

    def __init__(
        self,
        chunks: AsyncIterable[ChunkVariant],
        *,
        client_version: ClientVersion | None = None,
        message: UIMessage | None = None,
        message_id: str | None = None,
        keep_alive: float | None = None,
        send_timeout: float | None = None,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        settings = cached_settings()
        client_version = client_version or settings.client_version or SILENT_CLIENT_VERSION
        super().__init__(
            _ChunkBody(
                aiter(chunks),
                Writer(message_id=message_id, message=message, client_version=client_version),
                self._encoding(client_version),
            ),
            keep_alive=settings.keep_alive if keep_alive is None else keep_alive,
            send_timeout=settings.send_timeout if send_timeout is None else send_timeout,
            status_code=status_code,
            headers=headers,
            background=background,
        )

    @staticmethod
    def _encoding(client_version: ClientVersion) -> Encoding:
        return ui_message_stream(client_version)

    @classmethod
    def from_handler(
        cls,
        handler: ChatHandler[BodyT],
        turn: Turn[BodyT],
        *,
        keep_alive: float | None = None,
        send_timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        background: BackgroundTask | None = None,
    ) -> Self:
        """Stream the chunks that a handler writes.

            async def handler(turn: Turn, writer: StreamWriter) -> None:
                writer.text("Hello")

            return UIMessageStreamResponse.from_handler(handler, await read_turn(request))

        The handler is cancelled when the client leaves. If it raises a ChatError, the stream ends
        with the error's text, which the user reads.

        Args:
            handler: Writes the response.
            turn: The turn that `read_turn` returned.
            keep_alive: Seconds of silence after which a comment is sent; by default the settings'.
            send_timeout: Seconds after which a client that reads nothing is disconnected; by
                default the settings'.
            headers: Additional response headers.
            background: Runs after the stream has ended.

        Returns:
            The response.
        """
        return cls(
            handler_chunks(handler, turn),
            client_version=turn.client_version,
            message=turn.continued,
            message_id=turn.message_id,
            keep_alive=keep_alive,
            send_timeout=send_timeout,
            headers=headers,
            background=background,
        )


class TextStreamResponse(UIMessageStreamResponse):
    """Streams the text of an async iterator of chunks, for `TextStreamChatTransport`.

        return TextStreamResponse(chunks())

    It takes what `UIMessageStreamResponse` takes. Nothing is sent during silence, and a failure
    breaks the connection off.
    """

    @staticmethod
    def _encoding(client_version: ClientVersion) -> Encoding:
        return PlainText(client_version)


class CompletionStreamResponse(UIMessageStreamResponse):
    """Streams the text of an async iterator of chunks as one block, for `useCompletion`.

        return CompletionStreamResponse(chunks())

    It takes what `UIMessageStreamResponse` takes.
    """

    @staticmethod
    def _encoding(client_version: ClientVersion) -> Encoding:
        return CompletionStream(client_version)


class ObjectStreamResponse(UIMessageStreamResponse):
    """Streams the JSON document that the text of an async iterator of chunks is, for `useObject`.

        return ObjectStreamResponse(chunks())

    It takes what `UIMessageStreamResponse` takes. A failure, and text that is no whole document,
    break the connection off.
    """

    @staticmethod
    def _encoding(client_version: ClientVersion) -> Encoding:
        return JSONDocument(client_version)


class RawSSEResponse(UIMessageStreamResponse):
    """Streams an async iterator of chunks as events of plain JSON, see `RawSSE`.

        return RawSSEResponse(chunks())

    It takes what `UIMessageStreamResponse` takes.
    """

    @staticmethod
    def _encoding(client_version: ClientVersion) -> Encoding:
        return EventStream(client_version)


class NDJSONResponse(UIMessageStreamResponse):
    """Streams an async iterator of chunks as lifecycle events, one JSON object a line.

        return NDJSONResponse(chunks())

    It takes what `UIMessageStreamResponse` takes.
    """

    @staticmethod
    def _encoding(client_version: ClientVersion) -> Encoding:
        return LifecycleEvents()


class _ChunkBody:
    """Chunks as a body, completed to a legal stream."""

    def __init__(
        self, chunks: AsyncIterator[ChunkVariant], writer: Writer, encoding: Encoding
    ) -> None:
        self._chunks = chunks
        self._writer = writer
        self.encoding: Encoding = encoding
        self._pieces = self._iterate()
        #: what was not read yet; None at the end
        self._next: bytes | None = b""
        self._has_ended = False

    def read(self) -> bytes | None:
        data = self._next
        if data is not None:
            self._next = b""
        return data

    async def wait(self) -> None:
        self._next = await anext(self._pieces, None)

    async def complete(self) -> None:
        pass

    async def _iterate(self) -> AsyncGenerator[bytes, None]:
        if self.encoding.opening:
            yield self.encoding.opening  # sends the headers, however long the first chunk takes
        try:
            async for chunk in self._chunks:
                if data := self.encoding.encode(self._writer.write_variant(chunk)):
                    yield data
            yield self._end(self._writer.finish)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled(error):
                raise
            if not self._has_ended:  # else it was interrupted
                public = public_error(error)
                logger.error("stream %s: %s", public.reference, error, exc_info=error)
                yield self._end(lambda: self._writer.error(public.text))

    def interrupt(self) -> bytes:
        if self._has_ended:
            return b""
        logger.warning("stream interrupted: the host cancelled the request")
        return self._end(lambda: self._writer.error(RESTARTING))

    def _end(self, last_chunks: Callable[[], Sequence[Chunk]]) -> bytes:
        self._has_ended = True
        chunks = () if self._writer.ended else last_chunks()
        return self.encoding.encode(chunks) + self.encoding.end()

    def leave(self) -> None:
        """Do nothing: the iterator ends with the task that waits for it."""

    async def aclose(self) -> None:
        await self._pieces.aclose()
        if aclose := getattr(self._chunks, "aclose", None):
            await aclose()
