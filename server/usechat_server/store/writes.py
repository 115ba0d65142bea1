"""Writes of a turn that has begun. Each function runs within one transaction.

Statements are made once: making one takes several times as long as SQLite takes to execute it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, insert, select, update
from ui_message_stream.messages import UIMessage

from usechat_server.results import Outcome, Step
from usechat_server.store import rows
from usechat_server.store.interrupted import interrupted_message
from usechat_server.store.message_rows import (
    UPDATE_MESSAGE,
    insert_messages,
    message_values,
    stored_messages,
)
from usechat_server.store.tables import chats, messages, steps, tool_calls, turns

__all__ = [
    "LockedTurn",
    "Written",
    "end_turn",
    "interrupt_locked_turn",
    "interrupt_turn",
    "lock_turn",
    "lock_turns",
    "save_progress",
]

# Parameters that are not columns have names that begin with `of_`.
_LOCK_TURNS = (
    select(
        turns.c.run_id,
        turns.c.key,
        turns.c.chat,
        turns.c.outcome,
        turns.c.epoch,
        turns.c.log_id,
        turns.c.log_position,
        chats.c.run_id.label("active_run_id"),
    )
    .join_from(turns, chats, turns.c.chat == chats.c.key)
    .where(turns.c.run_id.in_(bindparam("of_runs", expanding=True)))
    .order_by(chats.c.key)
    .with_for_update(of=[chats, turns])
)
_UPDATE_TURN = update(turns).where(turns.c.key == bindparam("of_key"))
_TOUCH_CHAT = (
    update(chats).where(chats.c.key == bindparam("of_key")).values(revision=chats.c.revision + 1)
)
_CONTENT_OF_RUN = select(messages.c.content).where(
    messages.c.chat == bindparam("of_chat"),
    messages.c.branch == 0,
    messages.c.run_id == bindparam("of_run"),
)
_UPDATE_OWN_MESSAGE = UPDATE_MESSAGE.where(messages.c.run_id == bindparam("of_run"))
_INSERT_STEPS = insert(steps)
_BEGUN_CALLS = select(tool_calls.c.tool_call_id).where(tool_calls.c.turn == bindparam("of_turn"))


class LockedTurn(NamedTuple):
    """The row of a turn whose chat is locked."""

    run_id: str
    key: int
    chat: int
    #: None: the turn has not ended
    outcome: str | None
    #: the epoch that its run last wrote with
    epoch: int
    #: the log that the stored message was read from, and up to where
    log_id: str | None
    log_position: str | None
    #: the run that began last in the chat, unless it has ended
    active_run_id: str | None

    @property
    def is_newest(self) -> bool:
        """Whether no later turn has begun in the chat."""
        return self.active_run_id == self.run_id


class Written(NamedTuple):
    """A message that a run has written, as stored."""

    turn: LockedTurn
    message: UIMessage
    content: str


def lock_turns(connection: Connection, run_ids: Collection[str]) -> dict[str, LockedTurn]:
    """Lock the chats of turns, in the order in which every transaction locks them. Turns of deleted
    chats are left out."""
    locked = connection.execute(_LOCK_TURNS, {"of_runs": list(run_ids)})
    return {row.run_id: LockedTurn(*row) for row in locked}


def lock_turn(connection: Connection, run_id: str) -> LockedTurn | None:
    """Lock the chat of a turn. Returns None if the chat was deleted."""
    return lock_turns(connection, [run_id]).get(run_id)


def save_progress(
    connection: Connection, written: Sequence[Written], values: Sequence[Mapping[str, Any]]
) -> list[bool]:
    """Store what open turns have written, all of them with the same few statements.

    Args:
        connection: The transaction.
        written: Their messages.
        values: What is stored about each turn: its epoch, and the place in its log.

    Returns:
        Whether each message was stored: a newer run may own it or have replaced it.
    """
    if not written:
        return []
    now = rows.now()
    of_turns = [
        {"of_key": one.turn.key, **of_turn} for one, of_turn in zip(written, values, strict=True)
    ]
    connection.execute(_UPDATE_TURN, of_turns)
    connection.execute(
        _TOUCH_CHAT, [{"of_key": one.turn.chat, "updated_at": now} for one in written]
    )
    return _save_messages(connection, written, now)


def end_turn(
    connection: Connection,
    turn: LockedTurn,
    outcome: Outcome,
    calls: Sequence[Step],
    *,
    written: Written | None,
    **turn_values: Any,
) -> None:
    """Store the outcome of a turn, its message, and the usage of its model calls.

    Args:
        connection: The transaction.
        turn: The turn.
        outcome: How it ended.
        calls: Its model calls, in order.
        written: Its whole message; None: it stays as it is stored.
        turn_values: What else is stored about the turn: its epoch, and the place in its log.
    """
    now = rows.now()
    connection.execute(
        _UPDATE_TURN, {"of_key": turn.key, "outcome": outcome, "ended_at": now, **turn_values}
    )
    chat_values = {"run_id": None} if turn.is_newest else {}
    connection.execute(_TOUCH_CHAT, {"of_key": turn.chat, "updated_at": now, **chat_values})
    if written is not None:
        _save_messages(connection, [written], now)
    if step_rows := [{"turn": turn.key, **call} for call in rows.step_values(calls)]:
        connection.execute(_INSERT_STEPS, step_rows)


def interrupt_turn(connection: Connection, run_id: str) -> None:
    """End a turn that no process runs, with its message as of the last checkpoint."""
    turn = lock_turn(connection, run_id)
    if turn is not None and turn.outcome is None:
        interrupt_locked_turn(connection, turn)


def interrupt_locked_turn(connection: Connection, turn: LockedTurn) -> None:
    """End an open turn whose chat is locked."""
    written = None
    of_run = {"of_chat": turn.chat, "of_run": turn.run_id}
    if (content := connection.scalar(_CONTENT_OF_RUN, of_run)) is not None:
        begun = connection.scalars(_BEGUN_CALLS, {"of_turn": turn.key})
        message = interrupted_message(rows.message(content), begun.all())
        written = Written(turn, message, rows.content(message))
    end_turn(connection, turn, "interrupted", (), written=written)


def _save_messages(connection: Connection, written: Sequence[Written], now: int) -> list[bool]:
    """Store messages. Returns whether each was stored."""
    values = [
        {
            "of_chat": one.turn.chat,
            "of_id": one.message.id,
            "of_run": one.turn.run_id,
            "content": one.content,
            "updated_at": now,
        }
        for one in written
    ]
    if connection.execute(_UPDATE_OWN_MESSAGE, values).rowcount == len(written):
        return [True] * len(written)
    # One of them is not stored yet, or it is another run's now.
    return [_is_stored(connection, one, now) for one in written]


def _is_stored(connection: Connection, written: Written, now: int) -> bool:
    """Whether the store has a message that a run wrote. If it has none yet, it is added."""
    turn, message = written.turn, written.message
    stored = stored_messages(connection, turn.chat)
    for row in stored:
        if row.id == message.id:
            return bool(row.run_id == turn.run_id)
    if turn.is_newest and rows.has_content(message):
        added = message_values(turn.chat, len(stored), message, written.content, now)
        insert_messages(connection, [{**added, "run_id": turn.run_id}])
    return turn.is_newest
