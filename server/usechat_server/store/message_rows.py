"""The messages of a chat's current branch, as rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update
from ui_message_stream.messages import UIMessage

from usechat_server.store.tables import messages

__all__ = ["UPDATE_MESSAGE", "insert_messages", "message_values", "stored_messages"]

_MESSAGES = (
    select(messages.c.id, messages.c.run_id)
    .where(messages.c.chat == bindparam("of_chat"), messages.c.branch == 0)
    .order_by(messages.c.position)
)
_INSERT = insert(messages)
#: Sets the columns that its parameters name, besides those that begin with `of_`.
UPDATE_MESSAGE = update(messages).where(
    messages.c.chat == bindparam("of_chat"),
    messages.c.branch == 0,
    messages.c.id == bindparam("of_id"),
)


def stored_messages(connection: Connection, chat: int) -> list[Row[Any]]:
    """Return the ids of the messages and of the runs that wrote them, in order."""
    return list(connection.execute(_MESSAGES, {"of_chat": chat}))


def insert_messages(connection: Connection, added: list[dict[str, Any]]) -> None:
    """Add messages. Their number does not count in round trips: others wait for the
    transaction."""
    if added:
        connection.execute(_INSERT, added)


def message_values(
    chat: int, position: int, message: UIMessage, content: str, now: int
) -> dict[str, Any]:
    """Return the columns of a message that no run wrote."""
    return {
        "chat": chat,
        "branch": 0,
        "position": position,
        "id": message.id,
        "role": message.role,
        "content": content,
        "run_id": None,
        "updated_at": now,
    }
