"""What is deleted after a while, or with its user."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from usechat_server.store import rows
from usechat_server.store.database import Database
from usechat_server.store.tables import approvals, chats, messages

__all__ = ["delete_chats_of", "prune"]

#: Chats, or rows of other tables, that one transaction deletes: on SQLite other writers wait.
BATCH = 20


async def prune(database: Database, age: timedelta) -> int:
    """Delete what was not written to for that long, in many short transactions.

    Those are whole chats without an active run, and of the other chats replaced messages and
    approvals.

    Returns:
        The number of deleted chats.
    """
    end = rows.now() - age // timedelta(microseconds=1)
    deleted = await _delete(database, chats, (chats.c.updated_at < end) & chats.c.run_id.is_(None))
    await _delete(database, messages, (messages.c.branch > 0) & (messages.c.updated_at < end))
    await _delete(database, approvals, approvals.c.expires_at < end)
    return deleted


async def delete_chats_of(database: Database, user: str | None) -> int:
    """Delete all chats of a user. Returns their number."""
    return await _delete(database, chats, chats.c.owner == rows.owner(user))


async def _delete(database: Database, table: Any, condition: ColumnElement[bool]) -> int:
    """Delete the rows that fulfil a condition. Returns their number."""
    total = 0
    while count := await database.write(partial(_delete_batch, table=table, condition=condition)):
        total += count
    return total


async def _delete_batch(
    connection: AsyncConnection, table: Any, condition: ColumnElement[bool]
) -> int:
    batch = select(table.c.key).where(condition).limit(BATCH)
    return (await connection.execute(delete(table).where(table.c.key.in_(batch)))).rowcount
