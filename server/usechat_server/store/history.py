"""The history of a turn: the stored messages that a request keeps, and what it adds.

Only the newest user message, tool outputs and approval decisions are accepted from the client. The
forms of requests are in `chat_request`; what a chat begins with that is not stored yet is in
`client_history`.

Source: `AbstractChat.sendMessage` and `regenerate` in `ai/src/ui/chat.ts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ui_message_stream.messages import ToolPart, UIMessage

from usechat_server.chat_request import ChatRequest
from usechat_server.client_history import sanitize_user_message
from usechat_server.errors import ChatConflict, InvalidRequest
from usechat_server.trust import merge_client_message, merge_earlier_message

__all__ = ["check_id", "is_storable", "next_history"]

#: Maximum id length in characters: SQLite and PostgreSQL index ids.
_MAX_ID_LENGTH = 200

_NO_NEW_MESSAGE = "message: expected a message, got nothing"
#: The states of calls that a client can still resolve.
_OPEN_STATES = ("input-available", "approval-requested", "approval-responded")


class TurnHistory(NamedTuple):
    """The history of a turn."""

    #: ends with the message to respond to, or to continue
    messages: list[UIMessage]
    #: whether the last message is continued
    continues: bool
    #: ids of the calls whose output the client supplied
    client_outputs: frozenset[str] = frozenset()
    #: ids of the messages before the last with calls that the client resolved
    resolved_messages: frozenset[str] = frozenset()


def next_history(stored: Sequence[UIMessage], request: ChatRequest) -> TurnHistory:
    """Return the history that a request asks to respond to.

    Raises:
        InvalidRequest: The request is malformed (the AI SDK never sends this).
        ChatConflict: The chat has changed since the client loaded it.
    """
    history = _regenerate(stored, request) if request.is_regeneration else _extend(stored, request)
    return _with_resolved_calls(history, request.messages or ())


def _extend(stored: Sequence[UIMessage], request: ChatRequest) -> TurnHistory:
    """Return the history with a message of the user, or with a continued message."""
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


def _with_resolved_calls(history: TurnHistory, sent: Sequence[UIMessage]) -> TurnHistory:
    """Return the history with the outputs and denials that the client has in earlier messages: it
    did not continue those, but went on with another message."""
    sent_by_id = {message.id: message for message in sent}
    messages, client_outputs = list(history.messages), set(history.client_outputs)
    resolved: set[str] = set()
    for index, message in enumerate(messages[:-1]):
        sent_message = sent_by_id.get(message.id)
        if message.role != "assistant" or sent_message is None or not _has_open_call(message):
            continue
        messages[index], outputs = merge_earlier_message(message, sent_message)
        if messages[index] is not message:
            resolved.add(message.id)
            client_outputs |= outputs
    return TurnHistory(messages, history.continues, frozenset(client_outputs), frozenset(resolved))


def _has_open_call(message: UIMessage) -> bool:
    return any(isinstance(part, ToolPart) and part.state in _OPEN_STATES for part in message.parts)


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
    check_id("message.id", sent.id)
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
