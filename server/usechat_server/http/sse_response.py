"""A response that streams server-sent events: keep-alive, slow and lost readers, a legal end."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Mapping,
)
from contextlib import suppress
from time import monotonic
from typing import Protocol

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from ui_message_stream.sse import HEADERS, comment

__all__ = ["Body", "EventStream"]


class Body(Protocol):
    """What a response sends, piece by piece."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def cut(self) -> bytes:
        """What gives the stream a legal end where it is, if it has none; then nothing follows."""
        ...

    def aclose(self) -> Awaitable[None]:
        """Frees what it holds: called at least once, whether it was begun, finished or neither."""
        ...


OPEN_COMMENT = comment("stream-open")


_KEEP_ALIVE = comment()


#: Seconds for the end of a stream to be written that the host cancels: it is going down.
_LAST_SECONDS = 1.0


class EventStream(Response):
    """Server-sent events while they are made: each item of `body` is one write.

    One task runs `body` from its first step to its close. That task is cancelled at once when the
    client leaves, also while it waits, and when a write has not gone through for `send_timeout`
    seconds. After `keep_alive` seconds without a byte a comment is sent, past that task. A host
    that cancels the request (it goes down) cuts the stream, but not before a legal end was sent.
    """

    def __init__(
        self,
        body: Body,
        *,
        keep_alive: float = 10.0,
        send_timeout: float = 30.0,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        background: BackgroundTask | None = None,
    ) -> None:
        self.status_code = status_code
        self.background = background
        self.init_headers(headers)
        for name, value in HEADERS.items():
            self.headers.setdefault(name, value)
        self._body = body
        self._keep_alive = keep_alive
        self._send_timeout = send_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = _Client(send)
        client.stream = asyncio.create_task(self._stream(client))
        # On hosts of ASGI 2.4 too, whose `send` raises: a silent stream does not send.
        listening = asyncio.create_task(_listen(receive, client))
        try:
            await self._watch(client)
        except TimeoutError:
            if abort := (scope.get("extensions") or {}).get("usechat.abort"):
                abort()
        except asyncio.CancelledError:
            await self._cut(client)
            raise
        finally:
            client.give_up()
            listening.cancel()
            await asyncio.wait([client.stream, listening])
            await self._body.aclose()  # for a task that was cancelled before its first step
        if not client.stream.cancelled():
            client.stream.result()
        if self.background is not None:
            await self.background()

    async def _stream(self, client: _Client) -> None:
        try:
            await client.start(self.status_code, self.raw_headers)
            async for data in self._body:
                await client.write(data)
                if client.ending:
                    break
            await client.end(self._body)
        except OSError:
            client.gone = True
        except asyncio.CancelledError:
            await self._cut(client)  # the event loop may be closing
            raise
        finally:
            await self._body.aclose()

    async def _cut(self, client: _Client) -> None:
        """Ends the stream legally although it is not over, if there is somebody who reads it."""
        if not client.gone:
            client.ending = True  # a write that is under way goes through
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_LAST_SECONDS):
                    await client.end(self._body)

    async def _watch(self, client: _Client) -> None:
        """Keeps the stream alive until it is over. Raises TimeoutError if a write is stuck."""
        while not client.stream.done():
            patience = self._send_timeout if client.writing else self._keep_alive
            left = client.since + patience - monotonic()
            if client.gone or (client.ended and not client.writing):
                await asyncio.wait([client.stream])  # cleaning up may take its time
            elif left > 0:
                await asyncio.wait([client.stream], timeout=min(left, self._send_timeout))
            elif client.writing:
                raise TimeoutError
            else:
                async with asyncio.timeout(self._send_timeout):
                    await client.keep_alive()


class _Client:
    """The other end. It takes one write at a time, and it can be gone."""

    #: writes the body
    stream: asyncio.Task[None]

    def __init__(self, send: Send) -> None:
        self._send = send
        self._turn = asyncio.Lock()
        #: whether the stream is ending because nobody reads it
        self.gone = False
        #: whether it is ending because the host goes down
        self.ending = False
        #: whether the last of it is being sent, or was
        self.ended = False
        #: whether a write is under way; if so, `since` is when it began, else when the last ended
        self.writing = False
        self.since = monotonic()

    def give_up(self) -> None:
        """Ends the stream. Once: a second cancellation would cut what it does at its end."""
        if not self.gone:
            self.gone = True
            self.stream.cancel()

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        async with self._turn:
            await self._pass({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes) -> None:
        """Raises OSError if the client left, on hosts of ASGI 2.4."""
        async with self._turn:
            if not self.ended:
                await self._pass({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, body: Body) -> None:
        """Sends the last of the body, once."""
        async with self._turn:
            if not self.ended:
                self.ended = True
                last = body.cut()
                await self._pass({"type": "http.response.body", "body": last, "more_body": False})

    async def keep_alive(self) -> None:
        try:
            await self.write(_KEEP_ALIVE)
        except OSError:
            self.give_up()

    async def _pass(self, message: Message) -> None:
        self.writing, self.since = True, monotonic()
        await self._send(message)
        self.writing, self.since = False, monotonic()


async def _listen(receive: Receive, client: _Client) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    if not client.ended:  # else it is what hosts say after the end
        client.give_up()
