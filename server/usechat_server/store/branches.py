"""Branches: the messages that an edit or a regeneration replaced."""

from __future__ import annotations

from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select, update

from usechat_server.store.tables import chats, messages

__all__ = ["BranchRows", "branches", "move_to_branch"]


class BranchRows(NamedTuple):
    """A branch, whose messages have not been parsed."""

    number: int
    after: str | None
    contents: list[str]


def branches(
    connection: Connection, chat: Row[Any], after: int, limit: int | None
) -> list[BranchRows]:
    """Return the branches of a chat after a number: what was replaced, oldest first."""
    ids_query = select(messages.c.branch, messages.c.position, messages.c.id)
    ids_query = ids_query.filter_by(chat=chat.key)
    current = connection.execute(ids_query.where(messages.c.branch == 0))
    #: the message at each position when a branch was replaced: at first, as it is now
    ids = {row.position: row.id for row in current}
    replaced = ids_query.where(messages.c.branch > after)
    before: dict[int, str | None] = {}
    # The newest first: each one was in the place of what came after it.
    newest_first = replaced.order_by(messages.c.branch.desc(), messages.c.position)
    stored = connection.execute(newest_first)
    for number, group in groupby(stored, lambda row: row.branch):
        branch_rows = list(group)
        before[number] = ids.get(branch_rows[0].position - 1)
        ids.update((row.position, row.id) for row in branch_rows)
    numbers = sorted(before)[:limit]
    if not numbers:
        return []
    query = select(messages.c.branch, messages.c.content).filter_by(chat=chat.key)
    query = query.where(messages.c.branch.between(numbers[0], numbers[-1]))
    oldest_first = query.order_by(messages.c.branch, messages.c.position)
    contents = connection.execute(oldest_first)
    return [
        BranchRows(number, before[number], [row.content for row in group])
        for number, group in groupby(contents, lambda row: row.branch)
    ]


def move_to_branch(connection: Connection, chat: int, start: int) -> None:
    """Move the messages from a position on to a new branch."""
    count_branch = update(chats).filter_by(key=chat).values(branches=chats.c.branches + 1)
    branch = connection.scalar(count_branch.returning(chats.c.branches))
    current = update(messages).filter_by(chat=chat, branch=0)
    connection.execute(current.where(messages.c.position >= start).values(branch=branch))
