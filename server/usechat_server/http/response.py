"""UIMessageStreamResponse: a UI message stream as a response of Starlette or FastAPI."""

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
from ui_message_stream.sse import DONE, frames
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, ChunkVariant, ClientVersion
from ui_message_stream.writer import Writer

from usechat_server.aio import is_cancelled
from usechat_server.compose import ChatHandler, handler_chunks
from usechat_server.errors import RESTARTING, public_error
from usechat_server.http.sse_response import OPEN_COMMENT, EventStream
from usechat_server.settings import cached_settings
from usechat_server.turn import Turn

__all__ = ["UIMessageStreamResponse"]

logger = logging.getLogger("usechat.response")


class UIMessageStreamResponse(EventStream):
    """Streams an async iterator of chunks to `useChat`.

        async def answer() -> AsyncIterator[Chunk]:
            yield TextStart(id="0")
            async for word in my_model():
                yield TextDelta(id="0", delta=word)

        return UIMessageStreamResponse(answer())

    What the protocol needs and the iterator leaves out is added: `start` with `message_id`,
    `start-step`, the end of every part, `finish`. An exception or an illegal chunk ends the stream
    with an `error` that tells nothing but a reference, which is in the log with the detail.

    `client_version` is the oldest release of `ai` that must be able to read the stream; `message`
    the assistant message that is continued (its id is then the message's). `keep_alive` and
    `send_timeout` are seconds: of silence after which a comment is sent, and after which a client
    that reads nothing is disconnected. By default those of the `USECHAT_*` variables.
    """

    def __init__(
        self,
        chunks: AsyncIterable[ChunkVariant],
        *,
        client_version: ClientVersion = DEFAULT_CLIENT_VERSION,
        message: UIMessage | None = None,
        message_id: str | None = None,
        keep_alive: float | None = None,
        send_timeout: float | None = None,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        settings = cached_settings()
        super().__init__(
            _Written(
                aiter(chunks),
                Writer(message_id=message_id, message=message, client_version=client_version),
                client_version,
            ),
            keep_alive=settings.keep_alive if keep_alive is None else keep_alive,
            send_timeout=settings.send_timeout if send_timeout is None else send_timeout,
            status_code=status_code,
            headers=headers,
            background=background,
        )

    @classmethod
    def of(
        cls,
        answer: ChatHandler,
        turn: Turn,
        *,
        keep_alive: float | None = None,
        send_timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        background: BackgroundTask | None = None,
    ) -> Self:
        """Streams what a function writes to answer a turn.

            async def answer(turn: Turn, writer: StreamWriter) -> None:
                writer.text("Hello")

            return UIMessageStreamResponse.of(answer, await read_turn(request))

        The function is cancelled when the client leaves. To end with a text of its own that the
        person reads, it raises ChatError.
        """
        return cls(
            handler_chunks(answer, turn),
            client_version=turn.client_version,
            message=turn.continued,
            message_id=turn.message_id,
            keep_alive=keep_alive,
            send_timeout=send_timeout,
            headers=headers,
            background=background,
        )


class _Written:
    """Chunks as they are written, with all that the protocol needs."""

    def __init__(
        self, chunks: AsyncIterator[ChunkVariant], writer: Writer, client_version: ClientVersion
    ) -> None:
        self._chunks = chunks
        self._writer = writer
        self._client_version = client_version
        self._frames = self._write()
        #: whether it has its end
        self._whole = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._frames

    async def _write(self) -> AsyncGenerator[bytes, None]:
        yield OPEN_COMMENT  # the headers go out with it, however long the first chunk takes
        try:
            async for chunk in self._chunks:
                if data := frames(self._writer.write_variant(chunk), self._client_version):
                    yield data
            yield self._last(self._writer.finish)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled(error):
                raise
            if not self._whole:  # else it was cut, and its writer takes no more
                public = public_error(error)
                logger.error("stream %s: %s", public.reference, error, exc_info=error)
                yield self._last(lambda: self._writer.error(public.text))

    def cut(self) -> bytes:
        if self._whole:
            return b""
        logger.warning("stream cut: the host cancelled its request")
        return self._last(lambda: self._writer.error(RESTARTING))

    def _last(self, end: Callable[[], Sequence[Chunk]]) -> bytes:
        self._whole = True
        return frames(() if self._writer.ended else end(), self._client_version) + DONE

    async def aclose(self) -> None:
        await self._frames.aclose()
        if aclose := getattr(self._chunks, "aclose", None):
            await aclose()
