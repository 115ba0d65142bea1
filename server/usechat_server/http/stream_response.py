"""A response that streams what an encoding makes of chunks.

It keeps silent connections alive, notices clients that leave or stop reading, and gives its stream
a legal end when the host shuts down, or breaks it off where the encoding has none.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import suppress
from functools import cache
from time import monotonic
from typing import Protocol

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from usechat_server.run_log.encoding import Encoding
from usechat_server.telemetry import metrics
from usechat_server.telemetry.instruments import DROPPED_READERS

__all__ = ["Body", "StreamResponse"]

logger: logging.Logger = logging.getLogger("usechat.app")

#: Seconds for the end of an interrupted stream to be written: the host is shutting down.
_INTERRUPT_SECONDS = 1.0


class Body(Protocol):
    """The bytes that a response sends, in pieces."""

    @property
    def encoding(self) -> Encoding:
        """What the bytes are encoded with."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def interrupt(self) -> bytes:
        """Return what ends the stream legally at this point, empty if it has ended. Nothing is read
        after that."""
        ...

    def aclose(self) -> Awaitable[None]:
        """Release resources. Called at least once, even if iteration never began."""
        ...


class _BrokenOff(Exception):
    """Tells a host that offers nothing else to close the connection of a response."""


class StreamResponse(Response):
    """Streams bytes as they are created: each item of `body` is one write.

    One task iterates over `body` and closes it. It is cancelled as soon as the client leaves, also
    while it waits for the next item, and when a write takes longer than `send_timeout` seconds.
    After `keep_alive` seconds of silence the encoding's keep-alive is sent, without disturbing that
    task. If the host cancels the request because it shuts down, the stream gets a legal end first.
    A response that its encoding cannot end is broken off: the client sees a lost connection.
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
        for name, value in body.encoding.headers.items():
            self.headers.setdefault(name, value)
        self._body = body
        self._keep_alive = keep_alive
        self._send_timeout = send_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = _Client(send, self._body)
        client.stream = asyncio.create_task(self._stream(client))
        # Also on hosts whose `send` raises (ASGI 2.4): a silent stream sends nothing.
        disconnect = asyncio.create_task(_cancel_on_disconnect(receive, client))
        try:
            await self._supervise(client)
        except TimeoutError:
            metrics.record(DROPPED_READERS)
            if abort := (scope.get("extensions") or {}).get("usechat.abort"):
                abort()
            else:
                _warn_of_kept_connection(self._send_timeout)
        except asyncio.CancelledError:
            await self._interrupt(client)
            raise
        finally:
            client.cancel_stream()
            disconnect.cancel()
            stream = client.stream
            await asyncio.wait([stream, disconnect])
            await self._body.aclose()  # in case the task was cancelled before its first step
            del client.stream  # a cycle: its traceback has the client
        if not stream.cancelled():
            stream.result()
        if client.is_broken_off:
            await _break_off(scope, receive, self._send_timeout)
        if self.background is not None:
            await self.background()

    async def _stream(self, client: _Client) -> None:
        try:
            await client.start(self.status_code, self.raw_headers)
            async for data in self._body:
                await client.write(data)
                if client.is_interrupted:
                    break
            await client.end()
        except OSError:
            client.is_gone = True
        except asyncio.CancelledError as error:
            await self._interrupt(client)  # the event loop may be closing
            error.__traceback__ = None  # its frames refer to this task, which keeps it
            raise
        finally:
            await self._body.aclose()

    async def _interrupt(self, client: _Client) -> None:
        """End the stream legally before its body ends, unless the client is gone."""
        if not client.is_gone:
            client.is_interrupted = True  # a write in progress completes
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_INTERRUPT_SECONDS):
                    await client.end()

    async def _supervise(self, client: _Client) -> None:
        """Send keep-alive comments until the stream has ended.

        Raises:
            TimeoutError: A write took longer than `send_timeout`.
        """
        while not client.stream.done():
            limit = self._send_timeout if client.is_writing else self._keep_alive
            seconds_left = client.since + limit - monotonic()
            if client.is_gone or (client.has_ended and not client.is_writing):
                await asyncio.wait([client.stream])  # closing the body may take longer
            elif seconds_left > 0:
                timeout = min(seconds_left, self._send_timeout)
                await asyncio.wait([client.stream], timeout=timeout)
            elif client.is_writing:
                raise TimeoutError
            else:
                async with asyncio.timeout(self._send_timeout):
                    await client.send_keep_alive()


@cache
def _warn_of_kept_connection(seconds: float) -> None:
    """Log, once, that the connection of a client that reads nothing stays open."""
    logger.warning(
        "a client read nothing for %g seconds: its stream was ended, but only `usechat-server "
        "serve` can close such a connection; elsewhere a proxy has to",
        seconds,
    )


class _Client:
    """The receiving end of one response. It accepts one write at a time."""

    #: iterates over the body
    stream: asyncio.Task[None]

    def __init__(self, send: Send, body: Body) -> None:
        self._send = send
        self._body = body
        self._lock = asyncio.Lock()
        #: whether the client left, or reads nothing any more
        self.is_gone = False
        #: whether the stream ends because the host shuts down
        self.is_interrupted = False
        #: whether the last bytes were sent, or are being sent
        self.has_ended = False
        #: whether these were not the end of the response
        self.is_broken_off = False
        #: whether a write is in progress; `since` is then its start, else the end of the last one
        self.is_writing = False
        self.since = monotonic()

    def cancel_stream(self) -> None:
        """Cancel the stream, once: a second cancellation would interrupt its cleanup."""
        if not self.is_gone:
            self.is_gone = True
            self.stream.cancel()

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Send the status and the headers."""
        async with self._lock:
            await self._send_message(
                {"type": "http.response.start", "status": status, "headers": headers}
            )

    async def write(self, data: bytes) -> None:
        """Send a piece of the body.

        Raises:
            OSError: The client left; only on hosts of ASGI 2.4.
        """
        async with self._lock:
            if not self.has_ended:
                await self._send_message(
                    {"type": "http.response.body", "body": data, "more_body": True}
                )

    async def end(self) -> None:
        """Send the end of the body, once; for a response that is broken off, its last bytes."""
        async with self._lock:
            if not self.has_ended:
                self.has_ended = True
                data = self._body.interrupt()
                self.is_broken_off = self._body.encoding.is_broken
                await self._send_message(
                    {"type": "http.response.body", "body": data, "more_body": self.is_broken_off}
                )

    async def send_keep_alive(self) -> None:
        """Send what keeps the connection alive, if the encoding has something for this place."""
        self.since = monotonic()
        if data := self._body.encoding.keep_alive:
            try:
                await self.write(data)
            except OSError:
                self.cancel_stream()

    async def _send_message(self, message: Message) -> None:
        self.is_writing, self.since = True, monotonic()
        await self._send(message)
        self.is_writing, self.since = False, monotonic()


async def _break_off(scope: Scope, receive: Receive, seconds: float) -> None:
    """Close the connection of a response that has no end, once its bytes were sent.

    Raises:
        _BrokenOff: Only that closes it on this host, and passes through middleware.
    """
    extensions = scope.get("extensions") or {}
    if not (close := extensions.get("usechat.close")):
        raise _BrokenOff("the response failed after its headers were sent, see the log of its run")
    close()
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        extensions["usechat.abort"]()


async def _cancel_on_disconnect(receive: Receive, client: _Client) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    if not client.has_ended:  # after the end, hosts report a disconnect too
        client.cancel_stream()
