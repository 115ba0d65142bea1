"""The database behind a store: its connections and its short transactions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from sqlalchemy import URL, exc
from sqlalchemy.ext.asyncio import AsyncConnection

from usechat_server.aio import PerLoop
from usechat_server.errors import StoreUnavailable
from usechat_server.store.database_url import BUSY_SECONDS, create_engine, is_file, parse_url

__all__ = ["Database"]

logger: logging.Logger = logging.getLogger("usechat.chats")

Result = TypeVar("Result")
#: The statements of one transaction. It must await nothing but the database.
Transaction = Callable[[AsyncConnection], Awaitable[Result]]


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
        self.url: URL = parse_url(url)
        self.is_file: bool = is_file(self.url)
        self._engines = PerLoop(lambda: create_engine(self.url))
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
