"""The tool part of a call that the app or the client executed: its id, input, output or error.

Providers refuse a conversation with a call that has no result, so every call gets one, whatever
interrupted it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Any

from ui_message_stream import json_codec
from ui_message_stream.messages import FilePart, TextPart, ToolPart
from ui_message_stream.schema import UNSET

from usechat_server.errors import ChatError
from usechat_server.providers.history.user_parts import text_block, unreadable_file
from usechat_server.tools import DeclaredTool, ModelContent
from usechat_server.tools.outputs import model_content

__all__ = ["ToolCallIds", "api_tool_name", "call_error", "call_input", "output_content"]

#: What APIs refuse in ids and names; other providers may allow it.
_INVALID_CHARACTERS = re.compile(r"[^a-zA-Z0-9_-]")

_INTERRUPTED = "The call was interrupted and has no result."
_NOT_APPROVED = "The call was not run: it was not approved."
_DENIED = "The user denied this call."
_FAILED = "The tool failed."


class ToolCallIds:
    """The ids of the tool calls of one request. APIs refuse an id that is used twice.

    Args:
        max_length: Characters that an id may have. None: any number.
        numbered: Whether the ids are numbers with nine characters, which every API allows.
    """

    def __init__(self, max_length: int | None = None, *, numbered: bool = False) -> None:
        self._max_length = max_length
        self._numbered = numbered
        self._used: set[str] = set()
        #: the last number tried for an id: a client may send one id very often
        self._numbers: dict[str, int] = {}

    def assign(self, call_id: str) -> str:
        """Return the id itself if the API allows it, else one derived from it.

        The same messages give the same ids.
        """
        if self._numbered:
            call_id = f"call{len(self._used):05}"
        base = _INVALID_CHARACTERS.sub("_", call_id)[: self._max_length] or "call"
        unique_id = base
        while unique_id in self._used:
            number = self._numbers[base] = self._numbers.get(base, 1) + 1
            suffix = f"_{number}"
            kept = None if self._max_length is None else self._max_length - len(suffix)
            unique_id = f"{base[:kept]}{suffix}"
        self._used.add(unique_id)
        return unique_id


def api_tool_name(name: str, max_length: int) -> str:
    """Return the name with only what APIs allow in it."""
    return _INVALID_CHARACTERS.sub("_", name)[:max_length] or "_"


def output_content(
    part: ToolPart,
    tool: DeclaredTool | None,
    file_block: Callable[[FilePart], dict[str, Any]],
    *,
    files: bool,
    to_text: Callable[[str], dict[str, Any]] = text_block,
) -> str | list[dict[str, Any]]:
    """Return what the model sees of a call's output: a string if it is only text, else content.

    Args:
        part: The tool part, which has an output.
        tool: The tool; None if it is no longer declared: the model gets its output as JSON.
        file_block: Returns the content for a file; raises ChatError if the model cannot read it.
        files: Whether files are sent, or a note in their place.
        to_text: Returns the content for a text.
    """
    output = None if part.output is UNSET else part.output
    pieces = model_content(output) if tool is None else tool.model_output(output)
    content = [
        _piece_content(piece, file_block, to_text, files=files)
        for piece in pieces
        if isinstance(piece, FilePart) or piece.text.strip()
    ]
    match content:
        case [{"text": str(text)}]:
            return text
    return content


def _piece_content(
    piece: ModelContent,
    file_block: Callable[[FilePart], dict[str, Any]],
    to_text: Callable[[str], dict[str, Any]],
    *,
    files: bool,
) -> dict[str, Any]:
    if isinstance(piece, TextPart):
        return to_text(piece.text)
    if not files:
        return to_text(unreadable_file(piece))
    try:
        return file_block(piece)
    except ChatError as error:
        return to_text(f"({error.text})")


def call_error(part: ToolPart) -> str:
    """Return why a call has no output. APIs refuse an error without text."""
    if part.state == "output-error":
        return _first_non_blank(part.error_text, _FAILED)
    approval = part.approval
    if part.state == "output-denied" or (approval is not None and approval.approved is False):
        return _first_non_blank(approval.reason if approval else None, _DENIED)
    return _NOT_APPROVED if part.state == "approval-requested" else _INTERRUPTED


def _first_non_blank(text: str | None, default: str) -> str:
    return text if text and text.strip() else default


def call_input(part: ToolPart) -> dict[str, Any]:
    """Return the input, which has to be an object. Text that is not valid JSON is wrapped in one,
    so that the model sees what it wrote."""
    value = part.input if part.input not in (UNSET, None) else part.raw_input
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = json_codec.decode(value)
    if isinstance(value, dict):
        return value
    return {} if value in (UNSET, None, "") else {"invalid_input": value}
