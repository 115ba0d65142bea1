"""Branches: the messages that an edit or a regeneration replaced."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from usechat_server.store import rows
from usechat_server.store.base import Branch
from usechat_server.store.tables import chats, messages

__all__ = ["branches", "move_to_branch"]


async def branches(connection: AsyncConnection, chat: Row[Any]) -> list[Branch]:
    """Return the branches of a chat: what was replaced, oldest first."""
    key = chat.key
    ids_query = select(messages.c.branch, messages.c.position, messages.c.id).filter_by(chat=key)
    ids = {(row.branch, row.position): row.id for row in await connection.execute(ids_query)}
    query = select(messages.c.branch, messages.c.position, messages.c.content)
    query = query.filter_by(chat=key).where(messages.c.branch > 0)
    replaced = await connection.execute(query.order_by(messages.c.branch, messages.c.position))
    branches = []
    for number, group in groupby(replaced, lambda row: row.branch):
        branch_rows = list(group)
        before = branch_rows[0].position - 1
        # The message that was before them is still there, or in the next branch that replaced that
        # position.
        later = sorted(branch for branch, position in ids if position == before and branch > number)
        after = ids.get((later[0] if later else 0, before))
        branches.append(Branch(number, after, [rows.message(row.content) for row in branch_rows]))
    return branches


async def move_to_branch(connection: AsyncConnection, chat: int, start: int) -> None:
    """Move the messages from a position on to a new branch."""
    count_branch = update(chats).filter_by(key=chat).values(branches=chats.c.branches + 1)
    branch = await connection.scalar(count_branch.returning(chats.c.branches))
    current = update(messages).filter_by(chat=chat, branch=0)
    await connection.execute(current.where(messages.c.position >= start).values(branch=branch))
