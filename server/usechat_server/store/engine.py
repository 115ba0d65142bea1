"""The engine of a database: its driver, and how each connection is set up."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from usechat_server.store.database_errors import DataRefused, is_standby
from usechat_server.store.database_url import DatabaseURL

__all__ = ["BUSY_SECONDS", "create_engine"]

#: Seconds that a transaction waits for another writer (SQLite has one at a time) or a connection.
BUSY_SECONDS = 10.0

#: Unless the URL says otherwise: notice within seconds that a host is gone, also while no statement
#: runs, so that no request waits for a connection that a firewall has forgotten.
_CONNECTION = {
    "connect_timeout": int(BUSY_SECONDS),
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": int(BUSY_SECONDS * 1000),
}


def create_engine(url: DatabaseURL) -> AsyncEngine:
    """Return an engine, which connects on first use."""
    engine = _postgres(url) if url.file is None else _sqlite(url)
    event.listen(engine.sync_engine, "handle_error", _on_error)
    event.listen(engine.sync_engine, "before_cursor_execute", _check_deadline)
    return engine


def _check_deadline(connection: Connection, *_: object) -> None:
    """End a transaction that takes too long before its next statement."""
    deadline = connection.get_execution_options().get("usechat_deadline")
    if deadline is not None and monotonic() > deadline:
        raise TimeoutError("the transaction took too long")


def _on_error(context: ExceptionContext) -> Exception | None:
    error = context.original_exception
    if isinstance(error, OverflowError | ValueError):
        # Drivers raise them, unwrapped, for values that they cannot send.
        return DataRefused(str(error))
    if is_standby(error):
        context.is_disconnect = True  # connect again: another server is the primary now
    return None


def _postgres(url: DatabaseURL) -> AsyncEngine:
    from psycopg import AsyncConnection
    from psycopg.conninfo import conninfo_to_dict

    parameters: dict[str, Any] = {**_CONNECTION, **conninfo_to_dict(url.address)}
    # Without prepared statements, which PgBouncer's transaction mode may run on another connection.
    connect = partial(AsyncConnection.connect, **parameters, prepare_threshold=None)
    return create_async_engine(
        "postgresql+psycopg://",
        async_creator=connect,
        pool_pre_ping=True,
        pool_timeout=BUSY_SECONDS,
        use_native_hstore=False,  # no query for a type that is not used
    )


def _sqlite(url: DatabaseURL) -> AsyncEngine:
    engine = create_async_engine(url.address, pool_timeout=BUSY_SECONDS)

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
        match connection.get_execution_options().get("usechat_write", False):
            case True:
                # It would fail at once beside another writer if it reads before it writes.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            case False:
                connection.exec_driver_sql("BEGIN")

    return engine
