"""Measurements of turns: the time to the first token, and what a turn costs."""

from __future__ import annotations

import asyncio
import time

from delta_text import DELTA_BYTES, monotonic_us
from load_client import ChatConnection, LoadClient, message
from process_usage import cpu_seconds
from stream_spec import StreamSpec
from values import Values, percentile

__all__ = ["disconnect", "first_token", "history", "long_chat", "tool_input", "turns"]

#: A short response, complete in one write of the provider.
_SHORT = StreamSpec(deltas=20)


async def first_token(client: LoadClient, pids: list[int], requests: int) -> Values:
    """Send one request after the other on one connection; time each until its first delta."""
    connection = await client.connect()
    times, cpu = [], cpu_seconds(pids)
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
        "p50_ms": percentile(times, 50),
        "p99_ms": percentile(times, 99),
        "cpu_ms_per_request": (cpu_seconds(pids) - cpu) / requests * 1000,
        "errors": requests - len(times),
    }


async def turns(client: LoadClient, pids: list[int], concurrency: int, seconds: float) -> Values:
    """Send short turns, each in a chat of its own, on so many connections at once."""
    times: list[float] = []
    errors, started_at, cpu = 0, time.monotonic(), cpu_seconds(pids)

    async def work() -> None:
        nonlocal errors
        connection = await client.connect()
        while time.monotonic() < started_at + seconds:
            seconds_to_first = await _time_turn(connection, client.chat_request(_SHORT))
            if seconds_to_first is None:
                errors += 1
                connection = await client.connect()
            else:
                times.append(seconds_to_first)

    await asyncio.gather(*(work() for _ in range(concurrency)))
    elapsed, cpu = time.monotonic() - started_at, cpu_seconds(pids) - cpu
    return {
        "turns_per_s": len(times) / elapsed,
        "p50_ms": percentile(times, 50),
        "p99_ms": percentile(times, 99),
        "cpu_ms_per_turn": cpu / max(len(times), 1) * 1000,
        "errors": errors,
    }


async def long_chat(client: LoadClient, pids: list[int], length: int) -> Values:
    """Send turn after turn in a stored chat: its first turns, in several chats, and its last."""
    connection = await client.connect()

    async def time_turn(chat: int) -> float:
        first_token = await _time_turn(connection, client.chat_request(_SHORT, chat=chat))
        if first_token is None:
            raise SystemExit("a turn of the long chat was refused")
        return first_token

    firsts = [await time_turn(client.new_id()) for _ in range(20)]
    chat = client.new_id()
    times = [await time_turn(chat) for _ in range(length)]
    first, last = percentile(firsts, 50), percentile(times[-20:], 50)
    return {"first_ms": first, "last_ms": last, "growth": last / first if first and last else None}


async def history(client: LoadClient, pids: list[int], messages: int, size: int) -> Values:
    """Send requests with a long history, which no store has."""
    text = "word " * (size // messages // 5)
    roles = ("user", "assistant")
    earlier = [message(number, text, role=roles[number % 2]) for number in range(messages)]
    connection, times = await client.connect(), []
    for _ in range(30):
        request = client.chat_request(_SHORT, history=earlier)
        first_token = await _time_turn(connection, request)
        if first_token is not None:
            times.append(first_token)
    return {"p50_ms": percentile(times, 50), "errors": 30 - len(times)}


async def tool_input(
    client: LoadClient, pids: list[int], json_type: str, size: int, repeat: int
) -> Values:
    """Stream a tool call whose input arrives in small pieces; time it until the end."""
    times, cpu_times, errors = [], [], 0
    deltas = size // DELTA_BYTES
    for _ in range(repeat):
        connection = await client.connect()
        cpu = cpu_seconds(pids)
        connection.send(client.chat_request(StreamSpec(kind=json_type, deltas=deltas)))
        is_complete = await asyncio.wait_for(connection.end, 120)
        times.append((monotonic_us() - connection.sent_at) / 1000)
        cpu_times.append((cpu_seconds(pids) - cpu) * 1000)
        # Everything arrives twice: as deltas, and as the whole input.
        errors += not is_complete or connection.deltas != 2 * deltas
        connection.transport.close()
    return {
        "ms": percentile(times, 50),
        "cpu_ms": percentile(cpu_times, 50),
        # The run that other jobs disturbed least: for comparing two sizes.
        "min_cpu_ms": min(cpu_times),
        "errors": errors,
    }


async def disconnect(client: LoadClient, pids: list[int], repeat: int, stop: bool) -> Values:
    """Leave after ten deltas; time the server until it closes the provider's connection.

    The client hangs up or, with `stop`, calls the stop route.

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
        connection, chat = await client.connect(), client.new_id() if stop else None
        stopper = await client.connect()
        connection.send(client.chat_request(spec, chat=chat))
        await connection.first_delta
        await asyncio.sleep(0.05)
        closed_at = asyncio.create_task(client.request_provider("GET", f"/closed/{stream_id}"))
        left_at = monotonic_us()
        if chat is None:
            connection.transport.abort()
        else:
            stopper.send(client.stop_request(chat))
        try:
            times.append((int(await asyncio.wait_for(closed_at, 5)) - left_at) / 1000)
        except TimeoutError:
            never_closed += 1
    return {
        "p50_ms": percentile(times, 50),
        "max_ms": max(times, default=None),
        "never_closed": never_closed,
    }


async def _time_turn(connection: ChatConnection, request: bytes) -> float | None:
    """Send a request, wait for its end, and return the milliseconds to its first delta; None: there
    was none, or the response was not complete."""
    connection.send(request)
    is_complete = await asyncio.wait_for(connection.end, 30)
    if not is_complete or not connection.first_delta_at:
        return None
    return (connection.first_delta_at - connection.sent_at) / 1000
