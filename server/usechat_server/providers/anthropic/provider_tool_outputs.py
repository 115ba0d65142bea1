"""Results of provider-executed tools: the API's block content ⇄ the output of a tool part."""

from __future__ import annotations

from typing import Any

from ui_message_stream import json_codec

from usechat_server.providers.json_objects import without_none

__all__ = [
    "PROVIDER_TOOLS",
    "content_from_output",
    "error_text",
    "is_error",
    "output_from_content",
    "result_block_type",
]

#: The API's names of the tools that the provider executes. The client sees those of code execution
#: as one tool.
PROVIDER_TOOLS = frozenset(
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

#: Type of a result block → the API's keys whose spelling differs in tool outputs.
_OUTPUT_KEYS = {
    "web_search_tool_result": {"page_age": "pageAge", "encrypted_content": "encryptedContent"},
    "web_fetch_tool_result": {"retrieved_at": "retrievedAt", "media_type": "mediaType"},
    "tool_search_tool_result": {"tool_name": "toolName"},
    "advisor_tool_result": {"encrypted_content": "encryptedContent", "stop_reason": "stopReason"},
}
_ERROR_KEYS = {"error_code": "errorCode", "error_message": "errorMessage"}

#: Type of an output → type of the block that it came in.
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
#: Tool → type of the block of an empty list, the only output without a type.
_LIST_BLOCK_TYPES = {
    "web_search": "web_search_tool_result",
    "tool_search_tool_regex": "tool_search_tool_result",
    "tool_search_tool_bm25": "tool_search_tool_result",
}


def is_error(content: Any) -> bool:
    """Whether the content of a result block, or an output, says that the tool failed."""
    return isinstance(content, dict) and str(content.get("type", "")).endswith("_error")


def output_from_content(block_type: str, content: Any) -> Any:
    """Return a tool part's output for a result block; of an error, what `errorText` holds."""
    if is_error(content):
        error_keys = {"type": "type", **_ERROR_KEYS}
        return {
            error_keys[key]: value
            for key, value in content.items()
            if key in error_keys and value is not None
        }
    if block_type == "tool_search_tool_result" and isinstance(content, dict):
        content = content.get("tool_references", [])
    if block_type == "code_execution_tool_result" and isinstance(content, dict):
        return {**content, "content": content.get("content") or []}
    output = _rename_keys(content, _OUTPUT_KEYS.get(block_type, {}))
    if block_type == "web_search_tool_result" and isinstance(output, list):
        return [
            {"pageAge": None, **{k: v for k, v in result.items() if k != "title" or v is not None}}
            for result in output
        ]
    if block_type == "advisor_tool_result" and isinstance(output, dict):
        return without_none(output)
    return output


def content_from_output(block_type: str, output: Any) -> Any:
    """Return the content of a result block for an output: the inverse of `output_from_content`."""
    if is_error(output):
        return _rename_keys(output, {name: key for key, name in _ERROR_KEYS.items()})
    content_keys = {name: key for key, name in _OUTPUT_KEYS.get(block_type, {}).items()}
    content = _rename_keys(output, content_keys)
    if block_type == "tool_search_tool_result":
        return {"type": "tool_search_tool_search_result", "tool_references": content}
    return content


def result_block_type(output: Any, tool_name: str) -> str | None:
    """Return the type of the result block that an output came in; None if there is none.

    The output tells more than the tool's name, which apps of the AI SDK choose freely.
    """
    first = output[0] if isinstance(output, list) and output else output
    output_type = first.get("type") if isinstance(first, dict) else None
    if not isinstance(output_type, str):
        return _LIST_BLOCK_TYPES.get(tool_name) if output == [] else None
    if output_type.endswith("_tool_result_error"):
        return output_type.removesuffix("_error")
    if output_type.startswith("text_editor_code_execution_"):
        return "text_editor_code_execution_tool_result"
    return _BLOCK_TYPES.get(output_type)


def error_text(output: Any) -> str:
    """Return an error output as the `errorText` of a tool part."""
    return json_codec.encode(output).decode()


def _rename_keys(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {names.get(key, key): _rename_keys(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_rename_keys(item, names) for item in value]
    return value
