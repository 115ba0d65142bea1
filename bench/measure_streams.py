"""Measurements of many streams at once."""

from __future__ import annotations

import asyncio
import resource
import time

from delta_text import delta_text, monotonic_us
from load_client import ChatConnection, LoadClient, response_deltas
from process_usage import cpu_seconds, cpu_wait_seconds, peak_rss_bytes, rss_bytes
from stream_spec import DELTA_INTERVAL, StreamSpec
from values import Values, percentile

__all__ = ["burst", "idle", "remote", "steady"]


async def burst(client: LoadClient, pids: list[int], streams: int, deltas: int) -> Values:
    """Start all streams at once, without pauses; check every stream in full afterwards."""
    connections = [await client.connect() for _ in range(streams)]
    cpu, started_at = cpu_seconds(pids), monotonic_us()
    for connection in connections:
        connection.send(client.chat_request(StreamSpec(deltas=deltas)))
    await asyncio.wait([connection.end for connection in connections], timeout=300)
    seconds, cpu = (monotonic_us() - started_at) / 1e6, cpu_seconds(pids) - cpu
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


async def steady(client: LoadClient, pids: list[int], streams: int, seconds: float) -> Values:
    """Start all streams at one moment, with a delta each DELTA_INTERVAL, for some seconds."""
    rss_before = rss_bytes(pids)
    gate, deltas = monotonic_us(), round(seconds / DELTA_INTERVAL)
    spec = StreamSpec(initial_deltas=1, deltas=deltas, paced=1, gate=gate)
    connections = await client.open_streams(streams, spec, timed=True)
    await asyncio.sleep(0.5)
    initial = sum(connection.deltas for connection in connections)
    for connection in connections:
        connection.latencies.clear()
    cpu_before, cpu_wait_before = cpu_seconds(pids), cpu_wait_seconds(pids)
    client_before = resource.getrusage(resource.RUSAGE_SELF)
    started_at = time.monotonic()
    await client.request_provider("POST", f"/open/{gate}")
    await asyncio.sleep(seconds)
    elapsed, cpu = time.monotonic() - started_at, cpu_seconds(pids) - cpu_before
    cpu_wait = cpu_wait_seconds(pids) - cpu_wait_before
    client_after = resource.getrusage(resource.RUSAGE_SELF)
    rss = rss_bytes(pids)
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
        "p50_ms": percentile(latencies, 50),
        "p99_ms": percentile(latencies, 99),
        "delivered_percent": received / (streams * deltas) * 100,
        "missing": streams * deltas - received,
        "dropped": sum(not connection.deltas for connection in connections),
        "cpu_percent": cpu / elapsed * 100,
        "cpu_wait_percent": cpu_wait / elapsed * 100,
        "cpu_us_per_delta": cpu / max(received, 1) * 1e6,
        "rss_kib_per_stream": (rss - rss_before) / streams / 1024,
        "peak_rss_mib": peak_rss_bytes(pids) / 2**20,
        "client_cpu_percent": client_cpu / elapsed * 100,
    }


async def remote(client: LoadClient, pids: list[int], streams: int, seconds: float) -> Values:
    """Post to one server, and read each stream at a second one that shares its chats."""
    gate, deltas = monotonic_us(), round(seconds / DELTA_INTERVAL)
    spec = StreamSpec(initial_deltas=1, deltas=deltas, paced=1, gate=gate)
    readers: list[ChatConnection] = []
    for _ in range(streams):
        chat = client.new_id()
        writer = await client.connect()
        writer.send(client.chat_request(spec, chat=chat), timed=True)
        await writer.first_delta
        reader = await client.connect(second=True)
        reader.send(client.resume_request(chat), timed=True)
        await asyncio.wait([reader.first_delta], timeout=20)
        readers.append(reader)
    initial = sum(reader.deltas for reader in readers)
    for reader in readers:
        reader.latencies.clear()
    cpu = cpu_seconds(pids)
    await client.request_provider("POST", f"/open/{gate}")
    await asyncio.sleep(seconds)
    cpu = cpu_seconds(pids) - cpu
    await asyncio.wait([reader.end for reader in readers], timeout=2)
    received = sum(reader.deltas for reader in readers) - initial
    latencies = [value / 1000 for reader in readers for value in reader.latencies]
    return {
        "p50_ms": percentile(latencies, 50),
        "p99_ms": percentile(latencies, 99),
        "missing": streams * deltas - received,
        "cpu_us_per_delta": cpu / max(received, 1) * 1e6,
    }


async def idle(client: LoadClient, pids: list[int], streams: int, settle_seconds: float) -> Values:
    """Hold streams open while the provider pauses in the middle of each response."""
    rss_before = rss_bytes(pids)
    spec = StreamSpec(initial_deltas=1, deltas=1, gate=monotonic_us())
    connections = await client.open_streams(streams, spec, timed=False)
    await asyncio.sleep(settle_seconds)
    cpu, started_at = cpu_seconds(pids), time.monotonic()
    await asyncio.sleep(2)
    return {
        "rss_kib_per_stream": (rss_bytes(pids) - rss_before) / streams / 1024,
        "rss_before_mib": rss_before / 2**20,
        "cpu_percent": (cpu_seconds(pids) - cpu) / (time.monotonic() - started_at) * 100,
        "dropped": sum(not connection.deltas or connection.is_lost for connection in connections),
    }
