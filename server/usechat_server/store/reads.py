"""What is read of a store, each function within one transaction."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Row, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from usechat_server.errors import InvalidRequest
from usechat_server.store import rows
from usechat_server.store.base import Branch, ChatPage, OpenTurn, StoredTurn
from usechat_server.store.tables import chats, messages, steps, turns

__all__ = ["branches", "chat", "contents", "contents_and_writing", "open_turns", "page", "turns_of"]


async def chat(connection: AsyncConnection, user: str | None, chat_id: str) -> Row[Any] | None:
    """A user's chat, or None."""
    found = select(chats).filter_by(owner=rows.owner(user), id=chat_id)
    return (await connection.execute(found)).one_or_none()


async def contents(connection: AsyncConnection, chat: Row[Any]) -> Sequence[str]:
    """The messages of a chat as it is, in order."""
    found = select(messages.c.content).filter_by(chat=chat.key, branch=0)
    return (await connection.scalars(found.order_by(messages.c.position))).all()


async def contents_and_writing(
    connection: AsyncConnection, chat: Row[Any]
) -> tuple[Sequence[str], str | None]:
    """The same, and the id of the message that the active run writes."""
    stored = await contents(connection, chat)
    writing = select(turns.c.message_id).filter_by(run_id=chat.run_id)
    return stored, await connection.scalar(writing)


async def page(
    connection: AsyncConnection, user: str | None, cursor: str | None, limit: int
) -> ChatPage:
    """The chats behind a cursor. Raises ChatError for what is none.

    A chat that is written to moves to the front, so no other one is left out or comes twice.
    """
    newest_first = (chats.c.updated_at.desc(), chats.c.key.desc())
    found = select(chats).filter_by(owner=rows.owner(user)).order_by(*newest_first)
    if cursor is not None:
        found = found.where(tuple_(chats.c.updated_at, chats.c.key) < tuple_(*_place(cursor)))
    there = (await connection.execute(found.limit(limit + 1))).all()
    shown = there[:limit]
    following = _cursor(shown[-1]) if len(there) > limit else None
    return ChatPage([rows.chat(row) for row in shown], following)


async def branches(connection: AsyncConnection, chat: Row[Any]) -> list[Branch]:
    """What was replaced in a chat."""
    key = chat.key
    ids = select(messages.c.branch, messages.c.position, messages.c.id).filter_by(chat=key)
    there = {(row.branch, row.position): row.id for row in await connection.execute(ids)}
    found = select(messages.c.branch, messages.c.position, messages.c.content)
    found = found.filter_by(chat=key).where(messages.c.branch > 0)
    replaced = await connection.execute(found.order_by(messages.c.branch, messages.c.position))
    made = []
    for number, tail in groupby(replaced, lambda row: row.branch):
        told = list(tail)
        before = told[0].position - 1
        # What stood there then stands there still, or was the next to be replaced at this place.
        later = sorted(branch for branch, at in there if at == before and branch > number)
        after = there.get((later[0] if later else 0, before))
        made.append(Branch(number, after, [rows.message(row.content) for row in told]))
    return made


async def turns_of(connection: AsyncConnection, chat: Row[Any]) -> list[StoredTurn]:
    """A chat's turns with their model calls."""
    key = chat.key
    calls: dict[int, list[Row[Any]]] = {}
    of_chat = select(steps).join(turns, steps.c.turn == turns.c.key).where(turns.c.chat == key)
    for row in await connection.execute(of_chat.order_by(steps.c.turn, steps.c.number)):
        calls.setdefault(row.turn, []).append(row)
    found = select(turns).filter_by(chat=key).order_by(turns.c.key)
    return [rows.turn(row, calls.get(row.key, [])) for row in await connection.execute(found)]


async def open_turns(connection: AsyncConnection) -> list[OpenTurn]:
    """The turns without an end."""
    found = (
        select(chats.c.owner, chats.c.id, turns.c.run_id, turns.c.message_id)
        .join_from(turns, chats, turns.c.chat == chats.c.key)
        .where(turns.c.outcome.is_(None))
        .order_by(turns.c.key)
    )
    return [
        OpenTurn(rows.user(row.owner), row.id, row.run_id, row.message_id)
        for row in await connection.execute(found)
    ]


def _cursor(row: Row[Any]) -> str:
    return base64.urlsafe_b64encode(f"{row.updated_at}.{row.key}".encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[int, int]:
    try:
        text = base64.urlsafe_b64decode(f"{cursor}==").decode("ascii")
        updated_at, key = (int(number) for number in text.split("."))
    except (binascii.Error, ValueError):
        updated_at = key = -1
    if not (0 <= updated_at < 2**63 and 0 <= key < 2**63):
        raise InvalidRequest("cursor: expected the `nextCursor` of the page before")
    return updated_at, key
