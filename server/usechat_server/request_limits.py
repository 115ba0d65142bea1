"""What a request may contain: how much of everything, and which ids of chats."""

from __future__ import annotations

import unicodedata
from typing import Any

from ui_message_stream import json_codec

from usechat_server.errors import InvalidRequest, PayloadTooLarge
from usechat_server.settings import Settings

__all__ = ["check_chat_id", "check_messages", "check_values"]

_MAX_ID_LENGTH = 200
#: Categories of characters that no path, log line or list shows: control and format characters,
#: surrogates, separators of lines and paragraphs.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
#: The last segments of the routes below a chat's.
_ROUTE_WORDS = ("branches", "stop", "stream", "usage")


def check_chat_id(chat_id: str) -> None:
    """Check that a chat can be reached by the path that its id is part of.

    Raises:
        InvalidRequest: It cannot.
    """
    is_visible = _INVISIBLE.isdisjoint(map(unicodedata.category, chat_id))
    if not (1 <= len(chat_id) <= _MAX_ID_LENGTH and is_visible):
        raise InvalidRequest(
            f"id: expected 1 to {_MAX_ID_LENGTH} characters, none of them a control character"
        )
    first, *others = chat_id.split("/")
    if others and others[-1] in _ROUTE_WORDS:
        raise InvalidRequest(f"id: expected an id that does not end in /{others[-1]}")
    if not {"", ".", ".."}.isdisjoint({first, *others}):
        raise InvalidRequest("id: expected no empty segment, no '.' and no '..' between slashes")


def check_values(body: bytes, settings: Settings) -> None:
    """Check how many JSON values a body has, before it is parsed.

    Raises:
        PayloadTooLarge: It has too many.
    """
    limit = settings.max_json_values
    if json_codec.has_more_values(body, limit):
        raise PayloadTooLarge(f"The request has too many values: at most {limit} are allowed.")


def check_messages(messages: list[Any], settings: Settings) -> None:
    """Check how many messages and parts a request has, before they are parsed.

    Raises:
        PayloadTooLarge: It has too many.
    """
    limit = settings.max_messages
    if len(messages) > limit:
        raise PayloadTooLarge(
            f"The chat has too many messages: at most {limit} are allowed. Please start a new chat."
        )
    limit = settings.max_parts
    lists = (message.get("parts") for message in messages if isinstance(message, dict))
    if sum(len(parts) for parts in lists if isinstance(parts, list)) > limit:
        raise PayloadTooLarge(
            f"The chat has too many parts: at most {limit} are allowed. Please start a new chat."
        )
