"""A fake provider that speaks the Messages API as fast as Python can.

    python fake_provider.py     prints its port, then serves until its standard input closes

POST /v1/messages   streams what the StreamSpec in the prompt asks for
GET /v1/models/ID   describes the model, as the API does
POST /open/GATE     lets the streams that wait at a gate continue
GET /closed/ID      responds when the server has closed that stream's connection, with the time
                    in microseconds of the monotonic clock
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections import deque
from typing import ClassVar

import uvloop
from delta_text import monotonic_us
from provider_events import HEAD, MODEL_INFO, TEXT_END, TEXT_START, batches, text_delta
from stream_spec import DELTA_INTERVAL, StreamSpec

__all__ = ["Connection"]

_TICK = 0.001
_SLOTS = round(DELTA_INTERVAL / _TICK)


class Pacer:
    """Makes each paced stream send a delta every DELTA_INTERVAL, the streams evenly spread."""

    def __init__(self) -> None:
        self._slots: list[set[Connection]] = [set() for _ in range(_SLOTS)]
        self._next_slot = 0
        self._ticks_done = 0
        self._started_at = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: Connection) -> None:
        """Start to pace a stream."""
        # A stride of 7 slots: streams that begin together do not tick together.
        self._slots[self._next_slot * 7 % _SLOTS].add(connection)
        self._next_slot += 1
        if self._timer is None:
            self._started_at, self._ticks_done = time.monotonic(), 0
            self._start_timer()

    def discard(self, connection: Connection) -> None:
        """Stop pacing a stream."""
        for slot in self._slots:
            slot.discard(connection)

    def _start_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._send_due)

    def _send_due(self) -> None:
        # Ticks that were missed are made up for: the number of deltas depends only on the clock.
        due = int((time.monotonic() - self._started_at) / _TICK)
        for tick in range(self._ticks_done, due):
            for connection in tuple(self._slots[tick % _SLOTS]):
                connection.send_next()
        self._ticks_done = due
        self._timer = None
        if any(self._slots):
            self._start_timer()


class Gates:
    """Points at which streams wait until the client has opened all of them."""

    def __init__(self) -> None:
        self._opened_at: dict[int, float] = {}
        self._waiting: dict[int, list[Connection]] = {}

    def open(self, gate: int) -> None:
        """Let the streams at a gate continue."""
        self._opened_at[gate] = time.monotonic()
        for connection in self._waiting.pop(gate, []):
            connection.continue_stream()

    def overdue_deltas(self, gate: int) -> int | None:
        """Return how many paced deltas are due since a gate was opened; None before that."""
        opened_at = self._opened_at.get(gate)
        return None if opened_at is None else int((time.monotonic() - opened_at) / DELTA_INTERVAL)

    def wait(self, gate: int, connection: Connection) -> None:
        """Continue a stream when its gate is opened."""
        self._waiting.setdefault(gate, []).append(connection)


class Connection(asyncio.Protocol):
    """An HTTP/1.1 connection: a request, its response, the next request."""

    pacer: ClassVar = Pacer()
    gates: ClassVar = Gates()
    #: when each stream's connection was closed, by the stream's id
    closing_times: ClassVar[dict[int, asyncio.Future[int]]] = {}

    def __init__(self) -> None:
        self._buffer = b""
        self._spec: StreamSpec | None = None
        self._remaining = 0
        self._writable = True
        self._queue: deque[bytes] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.WriteTransport = transport  # type: ignore[assignment]
        self._loop = asyncio.get_running_loop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._writable = False
        self.pacer.discard(self)
        if self._spec is not None and self._spec.stream_id:
            self._closing_time(self._spec.stream_id).set_result(monotonic_us())

    def eof_received(self) -> None:
        return None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        _, path, _ = head.split(b" ", 2)
        self._handle(path.partition(b"?")[0].decode(), rest[:length])

    def _handle(self, path: str, body: bytes) -> None:
        _, resource, *names = path.split("/")
        if path == "/v1/messages":
            self._start_stream(StreamSpec.from_request(body))
        elif path.startswith("/v1/models/"):
            self._respond_with(MODEL_INFO)
        elif resource == "open":
            self.gates.open(int(names[0]))
            self._respond_with(b"{}")
        elif resource == "closed":
            self._closing_time(int(names[0])).add_done_callback(
                lambda time_us: self._respond_with(b"%d" % time_us.result())
            )
        else:
            self.transport.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")

    def _respond_with(self, body: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (len(body), body)
        )

    def _closing_time(self, stream_id: int) -> asyncio.Future[int]:
        return self.closing_times.setdefault(stream_id, self._loop.create_future())

    def _start_stream(self, spec: StreamSpec) -> None:
        self._spec, self._remaining, self._number = spec, spec.deltas, spec.initial_deltas
        if spec.kind != "text":
            self.transport.write(HEAD)
            self._queue.extend(batches(spec.kind, spec.deltas))
            self._write_next()
            return
        initial = (text_delta(monotonic_us(), number) for number in range(spec.initial_deltas))
        self.transport.write(HEAD + TEXT_START + b"".join(initial))
        if spec.gate:
            overdue = self.gates.overdue_deltas(spec.gate)
            if overdue is None:
                self.gates.wait(spec.gate, self)
                return
            self._remaining -= overdue
        self.continue_stream()

    def continue_stream(self) -> None:
        """Send what follows the initial deltas."""
        if self._spec is None or self.transport.is_closing():
            return
        if self._spec.paced:
            self.pacer.add(self)
        else:
            self._queue.extend(batches("text", self._remaining))
            self._write_next()

    def send_next(self) -> None:
        """Send the next delta of a paced stream, or its end."""
        if self._remaining > 0:
            self._remaining -= 1
            self.transport.write(text_delta(monotonic_us(), self._number))
            self._number += 1
        else:
            self.pacer.discard(self)
            self._spec = None
            self.transport.write(TEXT_END)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._queue:
            self._write_next()

    def _write_next(self) -> None:
        # One batch in each iteration of the event loop, so that all streams advance together.
        if not self._writable or not self._queue:
            return
        self.transport.write(self._queue.popleft())
        if not self._queue:
            self._spec = None
        elif self._writable:
            self._loop.call_soon(self._write_next)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    stdin_closed = asyncio.Event()

    def read_stdin() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            stdin_closed.set()

    loop.add_reader(sys.stdin.fileno(), read_stdin)
    await stdin_closed.wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main())
