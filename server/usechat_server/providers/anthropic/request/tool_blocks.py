"""The tool part of a call that the app or the client executed → `tool_use` and `tool_result`."""

from __future__ import annotations

from typing import Any

from ui_message_stream.messages import FilePart, ToolPart

from usechat_server.errors import InvalidRequest
from usechat_server.providers.anthropic.provider_metadata import read_anthropic_metadata
from usechat_server.providers.anthropic.request.files import file_block
from usechat_server.providers.anthropic.request.provider_tool_blocks import caller_field
from usechat_server.providers.history.tool_calls import (
    api_tool_name,
    call_error,
    call_input,
    output_content,
)
from usechat_server.tools import DeclaredTool

__all__ = ["tool_result", "tool_use"]

_MAX_NAME_LENGTH = 128


def tool_use(part: ToolPart, call_id: str) -> dict[str, Any]:
    """Return the call."""
    block = {
        "type": "tool_use",
        "id": call_id,
        "name": api_tool_name(part.tool_name, _MAX_NAME_LENGTH),
    }
    value = call_input(part)
    if toolset := _toolset_name(part):
        # For the client this is a call of the set; `action` in its input names the tool.
        block["name"] = api_tool_name(str(value.get("action", toolset)), _MAX_NAME_LENGTH)
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
        content = output_content(part, tool, _output_file_block, files=files)
        # The API accepts a result without content, but not one with blank text.
        return {**block, "content": content} if content else block
    return {**block, "content": call_error(part), "is_error": True}


def _output_file_block(part: FilePart) -> dict[str, Any]:
    block = file_block(part)
    if block["type"] == "container_upload":  # which a result cannot contain
        raise InvalidRequest("A file that only code could read.")
    return block


def _toolset_name(part: ToolPart) -> str | None:
    """Return the provider's toolset that the call belongs to, if any."""
    name = read_anthropic_metadata(part.call_provider_metadata).get("toolsetName")
    return name if isinstance(name, str) else None
