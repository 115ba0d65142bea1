"""The connections to a SQLite file: one that writes, and some that read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine import ExceptionContext

from usechat_server.store.database_errors import DataRefused
from usechat_server.store.disk_space import check_space
from usechat_server.store.workers import Job, Workers

__all__ = ["SqliteConnections"]

Result = TypeVar("Result")

#: Seconds that a transaction waits for another writer: SQLite has one at a time.
_BUSY_SECONDS = 10.0
#: Threads that read.
_READERS = 4
#: The most jobs that share a commit.
_BATCH = 32
#: what `Connection.info` has of the transaction that is under way
_DEADLINE = "usechat_deadline"


class SqliteConnections:
    """The connections of one event loop to a SQLite file.

    All writers of the loop use one connection, in order. SQLite itself is not fair: a writer may
    wait for many seconds while others get the lock.
    """

    def __init__(self, address: str, file: Path) -> None:
        self._file = file
        writes, reads = _engine(address, "BEGIN IMMEDIATE"), _engine(address, "BEGIN")
        self._writer = Workers(
            writes.connect, _run_jobs, most=1, batch=_BATCH, max_wait=_BUSY_SECONDS
        )
        self._readers = Workers(
            reads.connect, _run_jobs, most=_READERS, batch=1, max_wait=_BUSY_SECONDS
        )

    async def run(
        self,
        transaction: Callable[[Connection], Result],
        *,
        write: bool,
        prepare: Callable[[], int],
        seconds: float | None,
    ) -> Result:
        """Run a transaction in a thread. See `Database`."""

        def before(connection: Connection) -> None:
            if write:
                check_space(connection, self._file, prepare())

        def work(connection: Connection) -> Result:
            connection.info[_DEADLINE] = None if seconds is None else monotonic() + seconds
            return transaction(connection)

        workers = self._writer if write else self._readers
        # What may take as long as it likes keeps no others waiting for their commit.
        result: Result = await workers.run(Job(before, work, is_alone=seconds is None))
        return result

    async def aclose(self) -> None:
        """Close the connections."""
        await self._writer.aclose()
        await self._readers.aclose()


def _run_jobs(connection: Connection, jobs: Sequence[Job]) -> None:
    """Run jobs that wait at the same time in one transaction: to commit costs more than most of
    them. One that fails undoes what it wrote, and only that. The callers hear of all of them after
    the commit."""
    ready = []
    for job in jobs:
        try:
            job.prepare(connection)
        except BaseException as error:
            job.error = error
        else:
            ready.append(job)
    for is_alone, group in groupby(ready, lambda job: job.is_alone):
        for together in [[job] for job in group] if is_alone else [list(group)]:
            _run_group(connection, together)


def _run_group(connection: Connection, jobs: Sequence[Job]) -> None:
    try:
        with connection.begin():
            for job in jobs:
                if len(jobs) == 1:
                    job.result = job.transaction(connection)
                else:
                    _run_with_savepoint(connection, job)
    except BaseException as error:
        for job in jobs:
            job.error = job.error or error


def _run_with_savepoint(connection: Connection, job: Job) -> None:
    driver: Any = connection.connection.driver_connection
    driver.execute("SAVEPOINT job")
    try:
        job.result = job.transaction(connection)
    except BaseException as error:
        if not driver.in_transaction:
            raise  # after some errors, SQLite undoes the whole transaction
        job.error = error
        driver.execute("ROLLBACK TO job")
    driver.execute("RELEASE job")


def _engine(address: str, begin: str) -> Engine:
    """Return an engine whose transactions begin with a statement.

    A writer has to say so at once: beside another one, it would fail if it read before it wrote.
    """
    # A connection is used in one thread, but garbage is collected in any.
    arguments = {"check_same_thread": False}
    engine = create_engine(address, poolclass=NullPool, connect_args=arguments)

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin with the statement
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")
        # Readers and the writer do not wait for each other in this mode, which the file keeps. It
        # is refused at once while other processes open a new file; they set it too.
        with suppress(sqlite3.OperationalError):
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.execute(begin)

    event.listen(engine, "before_cursor_execute", _check_deadline)
    event.listen(engine, "handle_error", _on_error)
    return engine


def _check_deadline(connection: Connection, *_: object) -> None:
    """End a transaction that takes too long before its next statement."""
    deadline = connection.info.get(_DEADLINE)
    if deadline is not None and monotonic() > deadline:
        raise TimeoutError("the transaction took too long")


def _on_error(context: ExceptionContext) -> Exception | None:
    error = context.original_exception
    # The driver raises them, unwrapped, for values that it cannot send.
    return DataRefused(str(error)) if isinstance(error, OverflowError | ValueError) else None
