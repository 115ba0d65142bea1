"""Queries of a store. Each function runs within one transaction."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, tuple_

from usechat_server.errors import InvalidRequest
from usechat_server.store import rows
from usechat_server.store.base import ChatPage, OpenTurn, StoredTurn
from usechat_server.store.tables import chats, messages, steps, turns

__all__ = [
    "chat",
    "chat_page",
    "chat_turns",
    "contents",
    "contents_and_active_message_id",
    "lock_any_chat",
    "open_turns",
]

_CHAT = select(chats).where(chats.c.owner == bindparam("owner"), chats.c.id == bindparam("id"))
_CONTENTS = (
    select(messages.c.content)
    .where(messages.c.chat == bindparam("chat"), messages.c.branch == 0)
    .order_by(messages.c.position)
)
_MESSAGE_ID = select(turns.c.message_id).where(turns.c.run_id == bindparam("run_id"))


def chat(connection: Connection, user: str | None, chat_id: str) -> Row[Any] | None:
    """Return a user's chat, or None."""
    return connection.execute(_CHAT, {"owner": rows.owner(user), "id": chat_id}).one_or_none()


def lock_any_chat(connection: Connection) -> None:
    """Lock a row that no other transaction has locked, which a database that cannot be written
    refuses."""
    query = select(chats.c.key).limit(1).with_for_update(skip_locked=True)
    connection.execute(query)


def contents(connection: Connection, chat: Row[Any]) -> Sequence[str]:
    """Return the messages of a chat's current branch, in order, as stored."""
    return connection.scalars(_CONTENTS, {"chat": chat.key}).all()


def contents_and_active_message_id(
    connection: Connection, chat: Row[Any]
) -> tuple[Sequence[str], str | None]:
    """Return the same, and the id of the message that the active run writes."""
    active_message_id = connection.scalar(_MESSAGE_ID, {"run_id": chat.run_id})
    return contents(connection, chat), active_message_id


def chat_page(connection: Connection, user: str | None, cursor: str | None, limit: int) -> ChatPage:
    """Return the chats after a cursor. Raises InvalidRequest for an invalid cursor.

    A chat moves to the front when it is written to, so no other chat is left out or comes twice.
    """
    newest_first = (chats.c.updated_at.desc(), chats.c.key.desc())
    query = select(chats).filter_by(owner=rows.owner(user)).order_by(*newest_first)
    if cursor is not None:
        position = tuple_(*_parse_cursor(cursor))
        query = query.where(tuple_(chats.c.updated_at, chats.c.key) < position)
    found_rows = connection.execute(query.limit(limit + 1)).all()
    page_rows = found_rows[:limit]
    next_cursor = _cursor(page_rows[-1]) if len(found_rows) > limit else None
    return ChatPage([rows.chat(row) for row in page_rows], next_cursor)


def chat_turns(
    connection: Connection, chat: Row[Any], after: str | None, limit: int | None
) -> list[StoredTurn]:
    """Return a chat's turns after a run, with their model calls."""
    query = select(turns).filter_by(chat=chat.key)
    if after is not None:
        last = select(turns.c.key).filter_by(chat=chat.key, run_id=after).scalar_subquery()
        query = query.where(turns.c.key > last)
    turn_rows = connection.execute(query.order_by(turns.c.key).limit(limit)).all()
    if not turn_rows:
        return []
    of_turns = select(steps).join(turns, steps.c.turn == turns.c.key)
    of_turns = of_turns.where(
        turns.c.chat == chat.key, turns.c.key.between(turn_rows[0].key, turn_rows[-1].key)
    )
    step_rows: dict[int, list[Row[Any]]] = {}
    for row in connection.execute(of_turns.order_by(steps.c.turn, steps.c.number)):
        step_rows.setdefault(row.turn, []).append(row)
    return [rows.turn(row, step_rows.get(row.key, [])) for row in turn_rows]


def open_turns(connection: Connection) -> list[OpenTurn]:
    """Return the turns without an end."""
    query = (
        select(chats.c.owner, chats.c.id, turns)
        .join_from(turns, chats, turns.c.chat == chats.c.key)
        .where(turns.c.outcome.is_(None))
        .order_by(turns.c.key)
    )
    return [
        OpenTurn(
            rows.user(row.owner),
            row.id,
            row.run_id,
            row.message_id,
            row.epoch,
            row.process is not None,
        )
        for row in connection.execute(query)
    ]


def _cursor(row: Row[Any]) -> str:
    return base64.urlsafe_b64encode(f"{row.updated_at}.{row.key}".encode()).decode().rstrip("=")


def _parse_cursor(cursor: str) -> tuple[int, int]:
    try:
        text = base64.urlsafe_b64decode(f"{cursor}==").decode("ascii")
        updated_at, key = (int(number) for number in text.split("."))
    except (binascii.Error, ValueError):
        updated_at = key = -1
    if not (0 <= updated_at < 2**63 and 0 <= key < 2**63):
        raise InvalidRequest("cursor: expected the `nextCursor` of the previous page")
    return updated_at, key
