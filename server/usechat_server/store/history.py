"""What a request makes of the stored history: which of its messages go on, and what is added.

Of the client only the newest user message and answers to open calls are taken. The forms of
requests are in `request`; the clients' own rules are `AbstractChat.sendMessage` and `regenerate`
(`ai/src/ui/chat.ts`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from ui_message_stream.messages import DataPart, FilePart, TextPart, UIMessage, UnknownPart

from usechat_server.chat_request import ChatRequest
from usechat_server.errors import ChatConflict, InvalidRequest
from usechat_server.trust import merge_client_message

__all__ = ["Next", "checked_id", "is_storable", "next_history", "taken_of_user"]

#: Characters of an id: both databases index them.
_LONGEST_ID = 200

_NOTHING_TO_ANSWER = "message: expected the newest message of the chat"
#: What a user message can hold.
_USER_PARTS = (TextPart, FilePart, DataPart, UnknownPart)
#: Keys of the metadata that are this server's to say.
_OURS = "usechat."


class Next(NamedTuple):
    """The history of a turn."""

    #: ends with the message to answer or to continue
    messages: list[UIMessage]
    #: whether the last one is continued
    continues: bool
    #: ids of the calls whose output the client brought
    answered: frozenset[str]


def next_history(stored: Sequence[UIMessage], request: ChatRequest) -> Next:
    """The history that a request asks to go on with. Raises ChatError."""
    if request.is_regeneration:
        return _regenerated(stored, request)
    sent = request.newest
    if sent is None:
        raise InvalidRequest(_NOTHING_TO_ANSWER)
    index = _index(stored, sent.id)
    named = request.message_id
    if named not in (None, sent.id) and _index(stored, named) is not None:
        # What it was answered with is in that message, and this one is another.
        raise InvalidRequest("message: expected the one that `messageId` names")
    if sent.role == "user":
        return _said(stored, index, sent)
    if index is None or stored[index].role != "assistant":
        raise ChatConflict("This chat has no such message to continue. Please reload it.")
    merged, answered = merge_client_message(stored[index], sent)
    return Next([*stored[:index], merged], continues=True, answered=answered)


def taken_of_user(message: UIMessage) -> UIMessage:
    """A user's message with what a user can say. Raises ChatError if its id cannot be kept."""
    checked_id("message.id", message.id)
    return msgspec.structs.replace(
        message,
        parts=[part for part in message.parts if isinstance(part, _USER_PARTS)],
        metadata=_without_ours(message.metadata),
    )


def checked_id(name: str, value: str) -> None:
    """Raises ChatError for an id that a client made and a database cannot keep."""
    if not is_storable(value):
        raise InvalidRequest(f"{name}: expected 1 to {_LONGEST_ID} characters")


def is_storable(value: str) -> bool:
    """Whether a database can have such an id."""
    return 0 < len(value) <= _LONGEST_ID and "\0" not in value


def _said(stored: Sequence[UIMessage], index: int | None, sent: UIMessage) -> Next:
    """A new message of the user, or one that is there already: sent again, or edited."""
    if index is None:
        index = len(stored)
    elif stored[index].role != "user":
        raise InvalidRequest("message.id: another message of this chat has it")
    return Next([*stored[:index], taken_of_user(sent)], continues=False, answered=frozenset())


def _regenerated(stored: Sequence[UIMessage], request: ChatRequest) -> Next:
    """The history without the answer that is written anew, and without what followed it."""
    sent = request.newest
    index = _index(stored, request.message_id)
    if index is not None:
        end = index if stored[index].role == "assistant" else index + 1
    elif sent is not None:
        # What stands before the answer, which is not stored if it said nothing.
        index = _index(stored, sent.id)
        if index is None and sent.role == "user":
            return _said(stored, None, sent)
        end = 0 if index is None else index + 1
    elif request.message_id is None and stored:
        end = len(stored) - (stored[-1].role == "assistant")
    else:
        end = 0
    if end == 0:
        raise ChatConflict("This chat has no such message to answer. Please reload it.")
    return Next(list(stored[:end]), continues=False, answered=frozenset())


def _index(stored: Sequence[UIMessage], message_id: str | None) -> int | None:
    ids = [message.id for message in stored]
    return ids.index(message_id) if message_id in ids else None


def _without_ours(metadata: Any) -> Any:
    if not isinstance(metadata, dict):
        return metadata
    return {key: value for key, value in metadata.items() if not key.startswith(_OURS)}
