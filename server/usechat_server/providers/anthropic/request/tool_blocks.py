"""A tool call of the app or the page in the history → its `tool_use` and `tool_result` blocks.

A call without a result makes the API refuse the conversation for good, so that every call gets one,
whatever interrupted it.
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
from usechat_server.providers.anthropic.request.files import file_block
from usechat_server.providers.anthropic.request.server_calls import caller
from usechat_server.tools import DeclaredTool, ModelContent
from usechat_server.tools.outputs import model_content

__all__ = ["CallIds", "tool_name", "tool_result", "tool_use"]

#: What the API allows in ids and names, which other providers do not keep to.
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")
_NAME_LENGTH = 128

_INTERRUPTED = "The call was interrupted and has no result."
_NOT_APPROVED = "The call was not run: nobody approved it."
_DENIED = "The user denied this call."
_FAILED = "The tool failed."
#: (a result cannot hold one)
_FOR_CODE = "(A file that only code could read.)"


class CallIds:
    """Ids for the calls of one request. The API refuses an id that comes twice."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        #: the last number that was tried for an id: a client may send one id very often
        self._numbers: dict[str, int] = {}

    def take(self, wanted: str) -> str:
        """The id itself where the API allows it, else one made from it, the same each time."""
        base = _FOREIGN.sub("_", wanted) or "call"
        call_id = base
        while call_id in self._taken:
            number = self._numbers[base] = self._numbers.get(base, 1) + 1
            call_id = f"{base}_{number}"
        self._taken.add(call_id)
        return call_id


def tool_name(name: str) -> str:
    """The name as the API allows it."""
    return _FOREIGN.sub("_", name)[:_NAME_LENGTH] or "_"


def tool_use(part: ToolPart, call_id: str) -> dict[str, Any]:
    """The call."""
    made = {"type": "tool_use", "id": call_id, "name": tool_name(part.tool_name)}
    value = _input(part)
    if toolset := _toolset(part):
        # The page has it as a call of the set, whose input says which of its tools is meant.
        made |= {"name": tool_name(str(value.get("action", toolset))), "toolset_name": toolset}
        value = {key: item for key, item in value.items() if key != "action"}
    return {**made, "input": value, **caller(part.call_provider_metadata)}


def tool_result(part: ToolPart, call_id: str, tool: DeclaredTool | None) -> dict[str, Any]:
    """What came of the call, an error if nothing did. A tool that is not declared any more is None:
    of its output the model is shown the JSON."""
    made: dict[str, Any] = {"type": "tool_result", "tool_use_id": call_id}
    if toolset := _toolset(part):
        made["toolset_name"] = toolset
    if part.state == "output-available":
        output = None if part.output is UNSET else part.output
        pieces = model_content(output) if tool is None else tool.model_output(output)
        # Nothing at all is a result too; blank text is not.
        return {**made, "content": content} if (content := _content(pieces)) else made
    return {**made, "content": _error_text(part), "is_error": True}


def _content(pieces: Sequence[ModelContent]) -> str | list[dict[str, Any]]:
    """What a result consists of: text alone, or blocks."""
    blocks = [_block(p) for p in pieces if isinstance(p, FilePart) or p.text.strip()]
    match blocks:
        case [{"type": "text", "text": str(text)}]:
            return text
    return blocks


def _block(piece: ModelContent) -> dict[str, Any]:
    if isinstance(piece, TextPart):
        return {"type": "text", "text": piece.text}
    try:
        block = file_block(piece)
    except ChatError as error:
        return {"type": "text", "text": f"({error.text})"}
    if block["type"] == "container_upload":
        return {"type": "text", "text": _FOR_CODE}
    return block


def _toolset(part: ToolPart) -> str | None:
    """The provider's set of tools that the called one is of, if any."""
    name = (part.call_provider_metadata or {}).get("anthropic", {}).get("toolsetName")
    return name if isinstance(name, str) else None


def _error_text(part: ToolPart) -> str:
    """Why there is no output. (The API refuses an error without text.)"""
    if part.state == "output-error":
        return _or(part.error_text, _FAILED)
    approval = part.approval
    if part.state == "output-denied" or (approval is not None and approval.approved is False):
        return _or(approval.reason if approval else None, _DENIED)
    return _NOT_APPROVED if part.state == "approval-requested" else _INTERRUPTED


def _or(text: str | None, fallback: str) -> str:
    return text if text and text.strip() else fallback


def _input(part: ToolPart) -> dict[str, Any]:
    """The input, which the API takes as an object only. What could not be parsed is kept where
    the model sees what it wrote."""
    value = part.input if part.input not in (UNSET, None) else part.raw_input
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            value = json_codec.decode(value)
    if isinstance(value, dict):
        return value
    return {} if value in (UNSET, None, "") else {"invalid_input": value}
