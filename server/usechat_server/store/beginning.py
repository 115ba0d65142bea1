"""The begin of a turn. Each function runs within a transaction that locked its chat's row."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update
from ui_message_stream.messages import UIMessage

from usechat_server.store import rows
from usechat_server.store.base import ChatChanged
from usechat_server.store.branches import move_to_branch
from usechat_server.store.message_rows import (
    UPDATE_MESSAGE,
    insert_messages,
    message_values,
    stored_messages,
)
from usechat_server.store.rows import Contents
from usechat_server.store.tables import chats, messages, turns
from usechat_server.turn import Turn

__all__ = ["open_chat", "open_turn", "store_history"]

_INSERT_CHAT = insert(chats).returning(chats.c.key)
_REOPEN_CHAT = (
    update(chats)
    .where(
        chats.c.owner == bindparam("of_owner"),
        chats.c.id == bindparam("of_id"),
        chats.c.revision == bindparam("of_revision"),
    )
    .returning(chats.c.key)
)
_LAST_EPOCH = select(func.max(turns.c.epoch)).where(turns.c.chat == bindparam("of_chat"))
_CONTENT = select(messages.c.content).where(
    messages.c.chat == bindparam("of_chat"),
    messages.c.branch == 0,
    messages.c.id == bindparam("of_id"),
)
_INSERT_TURN = insert(turns)


def open_chat(connection: Connection, turn: Turn, run_id: str) -> int:
    """Create or lock the chat that the turn's history is of, and return its key.

    Raises:
        ChatChanged: The chat has another revision than the turn.
        IntegrityError: Another process has just created the chat.
    """
    now, owner = rows.now(), rows.owner(turn.user)
    values = {
        "first_text": rows.first_text(turn.messages),
        "run_id": run_id,
        "updated_at": now,
        "revision": turn.revision + 1,
    }
    if turn.revision == 0:
        new = {"owner": owner, "id": turn.chat_id, "created_at": now, "branches": 0}
        key = connection.scalar(_INSERT_CHAT, {**new, **values})
    else:
        chat = {"of_owner": owner, "of_id": turn.chat_id, "of_revision": turn.revision}
        key = connection.scalar(_REOPEN_CHAT, {**chat, **values})
    if key is None:
        raise ChatChanged
    return int(key)


def store_history(
    connection: Connection, chat: int, turn: Turn, run_id: str, contents: Contents
) -> None:
    """Store the turn's history. Messages that it no longer has become a branch."""
    stored_ids = [row.id for row in stored_messages(connection, chat)] if turn.revision else []

    def put(message: UIMessage, **values: Any) -> None:
        place = {"of_chat": chat, "of_id": message.id}
        content = {"content": contents.of(message)}
        connection.execute(UPDATE_MESSAGE, {**place, **content, **values})

    for message in turn.messages:
        if message.id in turn.resolved_messages:
            put(message)
    if turn.continued is not None and turn.continued.id in stored_ids:
        # Messages after it stay, as in the client.
        put(turn.continued, run_id=run_id)
        return
    unchanged = 0
    for message, stored_id in zip(turn.messages, stored_ids, strict=False):
        if message.id != stored_id:
            break
        unchanged += 1
    newest = turn.messages[-1]
    if unchanged == len(turn.messages) and newest.role == "user":
        stored = connection.scalar(_CONTENT, {"of_chat": chat, "of_id": newest.id})
        if stored != contents.of(newest):
            unchanged -= 1  # it was edited
    if unchanged < len(stored_ids):
        move_to_branch(connection, chat, unchanged)
    now = rows.now()
    added = [
        message_values(chat, position, message, contents.of(message), now)
        for position, message in enumerate(turn.messages[unchanged:], unchanged)
    ]
    insert_messages(connection, added)


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
        last = connection.scalar(_LAST_EPOCH, {"of_chat": chat})
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
    connection.execute(_INSERT_TURN, values)
    return epoch
