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
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Connection, event, exc, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from usechat_server.errors import StoreUnavailable

__all__ = ["Database"]

logger = logging.getLogger("usechat.chats")

Found = TypeVar("Found")
#: What is done within one transaction. It waits for nothing but the database.
Work = Callable[[AsyncConnection], Awaitable[Found]]

#: Seconds that a writer waits for another one (SQLite has one at a time), or for a connection.
BUSY_SECONDS = 10.0
#: Seconds that a statement may take on PostgreSQL.
STATEMENT_SECONDS = 30.0

_EXPECTED = (
    "expected sqlite:///chats.db (a file; four slashes before an absolute path) "
    "or postgresql://user:password@host/database"
)
#: What the database says of a statement, and not of itself: these are errors of ours.
_OURS = (exc.IntegrityError, exc.ProgrammingError, exc.DataError, exc.NotSupportedError)


class Database:
    """SQLite or PostgreSQL by URL; nothing is opened before it is used.

    Raises ValueError for a URL of neither, for a file in a folder that is not there, or if
    PostgreSQL's driver is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = _parsed(url)
        self.is_file = self.url.get_backend_name() == "sqlite"
        if self.is_file:
            _need_folder(Path(self.url.database or "").absolute().parent)
        else:
            _need_asyncpg()
        self._engines: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncEngine] = (
            WeakKeyDictionary()
        )
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = (
            WeakKeyDictionary()
        )

    def __str__(self) -> str:
        name = self.url.get_backend_name()
        return self.url.set(drivername=name).render_as_string(hide_password=True)

    async def read(self, work: Work[Found]) -> Found:
        """What `work` finds, in one transaction that only reads. Raises StoreUnavailable."""
        return await self._whole(work, write=False)

    async def write(self, work: Work[Found]) -> Found:
        """What `work` says of what it wrote: all of it is committed, or nothing. Raises
        StoreUnavailable.

        It locks the row of its chat before anything else, so that no two wait for each other.
        """
        return await self._whole(work, write=True)

    async def aclose(self) -> None:
        """Closes the connections of the running event loop."""
        if engine := self._engines.pop(asyncio.get_running_loop(), None):
            await engine.dispose()

    async def _whole(self, work: Work[Found], *, write: bool) -> Found:
        """A transaction that goes through also if its caller is cancelled, who hears of it then: a
        connection that is cut off may keep SQLite's lock until it is found to be gone."""
        transaction = asyncio.create_task(self._transaction(work, write=write))
        try:
            return await asyncio.shield(transaction)
        except asyncio.CancelledError:
            await asyncio.wait([transaction])
            if not transaction.cancelled():
                transaction.exception()  # nobody is left to hear of that
            raise

    async def _transaction(self, work: Work[Found], *, write: bool) -> Found:
        try:
            async with self._in_line(write=write), self._engine().connect() as connection:
                await connection.execution_options(usechat_write=write)
                async with connection.begin():
                    return await work(connection)
        except _OURS:
            raise
        except (exc.SQLAlchemyError, OSError, TimeoutError) as error:
            logger.warning("%s cannot be used: %s", self, getattr(error, "orig", error))
            raise StoreUnavailable from error

    @asynccontextmanager
    async def _in_line(self, *, write: bool) -> AsyncIterator[None]:
        """One writer after another, where SQLite would let the luckiest go first."""
        if not (write and self.is_file):
            yield
            return
        queue = self._queues.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with asyncio.timeout(BUSY_SECONDS):
            await queue.acquire()
        try:
            yield
        finally:
            queue.release()

    def _engine(self) -> AsyncEngine:
        loop = asyncio.get_running_loop()
        if (engine := self._engines.get(loop)) is None:
            engine = self._engines[loop] = (
                _sqlite(self.url) if self.is_file else _postgres(self.url)
            )
        return engine


def _parsed(text: str) -> URL:
    try:
        url = make_url(text)
    except exc.ArgumentError:
        raise ValueError(f"the store is no URL: {_EXPECTED}") from None
    name = url.drivername
    if name in ("sqlite", "sqlite+aiosqlite"):
        if url.host or url.database in (None, "", ":memory:"):
            raise ValueError(f"the store names no file: {_EXPECTED}")
        return url.set(drivername="sqlite+aiosqlite")
    if name in ("postgresql", "postgres", "postgresql+asyncpg"):
        return url.set(drivername="postgresql")
    raise ValueError(f"a store cannot be at {name!r}: {_EXPECTED}")


def _need_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ValueError(f"the store's folder does not exist: {folder}")


def _need_asyncpg() -> None:
    if find_spec("asyncpg") is None:
        raise ValueError("PostgreSQL needs its driver: pip install 'usechat-server[postgres]'")


def _postgres(url: URL) -> AsyncEngine:
    import asyncpg  # type: ignore[import-untyped]

    # By the driver itself, which knows what such URLs hold everywhere (sslmode, several hosts).
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
        connection.isolation_level = None  # transactions begin as `begin` says
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
        # So that readers and the writer do not wait. The file keeps it. While others begin to use a
        # new file it is refused, at once; they ask for it too.
        with suppress(sqlite3.OperationalError):
            cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes then would fail at once beside another writer.
        immediate = connection.get_execution_options().get("usechat_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
