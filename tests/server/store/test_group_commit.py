"""Writers of a SQLite file that wait at the same time: they share a commit, and nothing else."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, exc
from usechat_server.errors import StoreUnavailable
from usechat_server.store.database import Database
from usechat_server.store.database_errors import DataRefused


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/chats.db")
    await database.write(
        lambda connection: connection.exec_driver_sql("CREATE TABLE proof (id INTEGER UNIQUE)")
    )
    yield database
    await database.aclose()


async def stored(database: Database) -> list[int]:
    query = "SELECT id FROM proof ORDER BY id"
    return await database.read(
        lambda connection: [row.id for row in connection.exec_driver_sql(query)]
    )


async def write_together(
    database: Database, transactions: Sequence[Callable[[Connection], Any]]
) -> list[Any]:
    """Run transactions while another one keeps them waiting. Return their results and errors."""
    has_begun, may_end = threading.Event(), threading.Event()

    def first(connection: Connection) -> None:
        has_begun.set()
        may_end.wait()

    running: list[Awaitable[Any]] = [asyncio.ensure_future(database.write(first))]
    await asyncio.to_thread(has_begun.wait)
    running += [asyncio.ensure_future(database.write(each)) for each in transactions]
    await asyncio.sleep(0)
    may_end.set()
    _, *results = await asyncio.gather(*running, return_exceptions=True)
    return results


def add(number: int) -> Callable[[Connection], int]:
    def transaction(connection: Connection) -> int:
        connection.exec_driver_sql("INSERT INTO proof VALUES (?)", (number,))
        return number

    return transaction


def add_and_raise(number: int, error: Exception) -> Callable[[Connection], None]:
    def transaction(connection: Connection) -> None:
        add(number)(connection)
        raise error

    return transaction


def add_and_run(number: int, statement: str) -> Callable[[Connection], None]:
    def transaction(connection: Connection) -> None:
        add(number)(connection)
        connection.exec_driver_sql(statement)

    return transaction


async def test_one_that_fails_undoes_only_itself(database: Database) -> None:
    commits: list[Connection] = []

    def count(connection: Connection) -> None:
        commits.append(connection)

    event.listen(Engine, "commit", count)
    try:
        results = await write_together(
            database,
            [
                add(1),
                add_and_raise(2, ValueError("no")),
                add(3),
                add_and_run(4, "INSERT INTO proof VALUES (1)"),
                add_and_run(5, "SELECT nonsense"),
                add_and_run(6, "SELECT zeroblob(3000000000)"),
                add(7),
            ],
        )
    finally:
        event.remove(Engine, "commit", count)
    errors = (ValueError, exc.IntegrityError, exc.OperationalError, DataRefused)
    one, two, three, four, five, six, seven = results
    assert (one, three, seven) == (1, 3, 7)
    for error, expected in zip((two, four, five, six), errors, strict=True):
        assert isinstance(error, expected)
    assert await stored(database) == [1, 3, 7]
    assert len(commits) == 2
    assert await write_together(database, [add(8), add(9)]) == [8, 9]


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("INSERT OR ROLLBACK INTO proof VALUES (0)", id="undone by SQLite"),
        pytest.param("INSERT INTO child VALUES (99)", id="refused by the commit"),
    ],
)
async def test_none_is_stored_without_a_commit(database: Database, statement: str) -> None:
    for prepared in (
        "INSERT INTO proof VALUES (0)",
        "CREATE TABLE child (id INTEGER REFERENCES proof (id) DEFERRABLE INITIALLY DEFERRED)",
    ):
        await database.write(lambda there, sql=prepared: there.exec_driver_sql(sql))  # type: ignore[misc]
    results = await write_together(database, [add(1), add_and_run(2, statement), add(3)])
    assert all(isinstance(result, exc.DBAPIError) for result in results)
    assert await stored(database) == [0]
    assert await write_together(database, [add(4), add(5)]) == [4, 5]


async def test_a_commit_that_fails_is_an_outage_for_all(database: Database) -> None:
    def fail(connection: Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    event.listen(Engine, "commit", fail)
    try:
        results = await write_together(database, [add(1), add_and_raise(2, ValueError()), add(3)])
    finally:
        event.remove(Engine, "commit", fail)
    assert [type(result) for result in results] == [StoreUnavailable, ValueError, StoreUnavailable]
    assert await stored(database) == []
