"""What came of a tool that the provider ran: as the API says it, and as the page has it."""

from __future__ import annotations

from typing import Any

from ui_message_stream import json_codec

__all__ = ["SERVER_TOOLS", "as_content", "as_output", "block_type", "error_text", "is_error"]

#: The tools that the provider runs, by its names. Those of code execution are one in the page.
SERVER_TOOLS = frozenset(
    {
        "web_search",
        "web_fetch",
        "code_execution",
        "bash_code_execution",
        "text_editor_code_execution",
        "tool_search_tool_regex",
        "tool_search_tool_bm25",
        "advisor",
    }
)

#: Result block → the API's keys that the page has in its own spelling.
_KEYS = {
    "web_search_tool_result": {"page_age": "pageAge", "encrypted_content": "encryptedContent"},
    "web_fetch_tool_result": {"retrieved_at": "retrievedAt", "media_type": "mediaType"},
    "tool_search_tool_result": {"tool_name": "toolName"},
    "advisor_tool_result": {"encrypted_content": "encryptedContent", "stop_reason": "stopReason"},
}
_ERROR_KEYS = {"error_code": "errorCode", "error_message": "errorMessage"}

#: What the type of an output says of the block that it came in.
_BLOCK_TYPES = {
    "web_search_result": "web_search_tool_result",
    "web_fetch_result": "web_fetch_tool_result",
    "code_execution_result": "code_execution_tool_result",
    "encrypted_code_execution_result": "code_execution_tool_result",
    "bash_code_execution_result": "bash_code_execution_tool_result",
    "tool_reference": "tool_search_tool_result",
    "advisor_result": "advisor_tool_result",
    "advisor_redacted_result": "advisor_tool_result",
}
#: An output without a type is an empty list, of one of these.
_LISTS = {
    "web_search": "web_search_tool_result",
    "tool_search_tool_regex": "tool_search_tool_result",
    "tool_search_tool_bm25": "tool_search_tool_result",
}


def is_error(content: Any) -> bool:
    """Whether a result block's content says that the tool failed."""
    return isinstance(content, dict) and str(content.get("type", "")).endswith("_error")


def as_output(kind: str, content: Any) -> Any:
    """A result block's content → the tool part's output; of an error, what `errorText` holds."""
    if is_error(content):
        names = {"type": "type", **_ERROR_KEYS}
        return {
            names[key]: value
            for key, value in content.items()
            if key in names and value is not None
        }
    if kind == "tool_search_tool_result" and isinstance(content, dict):
        content = content.get("tool_references", [])
    if kind == "code_execution_tool_result" and isinstance(content, dict):
        return {**content, "content": content.get("content") or []}
    shown = _renamed(content, _KEYS.get(kind, {}))
    if kind == "web_search_tool_result" and isinstance(shown, list):
        return [
            {"pageAge": None, **{k: v for k, v in result.items() if k != "title" or v is not None}}
            for result in shown
        ]
    if kind == "advisor_tool_result" and isinstance(shown, dict):
        return {key: value for key, value in shown.items() if value is not None}
    return shown


def as_content(kind: str, output: Any) -> Any:
    """The inverse of `as_output`, for what the page sends back."""
    if is_error(output):
        return _renamed(output, {name: key for key, name in _ERROR_KEYS.items()})
    content = _renamed(output, {name: key for key, name in _KEYS.get(kind, {}).items()})
    if kind == "tool_search_tool_result":
        return {"type": "tool_search_tool_search_result", "tool_references": content}
    return content


def block_type(output: Any, tool: str) -> str | None:
    """The type of the result block that an output came in; None if no provider's tool made it.

    The app may have named the tool as it liked, so that what came of it says more than its name.
    """
    first = output[0] if isinstance(output, list) and output else output
    kind = first.get("type") if isinstance(first, dict) else None
    if not isinstance(kind, str):
        return _LISTS.get(tool) if output == [] else None
    if kind.endswith("_tool_result_error"):
        return kind.removesuffix("_error")
    if kind.startswith("text_editor_code_execution_"):
        return "text_editor_code_execution_tool_result"
    return _BLOCK_TYPES.get(kind)


def error_text(output: Any) -> str:
    """An error as a tool part's `errorText`."""
    return json_codec.encode(output).decode()


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return value
