"""A provider that speaks the Messages API's wire format as fast as Python can.

    python provider.py        prints its port, then serves until its standard input closes

POST /v1/messages streams what the plan in the prompt says. GET /v1/models/ID answers as the API
does. For the client: POST /open/GATE lets waiting streams go on, GET /closed/ID answers, as soon
as that stream's connection is closed by the server, with the time (microseconds, monotonic clock).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections import deque

import uvloop
from events import HEAD, MODEL_INFO, TEXT_START, batches, text_delta, text_end
from plan import PERIOD, Plan

_TICK = 0.001
_SLOTS = round(PERIOD / _TICK)


def now() -> int:
    """Microseconds of the monotonic clock, the same in every process of this machine."""
    return time.monotonic_ns() // 1000


class Pacer:
    """Ticks every stream once a period; streams are spread evenly over the period's slots."""

    def __init__(self) -> None:
        self._slots: list[set[Connection]] = [set() for _ in range(_SLOTS)]
        self._next_slot = 0
        self._done_ticks = 0
        self._began = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: Connection) -> None:
        # A stride of 7 slots: streams that begin together do not tick together.
        self._slots[self._next_slot * 7 % _SLOTS].add(connection)
        self._next_slot += 1
        if self._timer is None:
            self._began, self._done_ticks = time.monotonic(), 0
            self._arm()

    def discard(self, connection: Connection) -> None:
        for slot in self._slots:
            slot.discard(connection)

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_TICK, self._run)

    def _run(self) -> None:
        # Late ticks are caught up, so the number of deltas never depends on the provider's speed.
        due = int((time.monotonic() - self._began) / _TICK)
        for tick in range(self._done_ticks, due):
            for connection in tuple(self._slots[tick % _SLOTS]):
                connection.tick()
        self._done_ticks = due
        self._timer = None
        if any(self._slots):
            self._arm()


class Gates:
    """What the client opens once all of its streams are there."""

    def __init__(self) -> None:
        self._opened: dict[int, float] = {}
        self._waiting: dict[int, list[Connection]] = {}

    def open(self, gate: int) -> None:
        self._opened[gate] = time.monotonic()
        for connection in self._waiting.pop(gate, []):
            connection.go()

    def missed(self, gate: int) -> int | None:
        """Paced deltas that a stream at this gate comes too late for; None while it is shut."""
        opened = self._opened.get(gate)
        return None if opened is None else int((time.monotonic() - opened) / PERIOD)

    def wait(self, gate: int, connection: Connection) -> None:
        self._waiting.setdefault(gate, []).append(connection)


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection: a request, its answer, the next request."""

    pacer = Pacer()
    gates = Gates()
    closed: dict[int, asyncio.Future[int]]

    def __init__(self) -> None:
        self._buffer = b""
        self._plan: Plan | None = None
        self._left = 0
        self._writable = True
        self._queue: deque[bytes] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.WriteTransport = transport  # type: ignore[assignment]
        self._loop = asyncio.get_running_loop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._writable = False
        self.pacer.discard(self)
        if self._plan is not None and self._plan.id:
            self._closed(self._plan.id).set_result(now())

    def eof_received(self) -> None:
        return None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        method, path, _ = head.split(b" ", 2)
        self._answer(method, path.partition(b"?")[0].decode(), rest[:length])

    def _answer(self, method: bytes, path: str, body: bytes) -> None:
        _, first, *more = path.split("/")
        if path == "/v1/messages":
            self._stream(Plan.find(body))
        elif path.startswith("/v1/models/"):
            self._reply(MODEL_INFO)
        elif first == "open":
            self.gates.open(int(more[0]))
            self._reply(b"{}")
        elif first == "closed":
            self._closed(int(more[0])).add_done_callback(
                lambda done: self._reply(b"%d" % done.result())
            )
        else:
            self.transport.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")

    def _reply(self, body: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (len(body), body)
        )

    def _closed(self, name: int) -> asyncio.Future[int]:
        return self.closed.setdefault(name, self._loop.create_future())

    def _stream(self, plan: Plan) -> None:
        self._plan, self._left, self._number = plan, plan.deltas, plan.lead
        if plan.kind != "text":
            self.transport.write(HEAD)
            self._queue.extend(batches(plan.kind, plan.deltas))
            self._pump()
            return
        lead = b"".join(text_delta(now(), number) for number in range(plan.lead))
        self.transport.write(HEAD + TEXT_START + lead)
        if plan.gate:
            missed = self.gates.missed(plan.gate)
            if missed is None:
                self.gates.wait(plan.gate, self)
                return
            self._left -= missed
        self.go()

    def go(self) -> None:
        """Sends what comes after the lead."""
        if self._plan is None or self.transport.is_closing():
            return
        if self._plan.paced:
            self.pacer.add(self)
        else:
            self._queue.extend(batches("text", self._left))
            self._pump()

    def tick(self) -> None:
        """Sends the next delta of a paced stream, or its end."""
        if self._left > 0:
            self._left -= 1
            self.transport.write(text_delta(now(), self._number))
            self._number += 1
        else:
            self.pacer.discard(self)
            self._plan = None
            self.transport.write(text_end())

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._queue:
            self._pump()

    def _pump(self) -> None:
        # One batch a loop turn: all streams advance together, as fast as they are read.
        if not self._writable or not self._queue:
            return
        self.transport.write(self._queue.popleft())
        if not self._queue:
            self._plan = None
        elif self._writable:
            self._loop.call_soon(self._pump)


async def main() -> None:
    loop = asyncio.get_running_loop()
    Connection.closed = {}
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    gone = asyncio.Event()

    def read() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            gone.set()

    loop.add_reader(sys.stdin.fileno(), read)
    await gone.wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(main())
