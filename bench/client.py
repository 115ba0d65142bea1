"""The load client: raw sockets, and as little parsing as the question allows.

    python client.py '{"job": "burst", "url": …, "provider": …, "pid": …, …}'

Prints one JSON object. Each job is one coroutine below; its keyword arguments are the job's keys.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import uvloop
from plan import DELTA_BYTES, PERIOD, STAMP, Plan, stamp
from proc import cpu_seconds, peak_rss_bytes, rss_bytes, waited_seconds

_END = b"\r\n0\r\n\r\n"


def now() -> int:
    """Microseconds of the monotonic clock."""
    return time.monotonic_ns() // 1000


def percentile(values: list[float], percent: float) -> float | None:
    """The value below which that share of the values lies, None of none."""
    if not values:
        return None
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * percent / 100))]


def delta_texts(response: bytes) -> list[str]:
    """The texts of a whole response's deltas, one for each frame."""
    at, pieces = response.index(b"\r\n\r\n") + 4, []
    while size := int(response[at : (line_end := response.index(b"\r\n", at))], 16):
        at = line_end + 2 + size + 2
        pieces.append(response[line_end + 2 : at - 2])
    body = b"".join(pieces)
    frames = [frame[6:] for frame in body.split(b"\n\n") if frame.startswith(b"data: {")]
    return [chunk["delta"] for chunk in map(json.loads, frames) if chunk["type"] == "text-delta"]


class Stream(asyncio.Protocol):
    """One connection that carries chat requests one after the other."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.WriteTransport = transport  # type: ignore[assignment]

    def send(self, request: bytes, *, timed: bool = False) -> None:
        """Sends a request. `timed`: its deltas carry stamps, from which latencies are taken."""
        self.timed = timed
        self.deltas = self.frames = 0
        self.first_at = 0
        self.latencies: list[float] = []
        self.data: list[bytes] = []
        self._tail = b""
        self.first: asyncio.Future[None] = self._loop.create_future()
        self.done: asyncio.Future[bool] = self._loop.create_future()
        self.sent_at = now()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        arrived = now()
        here = data.count(b"~")
        if here:
            self.deltas += here
            if not self.first_at:
                self.first_at = arrived
                self.first.set_result(None)
        if self.timed:
            data = self._tail + data
            self.latencies += [arrived - int(at) for at, _ in STAMP.findall(data)]
            ended = data.endswith(_END)
            self._tail = data[max(data.rfind(b"~") + 1, len(data) - DELTA_BYTES + 1) :]
        else:
            self.data.append(data)
            ended = b"".join(self.data[-len(_END) :]).endswith(_END)
        if ended:
            self._finish(True)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._finish(False)

    def _finish(self, complete: bool) -> None:
        if hasattr(self, "done") and not self.done.done():
            self.done.set_result(complete)
            if not self.first.done():
                self.first.set_result(None)


class Load:
    """The server under load, the provider behind it, and how to ask both."""

    def __init__(self, url: str, provider: str, pid: int) -> None:
        self.pid = pid
        self._url, self._provider = urlsplit(url), urlsplit(provider)
        self._host, self._port = self._url.hostname or "", self._url.port or 80
        self._next_id = now() % 1_000_000_000

    async def connect(self) -> Stream:
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(Stream, self._host, self._port)
        return stream

    def request(self, plan: Plan) -> bytes:
        """What `useChat` posts; the provider itself takes it too, since it reads only the plan."""
        self._next_id += 1
        text = {"type": "text", "text": plan.prompt()}
        message = {"id": f"u{self._next_id}", "role": "user", "parts": [text]}
        body = json.dumps(
            {"id": f"c{self._next_id}", "messages": [message], "trigger": "submit-message"}
        ).encode()
        return (
            f"POST {self._url.path} HTTP/1.1\r\nhost: {self._url.netloc}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode() + body

    async def ask_provider(self, method: str, path: str) -> bytes:
        reader, writer = await asyncio.open_connection(self._provider.hostname, self._provider.port)
        writer.write(f"{method} {path} HTTP/1.1\r\nhost: bench\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        writer.close()
        return body

    async def open_streams(self, count: int, plan: Plan, *, timed: bool) -> list[Stream]:
        """Streams opened at 500 a second, each waited for until its first delta or 20 s passed."""
        streams = []
        for _ in range(count):
            stream = await self.connect()
            stream.send(self.request(plan), timed=timed)
            streams.append(stream)
            await asyncio.sleep(0.002)
        await asyncio.wait([stream.first for stream in streams], timeout=20)
        return streams


async def burst(load: Load, streams: int, deltas: int) -> dict[str, Any]:
    """All streams at once, as fast as they come; every stream is read in full afterwards."""
    open_streams = [await load.connect() for _ in range(streams)]
    cpu, began = cpu_seconds(load.pid), now()
    for stream in open_streams:
        stream.send(load.request(Plan(deltas=deltas)))
    await asyncio.wait([stream.done for stream in open_streams], timeout=300)
    seconds, cpu = (now() - began) / 1e6, cpu_seconds(load.pid) - cpu
    expected = b"".join(stamp(0, number) for number in range(deltas)).decode()
    wrong = frames = 0
    for stream in open_streams:
        pieces = delta_texts(b"".join(stream.data))
        frames += len(pieces)
        wrong += "".join(pieces) != expected
    total = sum(stream.deltas for stream in open_streams)
    return {
        "deltas_per_s": total / seconds,
        "cpu_us_per_delta": cpu / (streams * deltas) * 1e6,
        "frames_per_delta": frames / max(total, 1),
        "lost": streams * deltas - total,
        "wrong_streams": wrong,
    }


async def paced(load: Load, streams: int, seconds: float) -> dict[str, Any]:
    """Streams that all begin at one moment, a delta a PERIOD each, until each had its number."""
    base = rss_bytes(load.pid)
    gate, deltas = now(), round(seconds / PERIOD)
    plan = Plan(lead=1, deltas=deltas, paced=1, gate=gate)
    opened = await load.open_streams(streams, plan, timed=True)
    await asyncio.sleep(0.5)
    here = sum(stream.deltas for stream in opened)
    for stream in opened:
        stream.latencies.clear()
    cpu, waited = cpu_seconds(load.pid), waited_seconds(load.pid)
    own = resource.getrusage(resource.RUSAGE_SELF)
    began = time.monotonic()
    await load.ask_provider("POST", f"/open/{gate}")
    await asyncio.sleep(seconds)
    took, used = time.monotonic() - began, cpu_seconds(load.pid) - cpu
    waited = waited_seconds(load.pid) - waited
    client = resource.getrusage(resource.RUSAGE_SELF)
    rss = rss_bytes(load.pid)
    # What was on its way may still arrive; what is later than a second counts as not delivered.
    await asyncio.wait([stream.done for stream in opened], timeout=1)
    got = sum(stream.deltas for stream in opened) - here
    latencies = [value / 1000 for stream in opened for value in stream.latencies]
    return {
        "p50_ms": percentile(latencies, 50),
        "p99_ms": percentile(latencies, 99),
        "delivered_percent": got / (streams * deltas) * 100,
        "missing": streams * deltas - got,
        "dropped": sum(not stream.deltas for stream in opened),
        "cpu_percent": used / took * 100,
        "waited_percent": waited / took * 100,
        "cpu_us_per_delta": used / max(got, 1) * 1e6,
        "rss_kib_per_stream": (rss - base) / streams / 1024,
        "peak_rss_mib": peak_rss_bytes(load.pid) / 2**20,
        "client_cpu_percent": (client.ru_utime + client.ru_stime - own.ru_utime - own.ru_stime)
        / took
        * 100,
    }


async def first_token(load: Load, count: int) -> dict[str, Any]:
    """One request after the other on one connection: from the request to the first delta."""
    stream = await load.connect()
    times, cpu = [], cpu_seconds(load.pid)
    for _ in range(count):
        # The end comes with the pacer's next tick, not in the packet of the first delta.
        stream.send(load.request(Plan(lead=1, paced=1)))
        complete = await asyncio.wait_for(stream.done, 10)
        if not complete:
            stream = await load.connect()
        elif stream.first_at:
            times.append((stream.first_at - stream.sent_at) / 1000)
        await asyncio.sleep(0.001)
    return {
        "p50_ms": percentile(times, 50),
        "p99_ms": percentile(times, 99),
        "cpu_ms_per_request": (cpu_seconds(load.pid) - cpu) / count * 1000,
        "errors": count - len(times),
    }


async def tool_input(load: Load, shape: str, size: int, runs: int) -> dict[str, Any]:
    """One tool call whose input arrives in small pieces, from the request to the end."""
    times, cpus, errors = [], [], 0
    deltas = size // DELTA_BYTES
    for _ in range(runs):
        stream = await load.connect()
        cpu = cpu_seconds(load.pid)
        stream.send(load.request(Plan(kind=shape, deltas=deltas)))
        complete = await asyncio.wait_for(stream.done, 120)
        times.append((now() - stream.sent_at) / 1000)
        cpus.append((cpu_seconds(load.pid) - cpu) * 1000)
        # Once as deltas, once as the whole input.
        errors += not complete or stream.deltas != 2 * deltas
        stream.transport.close()
    return {
        "ms": percentile(times, 50),
        "cpu_ms": percentile(cpus, 50),
        # The least is what other jobs disturbed least: for comparing two sizes.
        "least_cpu_ms": min(cpus),
        "errors": errors,
    }


async def hang_up(load: Load, count: int) -> dict[str, Any]:
    """The client closes after ten deltas; half of the providers are silent then, half go on."""
    times, never = [], 0
    for number in range(count):
        name = now()
        paced = number % 2
        plan = Plan(lead=10, deltas=10_000, paced=paced, gate=0 if paced else name, id=name)
        stream = await load.connect()
        stream.send(load.request(plan))
        await stream.first
        await asyncio.sleep(0.05)
        asked = asyncio.create_task(load.ask_provider("GET", f"/closed/{name}"))
        left = now()
        stream.transport.abort()
        try:
            times.append((int(await asyncio.wait_for(asked, 5)) - left) / 1000)
        except TimeoutError:
            never += 1
    return {"p50_ms": percentile(times, 50), "max_ms": max(times, default=None), "never": never}


async def idle(load: Load, streams: int) -> dict[str, Any]:
    """Streams in the middle of an answer while the provider thinks."""
    base = rss_bytes(load.pid)
    opened = await load.open_streams(streams, Plan(lead=1, deltas=1, gate=now()), timed=False)
    await asyncio.sleep(1)
    cpu, began = cpu_seconds(load.pid), time.monotonic()
    await asyncio.sleep(2)
    return {
        "rss_kib_per_stream": (rss_bytes(load.pid) - base) / streams / 1024,
        "base_mib": base / 2**20,
        "cpu_percent": (cpu_seconds(load.pid) - cpu) / (time.monotonic() - began) * 100,
        "dropped": sum(not stream.deltas or stream.lost for stream in opened),
    }


async def warm_up(load: Load) -> dict[str, Any]:
    """A few answers of every kind, some at once: code loaded, pools filled, JIT awake."""
    streams = [await load.connect() for _ in range(10)]
    for plan in [Plan(deltas=200)] * 4 + [Plan(kind="string", deltas=100), Plan(lead=1)]:
        for stream in streams:
            stream.send(load.request(plan))
        done = await asyncio.wait_for(asyncio.gather(*(s.done for s in streams)), 60)
        if not all(done) or not all(stream.deltas for stream in streams):
            raise SystemExit(f"the server does not answer: {b''.join(streams[0].data)[:500]!r}")
    return {}


_JOBS: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {
    job.__name__: job for job in (burst, paced, first_token, tool_input, hang_up, idle, warm_up)
}


async def main() -> None:
    job: dict[str, Any] = json.loads(sys.argv[1])
    run = _JOBS[job.pop("job")]
    load = Load(job.pop("url"), job.pop("provider"), job.pop("pid"))
    print(json.dumps(await run(load, **job)))


if __name__ == "__main__":
    uvloop.run(main())
