"""The tool part of a call that the app or the client executed → `tool_use` and `tool_result`.

The API refuses a conversation with a call that has no result, so every call gets one, whatever
interrupted it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from typing import Any

from ui_message_stream import json_codec
from ui_message_stream.messages import FilePart, TextPart, ToolPart
from ui_message_stream.schema import UNSET

from usechat_server.errors import ChatError
from usechat_server.providers.anthropic.provider_metadata import read_anthropic_metadata
from usechat_server.providers.anthropic.request.files import file_block, file_name
from usechat_server.providers.anthropic.request.provider_tool_blocks import caller_field
from usechat_server.tools import DeclaredTool, ModelContent
from usechat_server.tools.outputs import model_content

__all__ = ["ToolCallIds", "tool_result", "tool_use"]

#: What the API refuses in ids and names; other providers may allow it.
_INVALID_CHARACTERS = re.compile(r"[^a-zA-Z0-9_-]")
_MAX_NAME_LENGTH = 128

_INTERRUPTED = "The call was interrupted and has no result."
_NOT_APPROVED = "The call was not run: it was not approved."
_DENIED = "The user denied this call."
_FAILED = "The tool failed."
#: (a result cannot contain one)
_CODE_ONLY_FILE = "(A file that only code could read.)"


class ToolCallIds:
    """The ids of the tool calls of one request. The API refuses an id that is used twice."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        #: the last number tried for an id: a client may send one id very often
        self._numbers: dict[str, int] = {}

    def assign(self, call_id: str) -> str:
        """Return the id itself if the API allows it, else one derived from it.

        The same messages give the same ids.
        """
        base = _INVALID_CHARACTERS.sub("_", call_id) or "call"
        unique_id = base
        while unique_id in self._used:
            number = self._numbers[base] = self._numbers.get(base, 1) + 1
            unique_id = f"{base}_{number}"
        self._used.add(unique_id)
        return unique_id


def api_tool_name(name: str) -> str:
    """Return the name with only what the API allows in it."""
    return _INVALID_CHARACTERS.sub("_", name)[:_MAX_NAME_LENGTH] or "_"


def tool_use(part: ToolPart, call_id: str) -> dict[str, Any]:
    """Return the call."""
    block = {"type": "tool_use", "id": call_id, "name": api_tool_name(part.tool_name)}
    value = _input_object(part)
    if toolset := _toolset_name(part):
        # For the client this is a call of the set; `action` in its input names the tool.
        block["name"] = api_tool_name(str(value.get("action", toolset)))
        block["toolset_name"] = toolset
        value = {key: item for key, item in value.items() if key != "action"}
    return {**block, "input": value, **caller_field(part.call_provider_metadata)}


def tool_result(
    part: ToolPart, call_id: str, tool: DeclaredTool | None, *, files: bool = True
) -> dict[str, Any]:
    """Return the result of the call; an error if there is no output.

    Args:
        part: The tool part.
        call_id: The call's id in this request.
        tool: The tool; None if it is no longer declared: the model gets its output as JSON.
        files: Whether files in the output are sent, or a note in their place.
    """
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call_id}
    if toolset := _toolset_name(part):
        block["toolset_name"] = toolset
    if part.state == "output-available":
        output = None if part.output is UNSET else part.output
        pieces = model_content(output) if tool is None else tool.model_output(output)
        content = _result_content(pieces, files=files)
        # The API accepts a result without content, but not one with blank text.
        return {**block, "content": content} if content else block
    return {**block, "content": _error_text(part), "is_error": True}


def _result_content(pieces: Sequence[ModelContent], *, files: bool) -> str | list[dict[str, Any]]:
    """Return the content of a result: a string if it is only text, else blocks."""
    blocks = [
        _content_block(piece, files=files)
        for piece in pieces
        if isinstance(piece, FilePart) or piece.text.strip()
    ]
    match blocks:
        case [{"type": "text", "text": str(text)}]:
            return text
    return blocks


def _content_block(piece: ModelContent, *, files: bool) -> dict[str, Any]:
    if isinstance(piece, TextPart):
        return {"type": "text", "text": piece.text}
    if not files:
        return {"type": "text", "text": f"({file_name(piece, 'A file')} could not be read.)"}
    try:
        block = file_block(piece)
    except ChatError as error:
        return {"type": "text", "text": f"({error.text})"}
    if block["type"] == "container_upload":
        return {"type": "text", "text": _CODE_ONLY_FILE}
    return block


def _toolset_name(part: ToolPart) -> str | None:
    """Return the provider's toolset that the call belongs to, if any."""
    name = read_anthropic_metadata(part.call_provider_metadata).get("toolsetName")
    return name if isinstance(name, str) else None


def _error_text(part: ToolPart) -> str:
    """Return why there is no output. The API refuses an error without text."""
    if part.state == "output-error":
        return _first_non_blank(part.error_text, _FAILED)
    approval = part.approval
    if part.state == "output-denied" or (approval is not None and approval.approved is False):
        return _first_non_blank(approval.reason if approval else None, _DENIED)
    return _NOT_APPROVED if part.state == "approval-requested" else _INTERRUPTED


def _first_non_blank(text: str | None, default: str) -> str:
    return text if text and text.strip() else default


def _input_object(part: ToolPart) -> dict[str, Any]:
    """Return the input, which has to be an object. Text that is not valid JSON is wrapped in one,
    so that the model sees what it wrote."""
    value = part.input if part.input not in (UNSET, None) else part.raw_input
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = json_codec.decode(value)
    if isinstance(value, dict):
        return value
    return {} if value in (UNSET, None, "") else {"invalid_input": value}
