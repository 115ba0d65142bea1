"""The parts of a user message → content of a request: texts, and files that the model can read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ui_message_stream.errors import WireError
from ui_message_stream.messages import (
    FilePart,
    Part,
    SteeringMessagePart,
    TextPart,
    UIMessage,
    parse_part,
)

from usechat_server.errors import ChatError, InvalidRequest
from usechat_server.providers.history.files import file_name

__all__ = [
    "check_reference",
    "new_file_names",
    "responded_to",
    "steering_parts",
    "text_block",
    "unreadable_file",
    "user_content",
]

_NOT_ALLOWED = "{name} cannot be used here: send the file itself."

#: Returns the content for a file; raises ChatError if the model cannot read it.
FileBlock = Callable[[FilePart], dict[str, Any]]


def text_block(text: str) -> dict[str, Any]:
    """Return a text as most APIs have it."""
    return {"type": "text", "text": text}


def unreadable_file(part: FilePart) -> str:
    """Return what the model is told instead of a file that it cannot read."""
    return f"({file_name(part, 'A file')} could not be read.)"


def user_content(
    parts: Iterable[Part],
    file_block: FileBlock,
    *,
    new: bool,
    has_files: bool,
    to_text: Callable[[str], dict[str, Any]] = text_block,
) -> list[dict[str, Any]]:
    """Return the content of a user message.

    What cannot be sent raises ChatError if the message is new. A bad file of an older message is
    only named, so that it does not make the chat unusable.

    Args:
        parts: The parts of the message.
        file_block: Returns the content for a file.
        new: Whether this is the message to respond to.
        has_files: Whether files are sent at all, or only named.
        to_text: Returns the content for a text.
    """
    content: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, TextPart) and part.text.strip():
            content.append(to_text(part.text))
        elif isinstance(part, FilePart):
            note = to_text(unreadable_file(part))
            try:
                content.append(file_block(part) if has_files else note)
            except ChatError:
                if new:
                    raise
                content.append(note)
    if new and not content:
        raise InvalidRequest("The message is empty.")
    return content


def check_reference(
    part: FilePart, provider: str, may_use_file: Callable[[str], bool] | None
) -> None:
    """Check that the user may refer to a file at the provider.

    Raises:
        ChatError: They may not.
    """
    file_id = (part.provider_reference or {}).get(provider)
    if file_id and (may_use_file is None or not may_use_file(file_id)):
        raise InvalidRequest(_NOT_ALLOWED.format(name=file_name(part)))


def steering_parts(part: SteeringMessagePart) -> Iterator[Part]:
    """Yield the parts of a user message that interrupted the assistant."""
    for value in part.parts:
        with contextlib.suppress(WireError):
            yield parse_part(value)


def responded_to(messages: Sequence[UIMessage]) -> UIMessage | None:
    """Return the user message that is responded to, at the end or before the response so far."""
    return next((each for each in reversed(messages) if each.role == "user"), None)


def new_file_names(messages: Sequence[UIMessage]) -> list[str]:
    """Return the names of the files in the newest message, if it is the user's."""
    if not messages or messages[-1].role != "user":
        return []
    return [file_name(part) for part in messages[-1].parts if isinstance(part, FilePart)]
