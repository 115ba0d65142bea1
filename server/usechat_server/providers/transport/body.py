"""The body of a response, as bytes that arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import cast

import httpx2

from usechat_server.providers.transport.connection import Connection

__all__ = ["BODY_EXTENSION", "ResponseBody", "push", "response_body"]

#: The key of `httpx2.Response.extensions` that holds the body: the client wraps
#: `Response.stream` in an async generator, which costs more than a read.
BODY_EXTENSION = "usechat.body"


class ResponseBody(httpx2.AsyncByteStream):
    """Iterate it once. Each item is all that has arrived since the last one.

    `aclose` closes the connection at once, unless the response is complete.
    """

    def __init__(
        self, connection: Connection, release: Callable[[], None], read_timeout: float | None
    ) -> None:
        self._connection = connection
        self._release: Callable[[], None] | None = release
        self._read_timeout = read_timeout

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._release is None:
            raise StopAsyncIteration
        try:
            if self._read_timeout is None:
                data = await self._connection.read()
            else:
                data = await self._read_in_time(self._read_timeout)
        except httpx2.TransportError:
            self.close()
            raise
        if data is None:
            self.close()
            raise StopAsyncIteration
        return data

    @property
    def can_push(self) -> bool:
        """Whether `push_to` can be used: it has no read timeout."""
        return self._read_timeout is None

    async def push_to(self, receive: Callable[[bytes], bool]) -> None:
        """Call a function with what has arrived, at once and then whenever more arrives. No task is
        woken for it.

        Args:
            receive: Returns whether it wants more. What it raises is raised here. It runs in a copy
                of the caller's context.

        Raises:
            httpx2.TransportError: The connection was lost before the end.
        """
        if self._release is None:
            return
        try:
            await self._connection.push_to(receive)
        except httpx2.TransportError:
            self.close()
            raise

    def close(self) -> None:
        """Give the connection back, or close it if the response is not complete. Idempotent."""
        release, self._release = self._release, None
        if release is not None:
            release()

    async def aclose(self) -> None:
        self.close()

    async def _read_in_time(self, seconds: float) -> bytes | None:
        try:
            async with asyncio.timeout(seconds):
                return await self._connection.read()
        except TimeoutError:
            raise httpx2.ReadTimeout(f"no bytes for {seconds:g} s") from None


async def push(body: httpx2.AsyncByteStream, receive: Callable[[bytes], bool]) -> None:
    """Call a function with each piece of a body, until it returns False or the body ends.

    Raises:
        httpx2.TransportError: The connection was lost before the end.
    """
    if isinstance(body, ResponseBody) and body.can_push:
        await body.push_to(receive)
        return
    async for data in body:
        if not receive(data):
            return


def response_body(response: httpx2.Response) -> httpx2.AsyncByteStream:
    """Return the body of a response that was not read yet, by the shortest way."""
    body = response.extensions.get(BODY_EXTENSION, response.stream)
    return cast(httpx2.AsyncByteStream, body)
