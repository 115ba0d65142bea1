"""The database behind a store: its URL, its connections, and its short transactions."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, event, exc, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from usechat_server.aio import PerLoop
from usechat_server.errors import StoreUnavailable

__all__ = ["Database"]

logger: logging.Logger = logging.getLogger("usechat.chats")

Result = TypeVar("Result")
#: The statements of one transaction. It must await nothing but the database.
Transaction = Callable[[AsyncConnection], Awaitable[Result]]

#: Seconds that a transaction waits for another writer (SQLite has one at a time) or a connection.
BUSY_SECONDS = 10.0
#: Seconds that a statement may take on PostgreSQL.
STATEMENT_SECONDS = 30.0

_EXPECTED = (
    "expected sqlite:///chats.db (a file; four slashes before an absolute path) "
    "or postgresql://user:password@host/database"
)
#: Errors of a statement, not of the database: bugs, or conflicts that the caller handles.
_STATEMENT_ERRORS = (exc.IntegrityError, exc.ProgrammingError, exc.DataError, exc.NotSupportedError)


class Database:
    """A SQLite or PostgreSQL database. Connections are opened on first use, per event loop.

    Args:
        url: `sqlite:///chats.db` or `postgresql://user:password@host/database`.

    Raises:
        ValueError: The URL is neither, the file's folder does not exist, or PostgreSQL's driver is
            not installed.
    """

    def __init__(self, url: str) -> None:
        self.url: URL = _parse_url(url)
        self.is_file: bool = self.url.get_backend_name() == "sqlite"
        if self.is_file:
            _require_folder(Path(self.url.database or "").absolute().parent)
        else:
            _require_asyncpg()
        self._engines = PerLoop(self._create_engine)
        self._write_locks = PerLoop(asyncio.Lock)

    def __str__(self) -> str:
        name = self.url.get_backend_name()
        return self.url.set(drivername=name).render_as_string(hide_password=True)

    async def read(self, transaction: Transaction[Result]) -> Result:
        """Run a transaction that only reads, and return its result.

        Raises:
            StoreUnavailable: The database cannot be reached.
        """
        return await self._run_shielded(transaction, write=False)

    async def write(self, transaction: Transaction[Result]) -> Result:
        """Run a transaction that writes, commit it, and return its result.

        To avoid deadlocks, a transaction locks the row of its chat before anything else.

        Raises:
            StoreUnavailable: The database cannot be reached. If the connection was lost during the
                commit, all of it may have been written; otherwise nothing was.
        """
        return await self._run_shielded(transaction, write=True)

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        if engine := self._engines.pop():
            await engine.dispose()

    async def _run_shielded(self, transaction: Transaction[Result], *, write: bool) -> Result:
        """Run a transaction to its end even if the caller is cancelled, who gets CancelledError
        after that: a connection that is cut off may keep SQLite's lock for a while."""
        task = asyncio.create_task(self._run(transaction, write=write))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # marks it as retrieved: its caller is gone
            raise

    async def _run(self, transaction: Transaction[Result], *, write: bool) -> Result:
        try:
            async with self._write_turn(write=write), self._engines.get().connect() as connection:
                await connection.execution_options(usechat_write=write)
                async with connection.begin():
                    return await transaction(connection)
        except _STATEMENT_ERRORS:
            raise
        except (exc.SQLAlchemyError, OSError, TimeoutError) as error:
            logger.warning("store unavailable: %s: %s", self, getattr(error, "orig", error))
            raise StoreUnavailable from error

    @asynccontextmanager
    async def _write_turn(self, *, write: bool) -> AsyncIterator[None]:
        """Let writers of a SQLite file in one at a time, in order. SQLite itself is not fair: a
        writer may wait for many seconds while others get the lock."""
        if not (write and self.is_file):
            yield
            return
        lock = self._write_locks.get()
        async with asyncio.timeout(BUSY_SECONDS):
            await lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _create_engine(self) -> AsyncEngine:
        return _sqlite(self.url) if self.is_file else _postgres(self.url)


def _parse_url(text: str) -> URL:
    try:
        url = make_url(text)
    except exc.ArgumentError:
        raise ValueError(f"invalid store URL: {_EXPECTED}") from None
    name = url.drivername
    if name in ("sqlite", "sqlite+aiosqlite"):
        if url.host or url.database in (None, "", ":memory:"):
            raise ValueError(f"the store URL names no file: {_EXPECTED}")
        return url.set(drivername="sqlite+aiosqlite")
    if name in ("postgresql", "postgres", "postgresql+asyncpg"):
        return url.set(drivername="postgresql")
    raise ValueError(f"unsupported database {name!r}: {_EXPECTED}")


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ValueError(f"the store's folder does not exist: {folder}")


def _require_asyncpg() -> None:
    if find_spec("asyncpg") is None:
        raise ValueError("PostgreSQL requires a driver: pip install 'usechat-server[postgres]'")


def _postgres(url: URL) -> AsyncEngine:
    import asyncpg  # type: ignore[import-untyped]

    # The driver parses the URL itself: it knows the usual parameters (sslmode, several hosts).
    connect = partial(
        asyncpg.connect,
        url.render_as_string(hide_password=False),
        timeout=BUSY_SECONDS,
        command_timeout=STATEMENT_SECONDS,
    )
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_pre_ping=True,
        pool_timeout=BUSY_SECONDS,
    )


def _sqlite(url: URL) -> AsyncEngine:
    engine = create_async_engine(url, pool_timeout=BUSY_SECONDS)

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # `begin` below starts transactions
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
        # Readers and the writer do not wait for each other in this mode, which the file keeps. It
        # is refused at once while other processes open a new file; they set it too.
        with suppress(sqlite3.OperationalError):
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads before it writes would fail at once beside another writer.
        immediate = connection.get_execution_options().get("usechat_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
