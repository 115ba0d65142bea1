"""What a run's log costs, in memory and over Redis: python bench/logs.py. Needs redis-server.

One process writes, in Redis's case another one reads. A delta carries the time when it was
appended; both processes read the same monotonic clock.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median, quantiles
from typing import Any

from plan import PERIOD, STAMP, stamp
from redis.asyncio import Redis
from ui_message_stream.chunks import Finish, Start, StartStep, TextDelta, TextStart
from ui_message_stream.messages import TextPart, UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server.coordination.redis.commands import HeldLease, RedisCommands
from usechat_server.coordination.redis.published_log import PublishedLog
from usechat_server.coordination.redis.publisher import LogPublisher
from usechat_server.coordination.redis.subscriber import LogSubscriber
from usechat_server.run_log.log import Log
from usechat_server.turn import Turn

#: runs at once, deltas of each at full speed, and seconds of paced ones
RUNS, BURST, SECONDS = 50, 2000, 4
PACED = int(SECONDS / PERIOD)

_TURN = Turn(
    None,
    "c",
    NEWEST_CLIENT_VERSION,
    [UIMessage(id="u", role="user", parts=[TextPart(text="Hi")])],
    "m",
)


def started() -> Log:
    log = Log()
    log.append([Start(message_id="m"), StartStep(), TextStart(id="0")])
    return log


async def write(logs: list[Log], deltas: int, period: float) -> None:
    """Appends to all of them in turn, one delta at a time, and ends them."""
    for number in range(deltas):
        began = time.monotonic()
        for log in logs:
            now = time.monotonic_ns() // 1000
            log.append([TextDelta(id="0", delta=stamp(now, number).decode())])
            if not period:
                await asyncio.sleep(0)
        await asyncio.sleep(max(0.0, period - (time.monotonic() - began)))
    for log in logs:
        log.append([Finish(finish_reason="stop")])
        log.end()


async def read(log: Log) -> tuple[list[float], float]:
    """Milliseconds from each append until its frame was made, and when the last one was."""
    reader = log.reader(NEWEST_CLIENT_VERSION, from_start=True)
    late: list[float] = []
    while (data := await reader.read()) is not None:
        now = time.monotonic_ns() // 1000
        late += [(now - int(when)) / 1000 for when, _ in STAMP.findall(data)]
    return late, time.monotonic()


def row_of(results: list[tuple[list[float], float]], began: float, deltas: int) -> dict[str, Any]:
    late = sorted(one for each, _ in results for one in each)
    assert len(late) == RUNS * deltas
    seconds = max(end for _, end in results) - began
    return {
        "chunks_per_s": round(len(late) / seconds),
        "p50_ms": round(median(late), 3),
        "p99_ms": round(quantiles(late, n=100)[98], 3),
    }


async def in_memory(deltas: int, period: float) -> dict[str, Any]:
    logs = [started() for _ in range(RUNS)]
    readers = [asyncio.create_task(read(log)) for log in logs]
    began = time.monotonic()
    await write(logs, deltas, period)
    return row_of(await asyncio.gather(*readers), began, deltas)


class Writer:
    """Logs that are published, under names of their own."""

    def __init__(self, url: str, name: str, runs: int) -> None:
        self.commands = RedisCommands(url)
        self.publisher = LogPublisher(self.commands)
        self.names = [f"{name}-{number}" for number in range(runs)]
        self.logs = [started() for _ in self.names]

    async def begin(self) -> None:
        for name, log in zip(self.names, self.logs, strict=True):
            fields = {"run": name, "turn": _TURN.to_json(), "owner": self.commands.process}
            published = PublishedLog(HeldLease(name, name, 1), log, fields, lambda: None)
            self.publisher.publish(published)
            await self.publisher.wait(published, 5)

    async def aclose(self) -> None:
        await self.publisher.aclose()
        await self.commands.aclose()


def reading(url: str, names: list[str]) -> subprocess.Popen[bytes]:
    """Another process that reads runs."""
    command = [sys.executable, __file__, "read", url, *names]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


async def over_redis(url: str, deltas: int, period: float) -> dict[str, Any]:
    writer = Writer(url, f"run{deltas}", RUNS)
    await writer.begin()
    reader = reading(url, writer.names)
    assert reader.stdout is not None
    await asyncio.to_thread(reader.stdout.readline)  # it has begun
    began, cpu = time.monotonic(), time.process_time()
    await write(writer.logs, deltas, period)
    cpu = time.process_time() - cpu
    results = json.loads(await asyncio.to_thread(reader.stdout.readline))
    reader.wait()
    await writer.aclose()
    row = row_of([(late, end) for late, end in results], began, deltas)
    return row | {"writer_cpu_us_per_chunk": round(cpu / RUNS / deltas * 1e6, 1)}


async def read_remotely(url: str, names: list[str]) -> None:
    """The other process: reads the runs to their ends and prints what it found."""
    commands = RedisCommands(url)
    subscriber = LogSubscriber(commands)
    remote_logs = [await subscriber.subscribe(name, name) for name in names]
    readers = [
        asyncio.create_task(read(remote_log.log)) for remote_log in remote_logs if remote_log
    ]
    print("reading", flush=True)
    print(json.dumps(await asyncio.gather(*readers)), flush=True)
    await subscriber.aclose()
    await commands.aclose()


async def replay(url: str) -> dict[str, Any]:
    """What a late reader of a turn of 2,000 deltas waits for, here and in another process."""
    writer = Writer(url, "replay", 1)
    await writer.begin()
    (log,) = writer.logs
    await write([log], BURST, 0.0005)
    began = time.monotonic()
    _, end = await read(log)
    here = end - began
    await asyncio.sleep(0.2)  # what was said last is in Redis
    commands = RedisCommands(url)
    subscriber = LogSubscriber(commands)
    began = time.monotonic()
    remote_log = await subscriber.subscribe("replay-0", "replay-0")
    assert remote_log is not None
    _, end = await read(remote_log.log)
    await subscriber.aclose()
    await commands.aclose()
    await writer.aclose()
    return {"memory_ms": round(here * 1000, 2), "redis_ms": round((end - began) * 1000, 2)}


async def size(url: str) -> dict[str, Any]:
    """Bytes of a running turn of 2,000 deltas of 20 bytes."""
    tracemalloc.start()
    logs = [started() for _ in range(100)]
    for log in logs:
        for number in range(BURST):
            log.append([TextDelta(id="0", delta=stamp(0, number).decode())])
    memory, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    writer = Writer(url, "size", 1)
    await writer.begin()
    for number in range(BURST):
        writer.logs[0].append([TextDelta(id="0", delta=stamp(0, number).decode())])
        await asyncio.sleep(PERIOD)  # as a model says it: hardly any two share a write
    await asyncio.sleep(0.2)
    redis: Any = Redis.from_url(url)
    keys = ["usechat:chat:size-0", "usechat:log:size-0", "usechat:folded:size-0"]
    stored = [await redis.memory_usage(key) or 0 for key in keys]
    await redis.aclose()
    await writer.aclose()
    return {"memory": memory // len(logs), "redis": sum(stored)}


@contextmanager
def redis_server() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as client:
                if not client.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    with redis_server() as url:
        rows = {
            f"full speed, {RUNS} runs, memory": in_memory(BURST, 0.0),
            f"full speed, {RUNS} runs, Redis": over_redis(url, BURST, 0.0),
            f"{RUNS} runs × 50 deltas/s, memory": in_memory(PACED, PERIOD),
            f"{RUNS} runs × 50 deltas/s, Redis": over_redis(url, PACED, PERIOD),
            "replay of 2,000 deltas": replay(url),
            "bytes of a running turn of 2,000 deltas": size(url),
        }
        for name, job in rows.items():
            print(f"{name}: {json.dumps(asyncio.run(job))}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["read"]:
        asyncio.run(read_remotely(sys.argv[2], sys.argv[3:]))
    else:
        main()
