"""One connection to a server: sends a request, and receives the response to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterable, Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import cast

import httpx2

from usechat_server.providers.transport.response_parser import ResponseHead, ResponseParser

__all__ = ["Connection"]

#: Bytes of a body that were not taken, above which the socket is not read any further.
_HIGH_WATER = 256 * 1024
#: Bytes of one read above which a server sends faster than its body is used.
_LARGE_READ = 64 * 1024


class Connection(asyncio.Protocol):
    """Takes one request at a time.

    Args:
        sock: The connected socket.
        on_lost: Called when the connection is closed, by either side.
    """

    def __init__(self, sock: socket.socket, on_lost: Callable[[Connection], None]) -> None:
        self.is_open: bool = False
        #: whether it has had a response before this one
        self.is_reused: bool = False
        self._sock = sock
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._response: ResponseParser | None = None
        self._loop = asyncio.get_running_loop()
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        #: gets the body as it arrives, until `_pushed` is done, and what ended that
        self._receive: Callable[[bytes], bool] | None = None
        self._pushed: asyncio.Future[None] | None = None
        self._push_error: BaseException | None = None
        self._is_reading = True
        self._can_write = True

    async def send(self, head: bytes, body: AsyncIterable[bytes], *, has_body: bool = True) -> None:
        """Send a request. Stops early if the server responds before it has all of it.

        Args:
            head: The request line and headers.
            body: The body as it is sent.
            has_body: False for a HEAD request, whose response has none.

        Raises:
            httpx2.WriteError: The connection was lost, and there is no response.
        """
        response = self._response = ResponseParser(has_body=has_body)
        transport = self._transport
        if transport is None or transport.is_closing():
            response.connection_lost(None)
            raise httpx2.WriteError("the connection is closed")
        waiting = head
        async for piece in body:
            transport.write(waiting + piece if waiting else piece)
            waiting = b""
            while not self._can_write and response.head is None and not response.has_ended:
                self._writer = self._loop.create_future()
                await self._writer
            if response.head is not None or response.has_ended:
                # The server will not read the rest, so no other request can follow.
                self._finish_early(response)
                break
        if waiting:
            transport.write(waiting)

    async def read_head(self) -> ResponseHead:
        """Wait for the headers of the response. Raises httpx2.TransportError."""
        response = cast(ResponseParser, self._response)
        while response.head is None:
            if response.error is not None:
                raise response.error
            await self._wait()
        return response.head

    async def read(self) -> bytes | None:
        """Wait for more of the body, and return all that has arrived; None at its end.

        Raises:
            httpx2.TransportError: The connection was lost before the end.
        """
        response = cast(ResponseParser, self._response)
        while not response.pieces:
            if response.is_complete:
                return None
            if response.error is not None:
                raise response.error
            await self._wait()
        data = response.take()
        if not self._is_reading:
            self._resume_reading()
        return data

    async def push_to(self, receive: Callable[[bytes], bool]) -> None:
        """Call a function with what arrives of the body, until it returns False or the body ends.

        Args:
            receive: What it raises is raised here. It runs in a copy of the caller's context.

        Raises:
            httpx2.TransportError: The connection was lost before the end.
        """
        self._receive = partial(copy_context().run, receive)  # type: ignore[call-arg]
        self._pushed = pushed = self._loop.create_future()
        try:
            self._push()
            if not self._is_reading:
                self._resume_reading()
            await pushed
        finally:
            self._receive = self._pushed = None
            error, self._push_error = self._push_error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback has this frame

    def end_exchange(self) -> bool:
        """Forget the response. Returns whether the connection can take another request; otherwise
        it is closed at once."""
        response, self._response = self._response, None
        if (
            response is not None
            and response.is_complete
            and response.can_reuse
            and not response.pieces
            and self.is_open
        ):
            self.is_reused = True
            return True
        self.abort()
        return False

    def abort(self) -> None:
        """Close the connection at once. Idempotent."""
        self.is_open = False
        self._end_push(httpx2.ReadError("the connection was closed here"))
        if self._transport is not None and not self._transport.is_closing():
            # Event loops close an aborted socket in their next turn only.
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)
            self._transport.abort()

    def _push(self) -> None:
        """Hand over what has arrived, and note the end."""
        response, receive, pushed = self._response, self._receive, self._pushed
        if response is None or receive is None or pushed is None or pushed.done():
            return
        pieces = response.pieces
        try:
            goes_on = not pieces or receive(response.take() if len(pieces) > 1 else pieces.pop())
        except BaseException as error:
            self._end_push(error)
        else:
            if not goes_on or response.is_complete:
                self._end_push(None)
            elif response.error is not None:
                self._end_push(response.error)

    def _end_push(self, error: BaseException | None) -> None:
        if self._pushed is not None and not self._pushed.done():
            self._push_error = error
            self._pushed.set_result(None)

    def _pause_reading(self) -> None:
        self._is_reading = False
        if self._transport is not None:
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        self._is_reading = True
        if self._transport is not None:
            self._transport.resume_reading()

    async def _wait(self) -> None:
        self._reader = self._loop.create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def _wake(self) -> None:
        for waiter in (self._reader, self._writer):
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

    def _finish_early(self, response: ResponseParser) -> None:
        self.is_open = False
        if response.head is None and response.error is not None:
            raise httpx2.WriteError(str(response.error))

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:
            # Often a 408 before the server closes an idle connection.
            self.abort()
            return
        response.feed(data)
        if self._receive is not None:
            self._push()
            if len(data) > _LARGE_READ and self._is_reading:
                # There is more already: first it is the turn of the other connections.
                self._pause_reading()
                self._loop.call_soon(self._resume_reading)
            return
        if response.buffered > _HIGH_WATER and self._is_reading and not response.has_ended:
            self._pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._transport = None
        if self._response is not None:
            self._response.connection_lost(exc)
        self._can_write = True
        self._push()
        self._wake()
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._can_write = False

    def resume_writing(self) -> None:
        self._can_write = True
        self._wake()
