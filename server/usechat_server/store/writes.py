"""Writes of a turn. Each function runs within a transaction that locked its chat's row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, insert, select, update
from ui_message_stream.messages import UIMessage

from usechat_server.results import Outcome, Step
from usechat_server.store import rows
from usechat_server.store.base import ChatChanged
from usechat_server.store.branches import move_to_branch
from usechat_server.store.interrupted import interrupted_message
from usechat_server.store.tables import chats, messages, steps, tool_calls, turns
from usechat_server.turn import Turn

__all__ = [
    "LockedTurn",
    "added_size",
    "end_turn",
    "interrupt_locked_turn",
    "interrupt_turn",
    "lock_turn",
    "open_chat",
    "open_turn",
    "save_message",
    "size",
    "store_history",
]


def size(message: UIMessage) -> int:
    """Return the bytes of a message as stored."""
    return len(rows.content(message).encode())


def added_size(turn: Turn) -> int:
    """Return the bytes of the messages that the begin of a turn stores."""
    return sum(map(size, turn.messages if turn.revision == 0 else turn.messages[-1:]))


def open_chat(connection: Connection, turn: Turn, run_id: str) -> int:
    """Create or lock the chat that the turn's history is of, and return its key.

    Raises:
        ChatChanged: The chat has another revision than the turn.
        IntegrityError: Another process has just created the chat.
    """
    now = rows.now()
    values = {"first_text": rows.first_text(turn.messages), "run_id": run_id, "updated_at": now}
    identity = {"owner": rows.owner(turn.user), "id": turn.chat_id}
    if turn.revision == 0:
        new = {**identity, **values, "created_at": now, "revision": 1, "branches": 0}
        key = connection.scalar(insert(chats).values(new).returning(chats.c.key))
    else:
        statement = update(chats).filter_by(**identity, revision=turn.revision)
        statement = statement.values({**values, "revision": turn.revision + 1})
        key = connection.scalar(statement.returning(chats.c.key))
    if key is None:
        raise ChatChanged
    return int(key)


def store_history(connection: Connection, chat: int, turn: Turn, run_id: str) -> None:
    """Store the turn's history. Messages that it no longer has become a branch."""
    stored_ids = _message_ids(connection, chat)
    for message in turn.messages:
        if message.id in turn.resolved_messages:
            resolved = _update_message(chat, message.id).values(content=rows.content(message))
            connection.execute(resolved)
    if turn.continued is not None and turn.continued.id in stored_ids:
        # Messages after it stay, as in the client.
        values = {"content": rows.content(turn.continued), "run_id": run_id}
        connection.execute(_update_message(chat, turn.continued.id).values(values))
        return
    unchanged = 0
    for message, stored_id in zip(turn.messages, stored_ids, strict=False):
        if message.id != stored_id:
            break
        unchanged += 1
    newest = turn.messages[-1]
    if unchanged == len(turn.messages) and newest.role == "user":
        query = select(messages.c.content).filter_by(chat=chat, branch=0, id=newest.id)
        if connection.scalar(query) != rows.content(newest):
            unchanged -= 1  # it was edited
    if unchanged < len(stored_ids):
        move_to_branch(connection, chat, unchanged)
    _insert(connection, chat, unchanged, turn.messages[unchanged:], run_id=None)


def open_turn(
    connection: Connection,
    chat: int,
    turn: Turn,
    *,
    run_id: str,
    epoch: int,
    process: str,
    request_digest: str,
) -> int:
    """Store that the turn is running in a process. Return its epoch."""
    if epoch:
        last = connection.scalar(select(func.max(turns.c.epoch)).filter_by(chat=chat))
        epoch = max(epoch, (last or 0) + 1)
    values = {
        "chat": chat,
        "run_id": run_id,
        "epoch": epoch,
        "message_id": turn.message_id,
        "started_at": rows.now(),
        "process": process,
        "request_digest": request_digest,
        "request": turn.to_json(with_history=False).decode(),
    }
    connection.execute(insert(turns).values(values))
    return epoch


class LockedTurn(NamedTuple):
    """The row of a turn whose chat is locked."""

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


def lock_turn(connection: Connection, run_id: str) -> LockedTurn | None:
    """Lock the chat of a turn. Returns None if the chat was deleted."""
    chat = connection.scalar(select(turns.c.chat).filter_by(run_id=run_id))
    lock = select(chats.c.run_id).filter_by(key=chat).with_for_update()
    if (chat_row := connection.execute(lock).one_or_none()) is None:
        return None
    query = select(
        turns.c.key,
        turns.c.chat,
        turns.c.outcome,
        turns.c.epoch,
        turns.c.log_id,
        turns.c.log_position,
    )
    turn_row = connection.execute(query.filter_by(run_id=run_id)).one()
    return LockedTurn(*turn_row, chat_row.run_id)


def save_message(
    connection: Connection,
    turn: LockedTurn,
    message: UIMessage,
    *,
    run_id: str,
    **turn_values: Any,
) -> bool:
    """Store what a run wrote. Returns False if a newer run owns or has replaced the message.

    Args:
        connection: The transaction.
        turn: The turn.
        message: The message so far.
        run_id: Id of the run.
        turn_values: What is stored about the turn: its epoch, and the place in its log.
    """
    values = {"content": rows.content(message), "updated_at": rows.now()}
    connection.execute(update(turns).filter_by(key=turn.key).values(turn_values))
    _touch_chat(connection, turn)
    own_message = _update_message(turn.chat, message.id).where(messages.c.run_id == run_id)
    if connection.execute(own_message.values(values)).rowcount:
        return True
    stored_ids = _message_ids(connection, turn.chat)
    if turn.active_run_id != run_id or message.id in stored_ids:
        return False
    if rows.has_content(message):
        _insert(connection, turn.chat, len(stored_ids), [message], run_id=run_id)
    return True


def end_turn(
    connection: Connection,
    turn: LockedTurn,
    outcome: Outcome,
    calls: Sequence[Step],
    *,
    run_id: str,
    epoch: int,
) -> None:
    """Store the outcome of a turn and the usage of its model calls."""
    values = {"outcome": outcome, "ended_at": rows.now(), "epoch": epoch}
    connection.execute(update(turns).filter_by(key=turn.key).values(values))
    chat_values = {"run_id": None} if turn.active_run_id == run_id else {}
    _touch_chat(connection, turn, **chat_values)
    if step_rows := [{"turn": turn.key, **call} for call in rows.step_values(calls)]:
        connection.execute(insert(steps), step_rows)


def interrupt_turn(connection: Connection, run_id: str) -> None:
    """End a turn that no process runs, with its message as of the last checkpoint."""
    turn = lock_turn(connection, run_id)
    if turn is not None and turn.outcome is None:
        interrupt_locked_turn(connection, turn, run_id)


def interrupt_locked_turn(connection: Connection, turn: LockedTurn, run_id: str) -> None:
    """End an open turn whose chat is locked."""
    run: Any = {"run_id": run_id, "epoch": turn.epoch}
    query = select(messages.c.content).filter_by(chat=turn.chat, branch=0, run_id=run_id)
    if (content := connection.scalar(query)) is not None:
        begun = connection.scalars(select(tool_calls.c.tool_call_id).filter_by(turn=turn.key))
        message = interrupted_message(rows.message(content), begun.all())
        save_message(connection, turn, message, **run)
    end_turn(connection, turn, "interrupted", (), **run)


def _touch_chat(connection: Connection, turn: LockedTurn, **values: Any) -> None:
    """Count a write to the chat."""
    values = {"revision": chats.c.revision + 1, "updated_at": rows.now(), **values}
    connection.execute(update(chats).filter_by(key=turn.chat).values(values))


def _message_ids(connection: Connection, chat: int) -> Sequence[str]:
    """Return the ids of the messages of a chat's current branch, in order."""
    query = select(messages.c.id).filter_by(chat=chat, branch=0).order_by(messages.c.position)
    return connection.scalars(query).all()


def _insert(
    connection: Connection,
    chat: int,
    start: int,
    added: Sequence[UIMessage],
    run_id: str | None,
) -> None:
    """Store messages from a position on. Their number does not count in round trips: others wait
    for the transaction."""
    now = rows.now()
    values = [
        {
            "chat": chat,
            "branch": 0,
            "position": position,
            "id": message.id,
            "role": message.role,
            "content": rows.content(message),
            "run_id": run_id,
            "updated_at": now,
        }
        for position, message in enumerate(added, start)
    ]
    if values:
        connection.execute(insert(messages), values)


def _update_message(chat: int, message_id: str) -> Any:
    return update(messages).filter_by(chat=chat, branch=0, id=message_id)
