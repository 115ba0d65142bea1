"""The history of a turn: the stored messages that a request keeps, and what it adds.

Only the newest user message, tool outputs and approval decisions are accepted from the client. The
forms of requests are in `chat_request`.

Source: `AbstractChat.sendMessage` and `regenerate` in `ai/src/ui/chat.ts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from ui_message_stream.messages import DataPart, FilePart, TextPart, UIMessage, UnknownPart

from usechat_server.chat_request import ChatRequest
from usechat_server.errors import ChatConflict, InvalidRequest
from usechat_server.trust import merge_client_message

__all__ = ["check_id", "is_storable", "next_history", "sanitize_user_message"]

#: Maximum id length in characters: SQLite and PostgreSQL index ids.
_MAX_ID_LENGTH = 200

_NO_NEW_MESSAGE = "message: expected a message, got nothing"
#: The parts that a user message may have.
_USER_PARTS = (TextPart, FilePart, DataPart, UnknownPart)
#: Prefix of the metadata keys that only the server writes.
_RESERVED_PREFIX = "usechat."


class TurnHistory(NamedTuple):
    """The history of a turn."""

    #: ends with the message to respond to, or to continue
    messages: list[UIMessage]
    #: whether the last message is continued
    continues: bool
    #: ids of the calls whose output the client supplied
    client_outputs: frozenset[str] = frozenset()


def next_history(stored: Sequence[UIMessage], request: ChatRequest) -> TurnHistory:
    """Return the history that a request asks to respond to.

    Raises:
        InvalidRequest: The request is malformed (the AI SDK never sends this).
        ChatConflict: The chat has changed since the client loaded it.
    """
    if request.is_regeneration:
        return _regenerate(stored, request)
    sent = request.newest
    if sent is None:
        raise InvalidRequest(_NO_NEW_MESSAGE)
    index = _index(stored, sent.id)
    target_id = request.message_id
    if target_id not in (None, sent.id) and _index(stored, target_id) is not None:
        # `messageId` names the message that has the tool outputs or decisions.
        raise InvalidRequest("message.id: expected the same id as messageId")
    if sent.role == "user":
        return _add_user_message(stored, index, sent)
    if index is None or stored[index].role != "assistant":
        raise ChatConflict("This chat has no such message to continue. Please reload it.")
    merged, client_outputs = merge_client_message(stored[index], sent)
    return TurnHistory([*stored[:index], merged], continues=True, client_outputs=client_outputs)


def sanitize_user_message(message: UIMessage) -> UIMessage:
    """Return a user message with only what a client may put in it. Raises InvalidRequest if its id
    cannot be stored."""
    check_id("message.id", message.id)
    return msgspec.structs.replace(
        message,
        parts=[part for part in message.parts if isinstance(part, _USER_PARTS)],
        metadata=_without_reserved_keys(message.metadata),
    )


def check_id(name: str, value: str) -> None:
    """Check that a client-supplied id can be stored. Raises InvalidRequest."""
    if not is_storable(value):
        raise InvalidRequest(f"{name}: expected 1 to {_MAX_ID_LENGTH} characters, without NUL")


def is_storable(value: str) -> bool:
    """Whether both databases can store an id."""
    return 0 < len(value) <= _MAX_ID_LENGTH and "\0" not in value


def _add_user_message(
    stored: Sequence[UIMessage], index: int | None, sent: UIMessage
) -> TurnHistory:
    """Return the history with a user message that is new, edited or resent."""
    if index is None:
        index = len(stored)
    elif stored[index].role != "user":
        raise InvalidRequest("message.id: an assistant message of this chat has the same id")
    return TurnHistory([*stored[:index], sanitize_user_message(sent)], continues=False)


def _regenerate(stored: Sequence[UIMessage], request: ChatRequest) -> TurnHistory:
    """Return the history before the assistant message being regenerated."""
    sent = request.newest
    index = _index(stored, request.message_id)
    if index is not None:
        end = index if stored[index].role == "assistant" else index + 1
    elif sent is not None:
        # The regenerated assistant message may be missing (empty ones are not stored), so locate it
        # by the user message before it.
        index = _index(stored, sent.id)
        if index is None and sent.role == "user":
            return _add_user_message(stored, None, sent)
        end = 0 if index is None else index + 1
    elif request.message_id is None and stored:
        end = len(stored) - (stored[-1].role == "assistant")
    else:
        end = 0
    if end == 0:
        raise ChatConflict("This chat has no such message to respond to. Please reload it.")
    return TurnHistory(list(stored[:end]), continues=False)


def _index(stored: Sequence[UIMessage], message_id: str | None) -> int | None:
    ids = [message.id for message in stored]
    return ids.index(message_id) if message_id in ids else None


def _without_reserved_keys(metadata: Any) -> Any:
    if not isinstance(metadata, dict):
        return metadata
    return {key: value for key, value in metadata.items() if not key.startswith(_RESERVED_PREFIX)}
