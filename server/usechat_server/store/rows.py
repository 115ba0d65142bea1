"""Conversions between table rows and objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row
from ui_message_stream import json_codec
from ui_message_stream.messages import StepStartPart, TextPart, UIMessage

from usechat_server.results import Step, Usage
from usechat_server.store.base import Chat, StoredTurn
from usechat_server.turn import WRAPPERS

__all__ = [
    "Contents",
    "chat",
    "content",
    "first_text",
    "has_content",
    "message",
    "now",
    "owner",
    "step_values",
    "turn",
    "user",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: Characters of a title that is taken from a text.
_MAX_TITLE_LENGTH = 80


def now() -> int:
    """Return the current time in microseconds since 1970."""
    return (datetime.now(UTC) - _EPOCH) // _MICROSECOND


def _time(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def owner(user: str | None) -> str:
    """Return the user as stored. No user is an empty text: in SQL, NULL does not equal NULL."""
    return user or ""


def user(stored: str) -> str | None:
    """Return the user that `owner` stored."""
    return stored or None


def content(message: UIMessage) -> str:
    """Return a whole message as stored."""
    return json_codec.encode(message.to_object()).decode()


class Contents:
    """Messages as they are stored, each encoded once, and before the transaction that stores it:
    others wait for that."""

    def __init__(self, messages: Sequence[UIMessage]) -> None:
        self._messages = messages
        #: by the identity of the message
        self._contents: dict[int, str] = {}

    def encode(self) -> int:
        """Encode all of them, and return their bytes."""
        return sum(len(self.of(message).encode()) for message in self._messages)

    def of(self, message: UIMessage) -> str:
        """Return a message as stored."""
        if (encoded := self._contents.get(id(message))) is None:
            encoded = self._contents[id(message)] = content(message)
        return encoded


def message(content: str) -> UIMessage:
    """Return the message that `content` stored."""
    # Earlier releases stored whatever the Python version could decode.
    return UIMessage.from_object(json_codec.decode_pruned(content, wrappers=WRAPPERS))


def has_content(message: UIMessage) -> bool:
    """Whether an assistant message has anything worth storing."""
    return any(not isinstance(part, StepStartPart) for part in message.parts)


def first_text(messages: Iterable[UIMessage]) -> str | None:
    """Return the beginning of the first user text, in one line."""
    for message in messages:
        for part in message.parts if message.role == "user" else ():
            if isinstance(part, TextPart) and (text := " ".join(part.text[:1000].split())):
                text = text.replace("\0", "")
                return (
                    text
                    if len(text) <= _MAX_TITLE_LENGTH
                    else f"{text[: _MAX_TITLE_LENGTH - 1].rstrip()}…"
                )
    return None


def chat(row: Row[Any]) -> Chat:
    return Chat(
        id=row.id,
        title=row.first_text if row.title is None else row.title,
        created_at=_time(row.created_at),
        updated_at=_time(row.updated_at),
        active_run_id=row.run_id,
    )


def turn(row: Row[Any], steps: Sequence[Row[Any]]) -> StoredTurn:
    return StoredTurn(
        run_id=row.run_id,
        message_id=row.message_id,
        outcome=row.outcome,
        started_at=_time(row.started_at),
        ended_at=None if row.ended_at is None else _time(row.ended_at),
        steps=[_step(step) for step in steps],
    )


def step_values(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Return the columns of the steps, without the turn."""
    return [
        {
            "number": number,
            "model": step.model,
            "finish_reason": step.finish_reason,
            "input": step.usage.input,
            "output": step.usage.output,
            "cache_read": step.usage.cache_read,
            "cache_write": step.usage.cache_write,
            "thinking": step.usage.thinking,
        }
        for number, step in enumerate(steps)
    ]


def _step(row: Row[Any]) -> Step:
    usage = Usage(row.input, row.output, row.cache_read, row.cache_write, row.thinking)
    return Step(row.model, usage, row.finish_reason)
