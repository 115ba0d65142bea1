"""Database URLs: which are supported, and the engine that each one gives."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, exc, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

__all__ = ["BUSY_SECONDS", "create_engine", "is_file", "parse_url"]

#: Seconds that a transaction waits for another writer (SQLite has one at a time) or a connection.
BUSY_SECONDS = 10.0


#: Seconds that a statement may take on PostgreSQL.
STATEMENT_SECONDS = 30.0


_EXPECTED = (
    "expected sqlite:///chats.db (a file; four slashes before an absolute path) "
    "or postgresql://user:password@host/database"
)


def parse_url(text: str) -> URL:
    """Return the URL of a store.

    Raises:
        ValueError: It names neither a SQLite file in an existing folder nor a PostgreSQL database,
            or PostgreSQL's driver is not installed.
    """
    try:
        url = make_url(text)
    except exc.ArgumentError:
        raise ValueError(f"invalid store URL: {_EXPECTED}") from None
    name = url.drivername
    if name in ("sqlite", "sqlite+aiosqlite"):
        if url.host or url.database in (None, "", ":memory:"):
            raise ValueError(f"the store URL names no file: {_EXPECTED}")
        _require_folder(Path(url.database or "").absolute().parent)
        return url.set(drivername="sqlite+aiosqlite")
    if name in ("postgresql", "postgres", "postgresql+asyncpg"):
        _require_asyncpg()
        return url.set(drivername="postgresql")
    raise ValueError(f"unsupported database {name!r}: {_EXPECTED}")


def is_file(url: URL) -> bool:
    """Whether the database is a SQLite file."""
    return url.get_backend_name() == "sqlite"


def create_engine(url: URL) -> AsyncEngine:
    """Return an engine for a URL of `parse_url`. It connects on first use."""
    return _sqlite(url) if is_file(url) else _postgres(url)


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
