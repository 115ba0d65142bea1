"""Measure a server once. `launch.py` runs this in a process of its own:

    python measure.py '{"measurement": "burst", "url": …, "provider": …, "pid": …, …}'

Prints a JSON object. Each measurement is a coroutine function below; the other keys are its
arguments.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from delta_text import DELTA_BYTES, delta_text, monotonic_us
from load_client import LoadClient, response_deltas
from process_usage import cpu_seconds, cpu_wait_seconds, peak_rss_bytes, rss_bytes
from stream_spec import DELTA_INTERVAL, StreamSpec

Values = dict[str, Any]


async def burst(client: LoadClient, pid: int, streams: int, deltas: int) -> Values:
    """Start all streams at once, without pauses; check every stream in full afterwards."""
    connections = [await client.connect() for _ in range(streams)]
    cpu, started_at = cpu_seconds(pid), monotonic_us()
    for connection in connections:
        connection.send(client.chat_request(StreamSpec(deltas=deltas)))
    await asyncio.wait([connection.end for connection in connections], timeout=300)
    seconds, cpu = (monotonic_us() - started_at) / 1e6, cpu_seconds(pid) - cpu
    expected = b"".join(delta_text(0, number) for number in range(deltas)).decode()
    wrong = frames = 0
    for connection in connections:
        texts = response_deltas(b"".join(connection.data))
        frames += len(texts)
        wrong += "".join(texts) != expected
    received = sum(connection.deltas for connection in connections)
    return {
        "deltas_per_s": received / seconds,
        "cpu_us_per_delta": cpu / (streams * deltas) * 1e6,
        "frames_per_delta": frames / max(received, 1),
        "lost": streams * deltas - received,
        "wrong_streams": wrong,
    }


async def steady(client: LoadClient, pid: int, streams: int, seconds: float) -> Values:
    """Start all streams at one moment, with a delta each DELTA_INTERVAL, for some seconds."""
    rss_before = rss_bytes(pid)
    gate, deltas = monotonic_us(), round(seconds / DELTA_INTERVAL)
    spec = StreamSpec(initial_deltas=1, deltas=deltas, paced=1, gate=gate)
    connections = await client.open_streams(streams, spec, timed=True)
    await asyncio.sleep(0.5)
    initial = sum(connection.deltas for connection in connections)
    for connection in connections:
        connection.latencies.clear()
    cpu_before, cpu_wait_before = cpu_seconds(pid), cpu_wait_seconds(pid)
    client_before = resource.getrusage(resource.RUSAGE_SELF)
    started_at = time.monotonic()
    await client.request_provider("POST", f"/open/{gate}")
    await asyncio.sleep(seconds)
    elapsed, cpu = time.monotonic() - started_at, cpu_seconds(pid) - cpu_before
    cpu_wait = cpu_wait_seconds(pid) - cpu_wait_before
    client_after = resource.getrusage(resource.RUSAGE_SELF)
    rss = rss_bytes(pid)
    # Deltas in flight may still arrive; those more than a second late count as missing.
    await asyncio.wait([connection.end for connection in connections], timeout=1)
    received = sum(connection.deltas for connection in connections) - initial
    latencies = [value / 1000 for connection in connections for value in connection.latencies]
    client_cpu = (
        client_after.ru_utime
        + client_after.ru_stime
        - client_before.ru_utime
        - client_before.ru_stime
    )
    return {
        "p50_ms": _percentile(latencies, 50),
        "p99_ms": _percentile(latencies, 99),
        "delivered_percent": received / (streams * deltas) * 100,
        "missing": streams * deltas - received,
        "dropped": sum(not connection.deltas for connection in connections),
        "cpu_percent": cpu / elapsed * 100,
        "cpu_wait_percent": cpu_wait / elapsed * 100,
        "cpu_us_per_delta": cpu / max(received, 1) * 1e6,
        "rss_kib_per_stream": (rss - rss_before) / streams / 1024,
        "peak_rss_mib": peak_rss_bytes(pid) / 2**20,
        "client_cpu_percent": client_cpu / elapsed * 100,
    }


async def first_token(client: LoadClient, pid: int, requests: int) -> Values:
    """Send one request after the other on one connection; time each until its first delta."""
    connection = await client.connect()
    times, cpu = [], cpu_seconds(pid)
    for _ in range(requests):
        # The end comes with the pacer's next tick, not in the packet of the first delta.
        connection.send(client.chat_request(StreamSpec(initial_deltas=1, paced=1)))
        is_complete = await asyncio.wait_for(connection.end, 10)
        if not is_complete:
            connection = await client.connect()
        elif connection.first_delta_at:
            times.append((connection.first_delta_at - connection.sent_at) / 1000)
        await asyncio.sleep(0.001)
    return {
        "p50_ms": _percentile(times, 50),
        "p99_ms": _percentile(times, 99),
        "cpu_ms_per_request": (cpu_seconds(pid) - cpu) / requests * 1000,
        "errors": requests - len(times),
    }


async def tool_input(
    client: LoadClient, pid: int, json_type: str, size: int, repeat: int
) -> Values:
    """Stream a tool call whose input arrives in small pieces; time it until the end."""
    times, cpu_times, errors = [], [], 0
    deltas = size // DELTA_BYTES
    for _ in range(repeat):
        connection = await client.connect()
        cpu = cpu_seconds(pid)
        connection.send(client.chat_request(StreamSpec(kind=json_type, deltas=deltas)))
        is_complete = await asyncio.wait_for(connection.end, 120)
        times.append((monotonic_us() - connection.sent_at) / 1000)
        cpu_times.append((cpu_seconds(pid) - cpu) * 1000)
        # Everything arrives twice: as deltas, and as the whole input.
        errors += not is_complete or connection.deltas != 2 * deltas
        connection.transport.close()
    return {
        "ms": _percentile(times, 50),
        "cpu_ms": _percentile(cpu_times, 50),
        # The run that other jobs disturbed least: for comparing two sizes.
        "min_cpu_ms": min(cpu_times),
        "errors": errors,
    }


async def disconnect(client: LoadClient, pid: int, repeat: int) -> Values:
    """Close the connection after ten deltas; time the server until it closes the provider's.

    Half of the providers are silent at that moment, the others keep sending.
    """
    times, never_closed = [], 0
    for number in range(repeat):
        stream_id = monotonic_us()
        paced = number % 2
        spec = StreamSpec(
            initial_deltas=10,
            deltas=10_000,
            paced=paced,
            gate=0 if paced else stream_id,
            stream_id=stream_id,
        )
        connection = await client.connect()
        connection.send(client.chat_request(spec))
        await connection.first_delta
        await asyncio.sleep(0.05)
        closed_at = asyncio.create_task(client.request_provider("GET", f"/closed/{stream_id}"))
        left_at = monotonic_us()
        connection.transport.abort()
        try:
            times.append((int(await asyncio.wait_for(closed_at, 5)) - left_at) / 1000)
        except TimeoutError:
            never_closed += 1
    return {
        "p50_ms": _percentile(times, 50),
        "max_ms": max(times, default=None),
        "never_closed": never_closed,
    }


async def idle(client: LoadClient, pid: int, streams: int) -> Values:
    """Hold streams open while the provider pauses in the middle of each response."""
    rss_before = rss_bytes(pid)
    spec = StreamSpec(initial_deltas=1, deltas=1, gate=monotonic_us())
    connections = await client.open_streams(streams, spec, timed=False)
    await asyncio.sleep(1)
    cpu, started_at = cpu_seconds(pid), time.monotonic()
    await asyncio.sleep(2)
    return {
        "rss_kib_per_stream": (rss_bytes(pid) - rss_before) / streams / 1024,
        "rss_before_mib": rss_before / 2**20,
        "cpu_percent": (cpu_seconds(pid) - cpu) / (time.monotonic() - started_at) * 100,
        "dropped": sum(not connection.deltas or connection.is_lost for connection in connections),
    }


async def warm_up(client: LoadClient, pid: int) -> Values:
    """Request a few streams of every kind, so that code is loaded and pools are filled."""
    connections = [await client.connect() for _ in range(10)]
    text, tool_call = StreamSpec(deltas=200), StreamSpec(kind="string", deltas=100)
    for spec in [text] * 4 + [tool_call, StreamSpec(initial_deltas=1)]:
        for connection in connections:
            connection.send(client.chat_request(spec))
        complete = await asyncio.wait_for(
            asyncio.gather(*(connection.end for connection in connections)), 60
        )
        if not all(complete) or not all(connection.deltas for connection in connections):
            response = b"".join(connections[0].data)[:500]
            raise SystemExit(f"expected complete responses with deltas, got {response!r}")
    return {}


def _percentile(values: list[float], percent: float) -> float | None:
    """Return the value that this share of the values lies below, or None if there are none."""
    if not values:
        return None
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * percent / 100))]


_MEASUREMENTS: dict[str, Callable[..., Awaitable[Values]]] = {
    measurement.__name__: measurement
    for measurement in (burst, steady, first_token, tool_input, disconnect, idle, warm_up)
}


async def main() -> None:
    task: dict[str, Any] = json.loads(sys.argv[1])
    measurement = _MEASUREMENTS[task.pop("measurement")]
    client = LoadClient(task.pop("url"), task.pop("provider"))
    print(json.dumps(await measurement(client, **task)))


if __name__ == "__main__":
    uvloop.run(main())
