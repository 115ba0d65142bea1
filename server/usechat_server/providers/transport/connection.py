"""One connection to a server: sends a request, and receives the response to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from typing import cast

import httpx2

from usechat_server.providers.transport.response_parser import ResponseHead, ResponseParser

__all__ = ["Connection"]

#: Bytes of a body that were not taken, above which the socket is not read any further.
_HIGH_WATER = 256 * 1024


class Connection(asyncio.Protocol):
    """Takes one request at a time.

    Args:
        on_lost: Called when the connection is closed, by either side.
    """

    def __init__(self, on_lost: Callable[[Connection], None]) -> None:
        self.is_open: bool = False
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._response: ResponseParser | None = None
        self._loop = asyncio.get_running_loop()
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
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
            self._is_reading = True
            if self._transport is not None:
                self._transport.resume_reading()
        return data

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
            return True
        self.abort()
        return False

    def abort(self) -> None:
        """Close the connection at once. Idempotent."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

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
        if response.buffered > _HIGH_WATER and self._is_reading and not response.has_ended:
            self._is_reading = False
            if self._transport is not None:
                self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._transport = None
        if self._response is not None:
            self._response.connection_lost(exc)
        self._can_write = True
        self._wake()
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._can_write = False

    def resume_writing(self) -> None:
        self._can_write = True
        self._wake()
