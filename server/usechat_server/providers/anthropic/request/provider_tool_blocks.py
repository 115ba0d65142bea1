"""The tool part of a provider-executed call → its tool use and its result, as the API sent them.

The API calls these tools server tools.
"""

from __future__ import annotations

import contextlib
from typing import Any

from ui_message_stream import json_codec
from ui_message_stream.messages import ToolPart
from ui_message_stream.schema import UNSET, ProviderMetadata

from usechat_server.providers.anthropic.provider_metadata import read_anthropic_metadata
from usechat_server.providers.anthropic.provider_tool_outputs import (
    PROVIDER_TOOLS,
    content_from_output,
    is_error,
    result_block_type,
)

__all__ = ["caller_field", "provider_tool_result", "provider_tool_use"]

#: Type of a result block → its tool, where the app gave the tool another name.
_TOOLS = {
    "web_search_tool_result": "web_search",
    "web_fetch_tool_result": "web_fetch",
    "code_execution_tool_result": "code_execution",
    "bash_code_execution_tool_result": "code_execution",
    "text_editor_code_execution_tool_result": "code_execution",
    "advisor_tool_result": "advisor",
}
#: The API's tools that are `code_execution` for the client, with their name as the input's `type`.
_CODE_TOOLS = ("bash_code_execution", "text_editor_code_execution")


def provider_tool_use(part: ToolPart, call_id: str) -> dict[str, Any] | None:
    """Return the call; None if it is incomplete, or of another provider's tool.

    Args:
        part: The tool part.
        call_id: The call's id in this request.
    """
    if not isinstance(part.input, dict):
        return None
    metadata = read_anthropic_metadata(part.call_provider_metadata)
    id_and_input = {"id": call_id, "input": part.input}
    if metadata.get("type") == "mcp-tool-use":
        server_name = metadata.get("serverName")
        if not isinstance(server_name, str):
            return None
        names = {"name": part.tool_name, "server_name": server_name}
        return {"type": "mcp_tool_use", **names, **id_and_input}
    name = _api_tool_name(part)
    if name == "code_execution":
        kind = part.input.get("type")
        if kind in _CODE_TOOLS or kind == "programmatic-tool-call":
            name = kind if kind in _CODE_TOOLS else name
            api_input = {key: item for key, item in part.input.items() if key != "type"}
            id_and_input["input"] = api_input
    if name is None:
        return None
    caller = caller_field(part.call_provider_metadata)
    return {"type": "server_tool_use", "name": name, **id_and_input, **caller}


def provider_tool_result(part: ToolPart, call_id: str) -> dict[str, Any] | None:
    """Return the result; None if there is none yet, or if it is not this provider's.

    Args:
        part: The tool part.
        call_id: The call's id in this request.
    """
    output = _output_or_error(part)
    if output is None:
        return None
    tool_use_id = {"tool_use_id": call_id}
    if read_anthropic_metadata(part.call_provider_metadata).get("type") == "mcp-tool-use":
        has_failed = part.state == "output-error"
        return {"type": "mcp_tool_result", **tool_use_id, "is_error": has_failed, "content": output}
    block_type = result_block_type(output, _api_tool_name(part) or "")
    if block_type is None:
        return None
    caller: dict[str, Any] = {}
    if block_type in ("web_search_tool_result", "web_fetch_tool_result"):
        caller = caller_field(part.result_provider_metadata) or caller_field(
            part.call_provider_metadata
        )
    content = content_from_output(block_type, output)
    return {"type": block_type, **tool_use_id, "content": content, **caller}


def caller_field(metadata: ProviderMetadata | None) -> dict[str, Any]:
    """Return the block's `caller` field, which says what called the tool; empty if unknown."""
    caller = read_anthropic_metadata(metadata).get("caller")
    if not isinstance(caller, dict):
        return {}
    api_keys = {"toolId": "tool_id"}
    return {"caller": {api_keys.get(key, key): item for key, item in caller.items()}}


def _api_tool_name(part: ToolPart) -> str | None:
    """Return the API's name of the tool; None if it is not Anthropic's.

    Apps of the AI SDK choose the names of provider tools. Then the output says which tool it is.
    """
    if part.tool_name in PROVIDER_TOOLS:
        return part.tool_name
    block_type = result_block_type(_output_or_error(part), part.tool_name)
    if block_type == "tool_search_tool_result":
        is_regex = isinstance(part.input, dict) and "pattern" in part.input
        return "tool_search_tool_regex" if is_regex else "tool_search_tool_bm25"
    return _TOOLS.get(block_type or "")


def _output_or_error(part: ToolPart) -> Any:
    """Return the call's output, or the error that it failed with; None if there is neither."""
    if part.state == "output-available":
        return None if part.output is UNSET else part.output
    if part.state != "output-error":
        return None
    error: Any = part.error_text
    with contextlib.suppress(ValueError):
        error = json_codec.decode(part.error_text or "")
    if is_error(error) or read_anthropic_metadata(part.call_provider_metadata):
        return error
    # Servers that mask the errors of tools leave no error code, and the API requires one.
    kind = part.input.get("type") if isinstance(part.input, dict) else None
    name = kind if kind in _CODE_TOOLS else part.tool_name
    if name.startswith("tool_search_tool_"):
        name = "tool_search"
    return {"type": f"{name}_tool_result_error", "errorCode": "unavailable"}
