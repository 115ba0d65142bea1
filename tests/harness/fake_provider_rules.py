"""What the Messages API refuses in a request, as far as this project's histories can get it wrong.

Source: the API's own 400 texts and the parameter types of the `anthropic` SDK.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["problems"]

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_CALL_ID = re.compile(r"[a-zA-Z0-9_-]+")
#: Blocks that a person's turn may hold, and a model's.
_USER = {"text", "image", "document", "tool_result", "container_upload"}
#: Blocks that no model says; it takes back whatever else it said, of newer kinds too.
_NOT_ASSISTANT = {"image", "document", "tool_result"}
#: Calls of tools that the provider runs.
_SERVER_CALLS = ("server_tool_use", "mcp_tool_use")
_THINKING = ("thinking", "redacted_thinking")
_IN_RESULTS = {"text", "image", "document", "search_result", "tool_reference"}
_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_IMAGES = {"image/jpeg", "image/png", "image/gif", "image/webp"}


def problems(request: Any) -> list[str]:
    """Why the API would answer this request with a 400; empty if it would not."""
    found: list[str] = []
    for key in ("model", "max_tokens", "messages"):
        if key not in request:
            found.append(f"{key}: field required")
    turns = request.get("messages") or []
    if not turns:
        found.append("messages: at least one message is required")
    elif turns[0]["role"] != "user":
        found.append("messages: first message must use the user role")
    for name in (tool["name"] for tool in request.get("tools", []) if "name" in tool):
        if not _TOOL_NAME.fullmatch(name):
            found.append(f"tools: name {name!r} does not match the pattern")
    for schema in (
        tool["input_schema"] for tool in request.get("tools", []) if "input_schema" in tool
    ):
        found += _schema(schema)
    if isinstance(request.get("system"), str) and not request["system"].strip():
        found.append("system: text content blocks must be non-empty")
    if (marked := str(request).count("'cache_control':")) > 4:
        found.append(f"A maximum of 4 blocks with cache_control may be provided. Found {marked}.")
    open_calls: list[str] = []
    seen: set[str] = set()
    for number, turn in enumerate(turns):
        where = f"messages.{number}"
        if number and turns[number - 1]["role"] == turn["role"]:
            found.append(f"{where}: roles must alternate")
        if turn["role"] not in ("user", "assistant"):
            found.append(f"{where}: unexpected role {turn['role']!r}")
            continue
        content = turn["content"]
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        if not content:
            found.append(f"{where}: content must be non-empty")
        found += [
            f"{where}.{i}: {p}" for i, b in enumerate(content) for p in _block(b, turn["role"])
        ]
        results = [b["tool_use_id"] for b in content if b["type"] == "tool_result"]
        if sorted(results) != sorted(open_calls):
            found.append(f"{where}: `tool_use` ids {open_calls} got `tool_result` for {results}")
        kinds = [b["type"] == "tool_result" for b in content]
        if kinds != sorted(kinds, reverse=True):
            found.append(f"{where}: tool_result blocks must come first")
        if turn["role"] == "assistant" and content and content[-1]["type"] in _THINKING:
            found.append(f"{where}: The final block in an assistant message cannot be `thinking`")
        open_calls = [b["id"] for b in content if b["type"] == "tool_use"]
        if len(set(open_calls)) < len(open_calls) or seen & set(open_calls):
            found.append(f"{where}: `tool_use` ids must be unique")
        seen |= set(open_calls)
    if seen and not request.get("tools"):
        found.append("Requests which include `tool_use` or `tool_result` blocks must define tools")
    if open_calls:
        found.append(f"messages: `tool_use` ids without `tool_result`: {open_calls}")
    return found + _server_problems(turns)


def _server_problems(turns: list[dict[str, Any]]) -> list[str]:
    """The same for tools that the provider runs: what it has not answered yet it answers only as
    long as no person says anything else."""
    found: list[str] = []
    pending: dict[str, int] = {}
    called = False
    for number, turn in enumerate(turns):
        content = turn["content"] if isinstance(turn["content"], list) else [{"type": "text"}]
        for block in content if turn["role"] == "assistant" else ():
            if block["type"] in _SERVER_CALLS:
                called = True
                pending[block["id"]] = number
            elif "tool_use_id" in block and pending.pop(block["tool_use_id"], None) is None:
                found.append(f"messages.{number}: {block['tool_use_id']} has a result, but no call")
        if turn["role"] == "user" and any(b["type"] != "tool_result" for b in content):
            found += [f"messages.{at}: {call} has no result" for call, at in pending.items()]
            pending.clear()
    if turns and turns[-1]["role"] == "assistant" and not called:
        found.append("messages: the conversation must end with a user message")
    return found


def _schema(schema: dict[str, Any]) -> list[str]:
    # (Of tests that are about other things the schema is {}.)
    found = [] if schema.get("type", "object") == "object" else ["input_schema.type: not object"]
    if schema.keys() & {"anyOf", "oneOf", "allOf"}:
        found.append("input_schema does not support oneOf, allOf, or anyOf at the top level")
    for name in schema.get("properties", {}):
        if not _PROPERTY.fullmatch(name):
            found.append(f"input_schema.properties: {name!r} does not match the pattern")
    return found


def _block(block: dict[str, Any], role: str) -> list[str]:
    kind = block["type"]
    if kind not in _USER if role == "user" else kind in _NOT_ASSISTANT:
        return [f"block {kind!r} is not allowed for {role}"]
    if kind == "text" and not block["text"].strip():
        return ["text content blocks must contain non-whitespace text"]
    if kind == "thinking" and not block.get("signature"):
        return ["thinking.signature: field required"]
    if kind == "redacted_thinking" and not block.get("data"):
        return ["redacted_thinking.data: field required"]
    if kind == "tool_use":
        return _tool_use(block)
    if kind == "tool_result":
        return _tool_result(block)
    if kind in ("image", "document"):
        return _source(kind, block["source"])
    return []


def _tool_use(block: dict[str, Any]) -> list[str]:
    found = []
    if not _CALL_ID.fullmatch(block["id"]):
        found.append(f"tool_use.id {block['id']!r} does not match the pattern")
    if not _TOOL_NAME.fullmatch(block["name"]):
        found.append(f"tool_use.name {block['name']!r} does not match the pattern")
    if not isinstance(block["input"], dict):
        found.append("tool_use.input: input should be a valid dictionary")
    return found


def _tool_result(block: dict[str, Any]) -> list[str]:
    content = block.get("content", "")
    if block.get("is_error") and not content:
        return ["content cannot be empty if `is_error` is true"]
    if isinstance(content, str):
        return []
    if kinds := {inner["type"] for inner in content} - _IN_RESULTS:
        return [f"tool_result.content: {kinds} are not allowed"]
    return [problem for inner in content for problem in _block(inner, "user")]


def _source(kind: str, source: dict[str, Any]) -> list[str]:
    where = source["type"]
    if where == "url":
        return [] if source["url"].startswith(("http://", "https://")) else ["only http(s) URLs"]
    if where == "file":
        return [] if source["file_id"] else ["empty file id"]
    if where == "text":
        if kind != "document" or source.get("media_type") != "text/plain":
            return ["a text source is a document of type text/plain"]
        return [] if source["data"].strip() else ["document text must be non-empty"]
    if where != "base64":
        return [f"unknown source {where!r}"]
    allowed = _IMAGES if kind == "image" else {"application/pdf"}
    if source["media_type"] not in allowed:
        return [f"media type {source['media_type']!r} is not supported"]
    return [] if source["data"] else ["empty data"]
