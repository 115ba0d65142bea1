"""What is deleted after a while, or with its user."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from usechat_server.store import rows
from usechat_server.store.database import Database
from usechat_server.store.tables import approvals, chats, deleted_steps, messages, steps, turns

__all__ = ["delete_chat", "delete_user", "prune"]

#: Chats, or rows of other tables, that one transaction deletes: on SQLite other writers wait.
BATCH = 20


def delete_chat(connection: Connection, user: str | None, chat_id: str) -> bool:
    """Delete a chat, but not what it cost. Returns whether there was such a chat."""
    chat = {"owner": rows.owner(user), "id": chat_id}
    kept = select(chats.c.owner, turns.c.run_id, turns.c.started_at, *steps.c[1:])
    kept = kept.join_from(steps, turns, steps.c.turn == turns.c.key)
    kept = kept.join(chats, turns.c.chat == chats.c.key)
    kept = kept.where(chats.c.owner == chat["owner"], chats.c.id == chat["id"])
    connection.execute(
        insert(deleted_steps).from_select([column.name for column in kept.selected_columns], kept)
    )
    return connection.execute(delete(chats).filter_by(**chat)).rowcount > 0


async def prune(database: Database, age: timedelta) -> int:
    """Delete what was not written to for that long, in many short transactions.

    Those are whole chats without an active run, of the other chats replaced messages and approvals,
    and the usage of deleted chats.

    Returns:
        The number of deleted chats.
    """
    end = rows.now() - age // timedelta(microseconds=1)
    deleted = await _delete(database, chats, (chats.c.updated_at < end) & chats.c.run_id.is_(None))
    await _delete(database, messages, (messages.c.branch > 0) & (messages.c.updated_at < end))
    await _delete(database, approvals, approvals.c.expires_at < end)
    await _delete(database, deleted_steps, deleted_steps.c.started_at < end)
    return deleted


async def delete_user(database: Database, user: str | None) -> int:
    """Delete all that is stored of a user. Returns the number of chats."""
    deleted = await _delete(database, chats, chats.c.owner == rows.owner(user))
    await _delete(database, deleted_steps, deleted_steps.c.owner == rows.owner(user))
    return deleted


async def _delete(database: Database, table: Any, condition: ColumnElement[bool]) -> int:
    """Delete the rows that fulfil a condition. Returns their number."""
    total = 0
    while count := await database.write(partial(_delete_batch, table=table, condition=condition)):
        total += count
    return total


def _delete_batch(connection: Connection, table: Any, condition: ColumnElement[bool]) -> int:
    batch = select(table.c.key).where(condition).limit(BATCH)
    return connection.execute(delete(table).where(table.c.key.in_(batch))).rowcount
