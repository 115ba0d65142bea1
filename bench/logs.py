"""Measure run logs, in memory and over Redis: python bench/logs.py

One process writes; over Redis, another process reads. Each delta carries the time at which it was
appended, on the monotonic clock that both processes share.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from statistics import median, quantiles
from typing import Any

from delta_text import STAMP_PATTERN, delta_text, monotonic_us
from redis.asyncio import Redis
from stream_spec import DELTA_INTERVAL
from ui_message_stream.chunks import Finish, Start, StartStep, TextDelta, TextStart
from ui_message_stream.messages import TextPart, UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server.coordination.redis.commands import RedisCommands
from usechat_server.coordination.redis.keys import HeldLease
from usechat_server.coordination.redis.published_log import PublishedLog
from usechat_server.coordination.redis.publisher import LogPublisher
from usechat_server.coordination.redis.subscriber import LogSubscriber
from usechat_server.run_log.log import Log
from usechat_server.turn import Turn

#: Runs that are streamed at once.
RUNS = 50
#: Deltas of each run without pauses.
BURST_DELTAS = 2000
#: Deltas of each run at one every DELTA_INTERVAL: 4 seconds.
PACED_DELTAS = int(4 / DELTA_INTERVAL)

#: Milliseconds from the append of each delta until its frame was read, and when the last one was.
LogRead = tuple[list[float], float]

_TURN = Turn(
    None,
    "c",
    NEWEST_CLIENT_VERSION,
    [UIMessage(id="u", role="user", parts=[TextPart(text="Hi")])],
    "m",
)


def start_log() -> Log:
    """Return a log with a text part that has begun."""
    log = Log()
    log.append([Start(message_id="m"), StartStep(), TextStart(id="0")])
    return log


def append_delta(log: Log, written_at: int, number: int) -> None:
    log.append([TextDelta(id="0", delta=delta_text(written_at, number).decode())])


async def write_logs(logs: list[Log], deltas: int, interval: float) -> None:
    """Append a delta to each log every `interval` seconds, then end the logs."""
    for number in range(deltas):
        started_at = time.monotonic()
        for log in logs:
            append_delta(log, monotonic_us(), number)
            if not interval:
                await asyncio.sleep(0)
        await asyncio.sleep(max(0.0, interval - (time.monotonic() - started_at)))
    for log in logs:
        log.append([Finish(finish_reason="stop")])
        log.end()


async def read_log(log: Log) -> LogRead:
    """Read a log from its start to its end."""
    reader = log.reader(NEWEST_CLIENT_VERSION, from_start=True)
    latencies: list[float] = []
    while (data := await reader.read()) is not None:
        read_at = monotonic_us()
        latencies += [
            (read_at - int(written_at)) / 1000 for written_at, _ in STAMP_PATTERN.findall(data)
        ]
    return latencies, time.monotonic()


def summary(reads: list[LogRead], started_at: float, deltas: int) -> dict[str, Any]:
    """Return the throughput and the latencies of all logs together."""
    latencies = sorted(chain.from_iterable(log_latencies for log_latencies, _ in reads))
    assert len(latencies) == RUNS * deltas
    seconds = max(ended_at for _, ended_at in reads) - started_at
    return {
        "chunks_per_s": round(len(latencies) / seconds),
        "p50_ms": round(median(latencies), 3),
        "p99_ms": round(quantiles(latencies, n=100)[98], 3),
    }


async def measure_in_memory(deltas: int, interval: float) -> dict[str, Any]:
    """Measure logs that are read in the process that writes them."""
    logs = [start_log() for _ in range(RUNS)]
    readers = [asyncio.create_task(read_log(log)) for log in logs]
    started_at = time.monotonic()
    await write_logs(logs, deltas, interval)
    return summary(await asyncio.gather(*readers), started_at, deltas)


class PublishedLogs:
    """Logs in Redis, of runs that are called NAME-0, NAME-1 and so on."""

    def __init__(self, url: str, name: str, runs: int) -> None:
        self.commands = RedisCommands(url)
        self.publisher = LogPublisher(self.commands)
        self.names = [f"{name}-{number}" for number in range(runs)]
        self.logs = [start_log() for _ in self.names]

    async def publish(self) -> None:
        """Publish the logs and wait until Redis has them."""
        for name, log in zip(self.names, self.logs, strict=True):
            owner = self.commands.process
            fields: dict[str, str | bytes] = {"run": name, "turn": _TURN.to_json(), "owner": owner}
            published = PublishedLog(
                HeldLease(name, name, 1, name), log, fields, on_lost=lambda: None, is_owner=None
            )
            self.publisher.publish(published)
            await self.publisher.wait(published, 5)

    async def aclose(self) -> None:
        await self.publisher.aclose()
        await self.commands.aclose()


def start_reader(url: str, names: list[str]) -> subprocess.Popen[bytes]:
    """Start a process that reads logs."""
    command = [sys.executable, __file__, "read", url, *names]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


async def measure_over_redis(url: str, deltas: int, interval: float) -> dict[str, Any]:
    """Measure logs that another process reads."""
    published = PublishedLogs(url, f"run{deltas}", RUNS)
    await published.publish()
    reader = start_reader(url, published.names)
    assert reader.stdout is not None
    await asyncio.to_thread(reader.stdout.readline)  # it is subscribed
    started_at, cpu = time.monotonic(), time.process_time()
    await write_logs(published.logs, deltas, interval)
    cpu = time.process_time() - cpu
    reads = json.loads(await asyncio.to_thread(reader.stdout.readline))
    reader.wait()
    await published.aclose()
    row = summary([(latencies, ended_at) for latencies, ended_at in reads], started_at, deltas)
    return row | {"writer_cpu_us_per_chunk": round(cpu / RUNS / deltas * 1e6, 1)}


async def read_published(url: str, names: list[str]) -> None:
    """Read logs from Redis to their ends and print what was measured, in the reader's process."""
    commands = RedisCommands(url)
    subscriber = LogSubscriber(commands.logs)
    remote_logs = [await subscriber.subscribe(name, name) for name in names]
    readers = [
        asyncio.create_task(read_log(remote_log.log)) for remote_log in remote_logs if remote_log
    ]
    print("subscribed", flush=True)
    print(json.dumps(await asyncio.gather(*readers)), flush=True)
    await subscriber.aclose()
    await commands.aclose()


async def measure_replay(url: str) -> dict[str, Any]:
    """Measure how long a late reader takes to read a run, in memory and from Redis."""
    published = PublishedLogs(url, "replay", 1)
    await published.publish()
    (log,) = published.logs
    await write_logs([log], BURST_DELTAS, 0.0005)
    started_at = time.monotonic()
    _, ended_at = await read_log(log)
    memory_seconds = ended_at - started_at
    await asyncio.sleep(0.2)  # until Redis has the end
    commands = RedisCommands(url)
    subscriber = LogSubscriber(commands.logs)
    started_at = time.monotonic()
    remote_log = await subscriber.subscribe("replay-0", "replay-0")
    assert remote_log is not None
    _, ended_at = await read_log(remote_log.log)
    await subscriber.aclose()
    await commands.aclose()
    await published.aclose()
    return {
        "memory_ms": round(memory_seconds * 1000, 2),
        "redis_ms": round((ended_at - started_at) * 1000, 2),
    }


async def measure_size(url: str) -> dict[str, Any]:
    """Measure how many bytes the log of a run takes, in memory and in Redis."""
    tracemalloc.start()
    logs = [start_log() for _ in range(100)]
    for log in logs:
        for number in range(BURST_DELTAS):
            append_delta(log, 0, number)
    memory, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    published = PublishedLogs(url, "size", 1)
    await published.publish()
    for number in range(BURST_DELTAS):
        append_delta(published.logs[0], 0, number)
        await asyncio.sleep(DELTA_INTERVAL)  # as from a model, so that few deltas share a write
    await asyncio.sleep(0.2)
    redis: Any = Redis.from_url(url)
    keys = ["usechat:chat:size-0", "usechat:log:size-0", "usechat:folded:size-0"]
    key_bytes = [await redis.memory_usage(key) or 0 for key in keys]
    await redis.aclose()
    await published.aclose()
    return {"memory": memory // len(logs), "redis": sum(key_bytes)}


@contextmanager
def run_redis() -> Iterator[str]:
    """Run a redis-server on a free port; its URL."""
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
    argparse.ArgumentParser(
        description="Measure run logs, in memory and over Redis. Requires redis-server."
    ).parse_args()
    with run_redis() as url:
        measurements = {
            f"{RUNS} runs without pauses, memory": measure_in_memory(BURST_DELTAS, 0.0),
            f"{RUNS} runs without pauses, Redis": measure_over_redis(url, BURST_DELTAS, 0.0),
            f"{RUNS} runs of 50 deltas/s, memory": measure_in_memory(PACED_DELTAS, DELTA_INTERVAL),
            f"{RUNS} runs of 50 deltas/s, Redis": measure_over_redis(
                url, PACED_DELTAS, DELTA_INTERVAL
            ),
            "replay of a run of 2,000 deltas": measure_replay(url),
            "bytes of a run of 2,000 deltas": measure_size(url),
        }
        for title, measurement in measurements.items():
            print(f"{title}: {json.dumps(asyncio.run(measurement))}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["read"]:
        asyncio.run(read_published(sys.argv[2], sys.argv[3:]))
    else:
        main()
