"""Time the statements of one turn on PostgreSQL with two drivers: python bench/drivers.py

A turn is what the store does for one: read the history, begin, two checkpoints, finish. The rows
`psycopg` are the engine of the store; `asyncpg` runs if it is installed. The server is started for
this, on a socket.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, process_time

import uvloop
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from ui_message_stream.messages import UIMessage
from usechat_server.store import postgres
from usechat_server.store.postgres import create_engine
from usechat_server.store.sql import SqlChatStore

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.harness.postgres import postgres_server
from tests.harness.stores import (
    assistant_message,
    begin_turn,
    checkpoint,
    open_store,
    user_message,
)

_TEXT = {"type": "text", "text": "word " * 400}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=300, help="turns of each measurement")
    parser.add_argument("--repeat", type=int, default=3, help="measurements of each row")
    options = parser.parse_args()
    drivers: dict[str, Callable[[str], AsyncEngine]] = {"psycopg": create_engine}
    if find_spec("asyncpg"):
        drivers["asyncpg"] = _asyncpg_engine
    print(f"{'driver':10} {'at once':>7} {'p50 ms':>8} {'p95 ms':>8} {'CPU ms':>7} {'turns/s':>8}")
    with postgres_server() as server:
        url = server.database()
        for number in range(options.repeat):
            for name, create in drivers.items():
                postgres.create_engine = create
                for concurrency in (1, 50):
                    prefix = f"{name}-{concurrency}-{number}"
                    row = uvloop.run(_measure(url, options.turns, concurrency, prefix))
                    print(f"{name:10} {concurrency:7} {row}", flush=True)


def _asyncpg_engine(address: str) -> AsyncEngine:
    import asyncpg
    from psycopg.conninfo import conninfo_to_dict

    parameters = conninfo_to_dict(address)
    connect = partial(
        asyncpg.connect,
        user=parameters["user"],
        database=parameters["dbname"],
        host=parameters["host"],
    )
    return create_async_engine("postgresql+asyncpg://", async_creator=connect, pool_pre_ping=True)


async def _measure(url: str, turns: int, concurrency: int, prefix: str) -> str:
    seconds: list[float] = []

    async def run_turns(store: SqlChatStore, chat_prefix: str, count: int) -> None:
        for number in range(count):
            start = perf_counter()
            await _turn(store, f"{chat_prefix}-{number}")
            seconds.append(perf_counter() - start)

    async with open_store(url) as store:
        await run_turns(store, f"{prefix}-warm", 5)
        seconds.clear()
        cpu, start = process_time(), perf_counter()
        await asyncio.gather(
            *(run_turns(store, f"{prefix}-{n}", turns // concurrency) for n in range(concurrency))
        )
        cpu, wall = process_time() - cpu, perf_counter() - start
    p50, p95 = median(seconds) * 1e3, quantiles(seconds, n=20)[-1] * 1e3
    cpu_per_turn, per_second = cpu / len(seconds) * 1e3, len(seconds) / wall
    return f"{p50:8.1f} {p95:8.1f} {cpu_per_turn:7.2f} {per_second:8.1f}"


async def _turn(store: SqlChatStore, chat_id: str) -> None:
    turn = await begin_turn(store, chat_id, chat_id=chat_id, message=user_message("u1"))
    message = UIMessage.from_object(assistant_message(turn.message_id, _TEXT))
    for _ in range(2):
        await checkpoint(store, message, run_id=chat_id)
    await store.finish(turn, message, "finished", (), run_id=chat_id)


if __name__ == "__main__":
    main()
