"""Branches: the messages that an edit or a regeneration replaced."""

from __future__ import annotations

from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from usechat_server.store.tables import chats, messages

__all__ = ["BranchRows", "branches", "move_to_branch"]


class BranchRows(NamedTuple):
    """A branch, whose messages have not been parsed."""

    number: int
    after: str | None
    contents: list[str]


async def branches(connection: AsyncConnection, chat: Row[Any]) -> list[BranchRows]:
    """Return the branches of a chat: what was replaced, oldest first."""
    query = select(
        messages.c.branch, messages.c.position, messages.c.id, messages.c.content
    ).filter_by(chat=chat.key)
    replaced = query.where(messages.c.branch > 0)
    stored = await connection.execute(
        replaced.order_by(messages.c.branch.desc(), messages.c.position)
    )
    current = select(messages.c.position, messages.c.id).filter_by(chat=chat.key, branch=0)
    #: the message at each position when a branch was replaced: at first, as it is now
    ids = {row.position: row.id for row in await connection.execute(current)}
    branches = []
    # The newest first: each one was in the place of what came after it.
    for number, group in groupby(stored, lambda row: row.branch):
        branch_rows = list(group)
        after = ids.get(branch_rows[0].position - 1)
        branches.append(BranchRows(number, after, [row.content for row in branch_rows]))
        ids.update((row.position, row.id) for row in branch_rows)
    return branches[::-1]


async def move_to_branch(connection: AsyncConnection, chat: int, start: int) -> None:
    """Move the messages from a position on to a new branch."""
    count_branch = update(chats).filter_by(key=chat).values(branches=chats.c.branches + 1)
    branch = await connection.scalar(count_branch.returning(chats.c.branches))
    current = update(messages).filter_by(chat=chat, branch=0)
    await connection.execute(current.where(messages.c.position >= start).values(branch=branch))
