"""A response that streams what an encoding makes of chunks.

It keeps silent connections alive, notices clients that leave or stop reading, and gives its stream
a legal end when the host shuts down, or breaks it off where the encoding has none.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
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

    def read(self) -> bytes | None:
        """Return what can be sent now: empty if there is nothing yet, None at the end."""
        ...

    def wait(self) -> Awaitable[None]:
        """Wait until there is more to read, after `read` has returned nothing."""
        ...

    async def complete(self) -> None:
        """Do what has to be done before the client sees the end. Called once `read` returned
        None."""
        ...

    def interrupt(self) -> bytes:
        """Return what ends the stream legally at this point, empty if it has ended. Nothing is read
        after that."""
        ...

    def leave(self) -> None:
        """Release what can be released without waiting: the client is gone. `aclose` follows."""
        ...

    def aclose(self) -> Awaitable[None]:
        """Release resources. Called at least once, even if nothing was read."""
        ...


class _BrokenOff(Exception):
    """Tells a host that offers nothing else to close the connection of a response."""


class StreamResponse(Response):
    """Streams bytes as they are created: each piece of `body` is one write.

    One task reads `body` and closes it. It is cancelled as soon as the client leaves, also while it
    waits for the next piece, and when a write takes longer than `send_timeout` seconds.
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
        extensions = scope.get("extensions") or {}
        client = _Client(
            self._body,
            send,
            keep_alive=self._keep_alive,
            send_timeout=self._send_timeout,
            abort=extensions.get("usechat.abort"),
        )
        stream = client.stream = asyncio.create_task(self._stream(client))
        listen = None
        on_disconnect = extensions.get("usechat.on_disconnect")
        if on_disconnect is None or not on_disconnect(client.on_disconnect):
            # Also on hosts whose `send` raises (ASGI 2.4): a silent stream sends nothing.
            listen = asyncio.create_task(_listen(receive, client))
        client.start_clock()
        try:
            await asyncio.wait([stream])
        except asyncio.CancelledError:
            await self._interrupt(client)
            raise
        finally:
            if on_disconnect is not None:
                on_disconnect(None)
            tasks = [task for task in (listen, client.close()) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.wait([stream, *tasks])
            await self._body.aclose()  # in case the task was cancelled before its first step
            del client.stream  # a cycle: its traceback has the client
        if not stream.cancelled():
            stream.result()
        if client.is_broken_off:
            await _break_off(scope, receive, self._send_timeout)
        if self.background is not None:
            await self.background()

    async def _stream(self, client: _Client) -> None:
        body = self._body
        try:
            await client.start(self.status_code, self.raw_headers)
            while not client.is_interrupted and (data := body.read()) is not None:
                if data:
                    await client.write(data)
                else:
                    await body.wait()
            if not client.is_interrupted:
                await body.complete()
            await client.end()
        except OSError:
            client.is_gone = True
        except asyncio.CancelledError as error:
            await self._interrupt(client)  # the event loop may be closing
            error.__traceback__ = None  # its frames refer to this task, which keeps it
            raise
        finally:
            await body.aclose()

    async def _interrupt(self, client: _Client) -> None:
        """End the stream legally before its body ends, unless the client is gone."""
        if not client.is_gone:
            client.is_interrupted = True  # a write in progress completes
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(_INTERRUPT_SECONDS):
                    await client.end()


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

    #: reads the body
    stream: asyncio.Task[None]

    def __init__(
        self,
        body: Body,
        send: Send,
        *,
        keep_alive: float,
        send_timeout: float,
        abort: Callable[[], None] | None,
    ) -> None:
        self._body = body
        self._send = send
        self._keep_alive = keep_alive
        self._send_timeout = send_timeout
        self._abort = abort
        #: whether the client left, or reads nothing any more
        self.is_gone = False
        #: whether the stream ends because the host shuts down
        self.is_interrupted = False
        #: whether the response was broken off instead of ended
        self.is_broken_off = False
        #: whether the last bytes were sent, or are being sent
        self._has_ended = False
        #: whether a write is in progress; `_since` is then its start, else the end of the last one
        self._is_writing = False
        self._since = monotonic()
        #: what waits for the end of a write
        self._waiters: list[asyncio.Future[None]] = []
        self._clock: asyncio.TimerHandle | None = None
        #: keeps the connection alive
        self._comment: asyncio.Task[None] | None = None

    def start_clock(self) -> None:
        """Watch the writes, and keep a silent connection alive, until `close`."""
        self._set_clock(self._keep_alive)

    def close(self) -> asyncio.Task[None] | None:
        """Cancel the stream, stop the clock, and return the task that may still write."""
        if self._clock is not None:
            self._clock.cancel()
        self._cancel_stream()
        return self._comment

    def on_disconnect(self) -> None:
        """Cancel the stream. After its end, hosts report a disconnect too."""
        if not self._has_ended:
            self._cancel_stream()

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Send the status and the headers. The first write."""
        await self._send_message(
            {"type": "http.response.start", "status": status, "headers": headers}
        )

    async def write(self, data: bytes) -> None:
        """Send a piece of the body.

        Raises:
            OSError: The client left; only on hosts of ASGI 2.4.
        """
        while self._is_writing:
            await self._wait_for_write()
        if not self._has_ended:
            self._is_writing, self._since = True, monotonic()
            try:
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
            finally:
                self._is_writing, self._since = False, monotonic()
                if self._waiters:
                    self._wake()

    async def end(self) -> None:
        """Send the end of the body, once; for a response that is broken off, its last bytes."""
        while self._is_writing:
            await self._wait_for_write()
        if not self._has_ended:
            self._has_ended = True
            data = self._body.interrupt()
            self.is_broken_off = self._body.encoding.is_broken
            await self._send_message(
                {"type": "http.response.body", "body": data, "more_body": self.is_broken_off}
            )

    async def _send_message(self, message: Message) -> None:
        self._is_writing, self._since = True, monotonic()
        try:
            await self._send(message)
        finally:
            self._is_writing, self._since = False, monotonic()
            self._wake()

    async def _wait_for_write(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _cancel_stream(self) -> None:
        """Cancel the stream, once: a second cancellation would interrupt its cleanup."""
        if not self.is_gone:
            self.is_gone = True
            self._body.leave()
            self.stream.cancel()

    def _set_clock(self, seconds: float) -> None:
        # A write may begin right after it was set.
        seconds = min(seconds, self._send_timeout)
        self._clock = asyncio.get_running_loop().call_later(seconds, self._check)

    def _check(self) -> None:
        """Keep the connection alive, or disconnect the client, if it is time."""
        if self.is_gone or (self._has_ended and not self._is_writing):
            return  # closing the body may take longer
        limit = self._send_timeout if self._is_writing else self._keep_alive
        seconds_left = self._since + limit - monotonic()
        if seconds_left > 0:
            self._set_clock(seconds_left)
        elif not self._is_writing:
            self._since = monotonic()
            if data := self._body.encoding.keep_alive:
                self._comment = asyncio.create_task(self._send_comment(data))
            self._set_clock(self._keep_alive)
        else:
            metrics.record(DROPPED_READERS)
            if self._abort is not None:
                self._abort()
            else:
                _warn_of_kept_connection(self._send_timeout)
            self._cancel_stream()

    async def _send_comment(self, data: bytes) -> None:
        try:
            await self.write(data)
        except OSError:
            self._cancel_stream()


async def _break_off(scope: Scope, receive: Receive, seconds: float) -> None:
    """Close the connection of a response that has no end, once its bytes were sent.

    Raises:
        _BrokenOff: Only that closes it on this host, and passes through middleware.
    """
    extensions = scope.get("extensions") or {}
    if not (break_off := extensions.get("usechat.break_off")):
        raise _BrokenOff("the response failed after its headers were sent, see the log of its run")
    break_off()
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        extensions["usechat.abort"]()


async def _listen(receive: Receive, client: _Client) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    client.on_disconnect()
