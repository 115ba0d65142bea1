"""The database behind a store: its connections and its short transactions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from usechat_server.aio import PerLoop
from usechat_server.errors import StoreUnavailable
from usechat_server.store.database_errors import DataRefused, classify, describe
from usechat_server.store.database_url import DatabaseURL, parse_url
from usechat_server.store.disk_space import check_space, has_ample_space
from usechat_server.store.engine import BUSY_SECONDS, create_engine
from usechat_server.telemetry.storage import measured, operation_name

__all__ = ["Database"]

logger: logging.Logger = logging.getLogger("usechat.chats")

Result = TypeVar("Result")
#: The statements of one transaction. It must await nothing but the database.
Transaction = Callable[[AsyncConnection], Awaitable[Result]]

#: Seconds that a transaction may take. On SQLite, all other writers wait for it.
TRANSACTION_SECONDS = 30.0


class Database:
    """A SQLite or PostgreSQL database. Connections are opened on first use, per event loop.

    Args:
        url: `sqlite:///chats.db` or `postgresql://user:password@host/database`.

    Raises:
        ValueError: The URL is neither, the file's folder does not exist, or PostgreSQL's driver is
            not installed.
    """

    def __init__(self, url: str) -> None:
        self._url: DatabaseURL = parse_url(url)
        self.is_file: bool = self._url.file is not None
        self._engines = PerLoop(lambda: create_engine(self._url))
        self._write_locks = PerLoop(asyncio.Lock)

    def __str__(self) -> str:
        return self._url.label

    async def read(self, transaction: Transaction[Result]) -> Result:
        """Run a transaction that only reads, and return its result.

        Raises:
            StoreUnavailable: The database cannot be reached.
            DataRefused: It does not take a value.
        """
        return await self._run_shielded(self._measured(transaction, self._run(transaction)))

    async def write(
        self,
        transaction: Transaction[Result],
        *,
        adds: Callable[[], int] = int,
        seconds: float | None = TRANSACTION_SECONDS,
    ) -> Result:
        """Run a transaction that writes, commit it, and return its result.

        To avoid deadlocks, a transaction locks the row of its chat before anything else.

        Args:
            transaction: Its statements.
            adds: Returns the bytes of the messages that it stores. Called only if the disk of a
                file has not much room.
            seconds: The longest that it may take; None for no limit.

        Raises:
            StoreUnavailable: The database cannot be reached, or its disk is almost full. If the
                connection was lost during the commit, all of it may have been written; otherwise
                nothing was.
            DataRefused: It does not take a value; nothing was written.
        """
        file = self._url.file
        if file is not None and not has_ample_space(file):
            check = partial(check_space, file=file, size=adds())
            await self._run_shielded(self._run(check, write=None))
        work = self._run(transaction, write=True, seconds=seconds)
        return await self._run_shielded(self._measured(transaction, work))

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        if engine := self._engines.pop():
            await engine.dispose()

    def _measured(
        self, transaction: Transaction[Result], work: Coroutine[Any, Any, Result]
    ) -> Coroutine[Any, Any, Result]:
        system = "sqlite" if self.is_file else "postgresql"
        return measured(system, operation_name(transaction), work)

    async def _run_shielded(self, transaction: Coroutine[Any, Any, Result]) -> Result:
        """Run a transaction to its end even if the caller is cancelled, who gets CancelledError
        after that: a connection that is cut off may keep SQLite's lock for a while."""
        task = asyncio.create_task(transaction)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # marks it as retrieved: its caller is gone
            raise

    async def _run(
        self,
        transaction: Transaction[Result],
        *,
        write: bool | None = False,
        seconds: float | None = TRANSACTION_SECONDS,
    ) -> Result:
        """`write=None`: the only writer, but not in a transaction."""
        # A statement of SQLite is not cancelled: its connection would keep the lock of the file.
        limit = None if self.is_file else seconds
        try:
            async with (
                self._write_turn(write=write is not False),
                asyncio.timeout(limit),
                self._engines.get().connect() as connection,
            ):
                deadline = None if seconds is None else monotonic() + seconds
                options = {"usechat_write": write, "usechat_deadline": deadline}
                await connection.execution_options(**options)
                async with connection.begin():
                    return await transaction(connection)
        except Exception as error:
            meaning = classify(error, str(self))
            if isinstance(meaning, StoreUnavailable):
                logger.warning("store unavailable: %s: %s", self, describe(error))
            elif isinstance(meaning, DataRefused):
                logger.error("a value was refused: %s: %s", self, describe(error))
            if meaning is error:
                raise
            raise meaning from error

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
