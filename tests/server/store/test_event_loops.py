"""A store and its event loops, each of which may end at any time."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from usechat_server.store.database import Database
from usechat_server.store.sql import SqlChatStore

from tests.harness.stores import begin_turn, open_store, user_message


@pytest.fixture(autouse=True)
def threads_end(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check that the threads of a test end, without an error."""
    before = set(threading.enumerate())
    failures: list[threading.ExceptHookArgs] = []
    hook, threading.excepthook = threading.excepthook, failures.append
    yield
    gc.collect()
    for thread in set(threading.enumerate()) - before:
        thread.join(20)
        assert not thread.is_alive()
    threading.excepthook = hook
    assert failures == []
    assert caplog.messages == []


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_loop_may_end_while_transactions_are_under_way(tmp_path: Path, is_closed: bool) -> None:
    """Such as that of a command that fails: `asyncio.run` cancels what is running."""
    chance = random.Random(1)
    url = f"sqlite:///{tmp_path}/chats.db"

    async def create() -> None:
        async with open_store(url):
            pass

    async def leave(number: int) -> None:
        store = SqlChatStore(url)
        running = [
            asyncio.create_task(begin_turn(store, chat, chat_id=chat, message=user_message("u1")))
            for chat in (f"c{number}.{chat}" for chat in range(3))
        ]
        for _ in range(chance.randrange(60)):
            await asyncio.wait(running, timeout=0)
        if is_closed:
            await store.aclose()

    asyncio.run(create())
    for number in range(15):
        asyncio.run(leave(number))


def test_a_transaction_may_outlive_its_loop(tmp_path: Path) -> None:
    """Its caller was cancelled twice, the second time while it waited for the end."""
    has_begun, may_end = threading.Event(), threading.Event()

    def transaction(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE proof (id INTEGER)"))
        has_begun.set()
        may_end.wait()

    async def leave() -> None:
        task = asyncio.create_task(database.write(transaction))
        await asyncio.to_thread(has_begun.wait)
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
        assert task.cancelled()

    async def look() -> Any:
        # A writer waits for the end of the other.
        return await database.write(lambda there: there.scalar(text("SELECT count(*) FROM proof")))

    database = Database(f"sqlite:///{tmp_path}/chats.db")
    asyncio.run(leave())
    may_end.set()
    assert asyncio.run(look()) == 0


def test_each_loop_may_close_its_connections(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/chats.db")
    has_begun = threading.Barrier(2)

    def transaction(connection: Connection) -> Any:
        return connection.scalar(text("SELECT 1"))

    async def use() -> None:
        for _ in range(3):
            assert await asyncio.gather(*(database.read(transaction) for _ in range(9))) == [1] * 9
            assert await database.write(transaction) == 1
            await database.aclose()

    def run() -> None:
        has_begun.wait()
        asyncio.run(use())

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
