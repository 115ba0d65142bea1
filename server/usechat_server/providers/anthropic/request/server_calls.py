"""A tool part that the provider ran, in the history → its call and its result, as they were."""

from __future__ import annotations

import contextlib
from typing import Any

from ui_message_stream import json_codec
from ui_message_stream.messages import ToolPart
from ui_message_stream.schema import UNSET, ProviderMetadata

from usechat_server.providers.anthropic.tool_results import (
    SERVER_TOOLS,
    as_content,
    block_type,
    is_error,
)

__all__ = ["caller", "server_call", "server_result"]

#: Result block → the tool that it is of, where the app named the tool otherwise.
_TOOLS = {
    "web_search_tool_result": "web_search",
    "web_fetch_tool_result": "web_fetch",
    "code_execution_tool_result": "code_execution",
    "bash_code_execution_tool_result": "code_execution",
    "text_editor_code_execution_tool_result": "code_execution",
    "advisor_tool_result": "advisor",
}
_CODE_TOOLS = ("bash_code_execution", "text_editor_code_execution")


def server_call(part: ToolPart) -> dict[str, Any] | None:
    """The call; None if it is not whole, or of a tool of another provider's: that means nothing."""
    if not isinstance(part.input, dict):
        return None
    known = _anthropic(part.call_provider_metadata)
    made = {"id": part.tool_call_id, "input": part.input}
    if known.get("type") == "mcp-tool-use":
        server = known.get("serverName")
        named = {"type": "mcp_tool_use", "name": part.tool_name, "server_name": server}
        return {**named, **made} if isinstance(server, str) else None
    name = _tool(part)
    if name == "code_execution":
        kind = part.input.get("type")
        if kind in _CODE_TOOLS or kind == "programmatic-tool-call":
            name = kind if kind in _CODE_TOOLS else name
            made["input"] = {key: item for key, item in part.input.items() if key != "type"}
    if name is None:
        return None
    return {"type": "server_tool_use", "name": name, **made, **caller(part.call_provider_metadata)}


def server_result(part: ToolPart) -> dict[str, Any] | None:
    """The result; None if there is none yet, or not one of the provider's."""
    output = _outcome(part)
    if output is None:
        return None
    made = {"tool_use_id": part.tool_call_id}
    if _anthropic(part.call_provider_metadata).get("type") == "mcp-tool-use":
        failed = part.state == "output-error"
        return {"type": "mcp_tool_result", **made, "is_error": failed, "content": output}
    kind = block_type(output, _tool(part) or "")
    if kind is None:
        return None
    by = caller(part.result_provider_metadata) or caller(part.call_provider_metadata)
    if kind not in ("web_search_tool_result", "web_fetch_tool_result"):
        by = {}
    return {"type": kind, **made, "content": as_content(kind, output), **by}


def caller(metadata: ProviderMetadata | None) -> dict[str, Any]:
    """The block's field that says who called the tool, if it was said."""
    value = _anthropic(metadata).get("caller")
    if not isinstance(value, dict):
        return {}
    names = {"toolId": "tool_id"}
    return {"caller": {names.get(key, key): item for key, item in value.items()}}


def _anthropic(metadata: ProviderMetadata | None) -> dict[str, Any]:
    return (metadata or {}).get("anthropic", {})


def _tool(part: ToolPart) -> str | None:
    """The provider's name of the tool. Apps of the AI SDK name its tools as they like: then what
    came of it says which it is."""
    if part.tool_name in SERVER_TOOLS:
        return part.tool_name
    kind = block_type(_outcome(part), part.tool_name)
    if kind == "tool_search_tool_result":
        regex = isinstance(part.input, dict) and "pattern" in part.input
        return "tool_search_tool_regex" if regex else "tool_search_tool_bm25"
    return _TOOLS.get(kind or "")


def _outcome(part: ToolPart) -> Any:
    """What came of the call, also of one that failed; None if nothing did."""
    if part.state == "output-available":
        return None if part.output is UNSET else part.output
    if part.state != "output-error":
        return None
    told: Any = part.error_text
    with contextlib.suppress(ValueError):
        told = json_codec.decode(part.error_text or "")
    if is_error(told) or _anthropic(part.call_provider_metadata):
        return told
    # Servers that mask what tools say leave no code. The API wants one that it knows.
    kind = part.input.get("type") if isinstance(part.input, dict) else None
    name = kind if kind in _CODE_TOOLS else part.tool_name
    if name.startswith("tool_search_tool_"):
        name = "tool_search"
    return {"type": f"{name}_tool_result_error", "errorCode": "unavailable"}
