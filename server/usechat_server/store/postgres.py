"""The connections to a PostgreSQL database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from usechat_server.store.database_errors import DataRefused, is_standby

__all__ = ["PostgresConnections", "create_engine"]

Result = TypeVar("Result")

#: Seconds that a transaction waits for a connection.
_WAIT_SECONDS = 10.0

#: Unless the URL says otherwise: notice within seconds that a host is gone, also while no statement
#: runs, so that no request waits for a connection that a firewall has forgotten.
_CONNECTION = {
    "connect_timeout": int(_WAIT_SECONDS),
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": int(_WAIT_SECONDS * 1000),
}


class PostgresConnections:
    """The connections of one event loop to a PostgreSQL database."""

    def __init__(self, address: str) -> None:
        self._engine = create_engine(address)

    async def run(
        self,
        transaction: Callable[[Connection], Result],
        *,
        write: bool,
        prepare: Callable[[], int],
        seconds: float | None,
    ) -> Result:
        """Run a transaction. See `Database`."""
        prepare()
        return await _run_shielded(self._run(transaction, seconds))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._engine.dispose()

    async def _run(
        self, transaction: Callable[[Connection], Result], seconds: float | None
    ) -> Result:
        async with asyncio.timeout(seconds), self._engine.begin() as connection:
            return await connection.run_sync(transaction)


async def _run_shielded(transaction: Coroutine[Any, Any, Result]) -> Result:
    """Run a transaction to its end even if the caller is cancelled, who gets CancelledError after
    that."""
    task = asyncio.create_task(transaction)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # marks it as retrieved: its caller is gone
        raise


def create_engine(address: str) -> AsyncEngine:
    """Return an engine, which connects on first use.

    Args:
        address: libpq's connection string.
    """
    from psycopg import AsyncConnection
    from psycopg.conninfo import conninfo_to_dict

    parameters: dict[str, Any] = {**_CONNECTION, **conninfo_to_dict(address)}
    # Without prepared statements, which PgBouncer's transaction mode may run on another connection.
    connect = partial(AsyncConnection.connect, **parameters, prepare_threshold=None)
    engine = create_async_engine(
        "postgresql+psycopg://",
        async_creator=connect,
        pool_pre_ping=True,
        pool_timeout=_WAIT_SECONDS,
        use_native_hstore=False,  # no query for a type that is not used
    )
    event.listen(engine.sync_engine, "handle_error", _on_error)
    return engine


def _on_error(context: ExceptionContext) -> Exception | None:
    error = context.original_exception
    if isinstance(error, OverflowError | ValueError):
        # The driver raises them, unwrapped, for values that it cannot send.
        return DataRefused(str(error))
    if is_standby(error):
        context.is_disconnect = True  # connect again: another server is the primary now
    return None
