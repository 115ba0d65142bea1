"""The database behind a store, and its short transactions."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from usechat_server.aio import PerLoop
from usechat_server.errors import StoreUnavailable
from usechat_server.store.database_errors import DataRefused, classify, describe
from usechat_server.store.database_url import DatabaseURL, parse_url
from usechat_server.store.postgres import PostgresConnections
from usechat_server.store.sqlite import SqliteConnections
from usechat_server.telemetry.storage import measured, operation_name

__all__ = ["Database"]

logger: logging.Logger = logging.getLogger("usechat.chats")

Result = TypeVar("Result")
#: The statements of one transaction. It reads results to their end, and waits for nothing but the
#: database. It may run in another thread than its caller.
Transaction = Callable[[Connection], Result]

#: Seconds that a transaction may take. On SQLite, all other writers wait for it.
TRANSACTION_SECONDS = 30.0


class Connections(Protocol):
    """The connections of one event loop."""

    async def run(
        self,
        transaction: Transaction[Result],
        *,
        write: bool,
        prepare: Callable[[], int],
        seconds: float | None,
    ) -> Result:
        """Run a transaction to its end, also if the caller is cancelled. See `Database`."""
        ...

    async def aclose(self) -> None:
        """Close them."""
        ...


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
        self._system = "sqlite" if self.is_file else "postgresql"
        self._connections: PerLoop[Connections] = PerLoop(partial(_connect, self._url))

    def __str__(self) -> str:
        return self._url.label

    async def read(self, transaction: Transaction[Result]) -> Result:
        """Run a transaction that only reads, and return its result.

        Raises:
            StoreUnavailable: The database cannot be reached.
            DataRefused: It does not take a value.
        """
        return await self._run(transaction, write=False)

    async def write(
        self,
        transaction: Transaction[Result],
        *,
        prepare: Callable[[], int] = int,
        seconds: float | None = TRANSACTION_SECONDS,
    ) -> Result:
        """Run a transaction that writes, commit it, and return its result.

        To avoid deadlocks, a transaction locks the row of its chat before anything else.

        Args:
            transaction: Its statements.
            prepare: Called before it, when others do not have to wait yet. Returns the bytes of
                the messages that it stores.
            seconds: The longest that it may take; None for no limit.

        Raises:
            StoreUnavailable: The database cannot be reached, or its disk is almost full. If the
                connection was lost during the commit, all of it may have been written; otherwise
                nothing was.
            DataRefused: It does not take a value; nothing was written.
        """
        return await self._run(transaction, write=True, prepare=prepare, seconds=seconds)

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        if connections := self._connections.pop():
            await connections.aclose()

    async def _run(
        self,
        transaction: Transaction[Result],
        *,
        write: bool,
        prepare: Callable[[], int] = int,
        seconds: float | None = TRANSACTION_SECONDS,
    ) -> Result:
        connections = self._connections.get()
        try:
            work = connections.run(transaction, write=write, prepare=prepare, seconds=seconds)
            return await measured(self._system, operation_name(transaction), work)
        except Exception as error:
            meaning = classify(error, str(self))
            if isinstance(meaning, StoreUnavailable):
                logger.warning("store unavailable: %s: %s", self, describe(error))
            elif isinstance(meaning, DataRefused):
                logger.error("a value was refused: %s: %s", self, describe(error))
            if meaning is error:
                raise
            raise meaning from error


def _connect(url: DatabaseURL) -> Connections:
    if url.file is None:
        return PostgresConnections(url.address)
    return SqliteConnections(url.address, url.file)
