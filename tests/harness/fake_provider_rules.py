"""The errors that the Messages API reports for invalid requests, as far as they matter here.

Source: the API's own 400 texts and the parameter types of the `anthropic` SDK.
"""

from __future__ import annotations

import re
from typing import Any

from tests.harness.fake_provider_files import file_errors

__all__ = ["request_errors"]

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_CALL_ID = re.compile(r"[a-zA-Z0-9_-]+")
#: Blocks that a user turn may contain.
_USER = {"text", "image", "document", "tool_result", "container_upload"}
#: Blocks that an assistant turn must not contain; newer kinds of blocks are accepted.
_USER_ONLY = {"image", "document", "tool_result"}
#: Calls of tools that the provider runs.
_SERVER_CALLS = ("server_tool_use", "mcp_tool_use")
_THINKING = ("thinking", "redacted_thinking")
_IN_RESULTS = {"text", "image", "document", "search_result", "tool_reference"}
_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_IMAGES = {"image/jpeg", "image/png", "image/gif", "image/webp"}


def request_errors(request: Any) -> list[str]:
    """Return the errors for which the API would respond with 400."""
    errors: list[str] = []
    for key in ("model", "max_tokens", "messages"):
        if key not in request:
            errors.append(f"{key}: field required")
    turns = request.get("messages") or []
    if not turns:
        errors.append("messages: at least one message is required")
    elif turns[0]["role"] != "user":
        errors.append("messages: first message must use the user role")
    for name in (tool["name"] for tool in request.get("tools", []) if "name" in tool):
        if not _TOOL_NAME.fullmatch(name):
            errors.append(f"tools: name {name!r} does not match the pattern")
    for schema in (
        tool["input_schema"] for tool in request.get("tools", []) if "input_schema" in tool
    ):
        errors += _schema(schema)
    if isinstance(request.get("system"), str) and not request["system"].strip():
        errors.append("system: text content blocks must be non-empty")
    if (marked := str(request).count("'cache_control':")) > 4:
        errors.append(f"A maximum of 4 blocks with cache_control may be provided. Found {marked}.")
    open_calls: list[str] = []
    call_ids: set[str] = set()
    for number, turn in enumerate(turns):
        where = f"messages.{number}"
        if number and turns[number - 1]["role"] == turn["role"]:
            errors.append(f"{where}: roles must alternate")
        if turn["role"] not in ("user", "assistant"):
            errors.append(f"{where}: unexpected role {turn['role']!r}")
            continue
        content = turn["content"]
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        if not content:
            errors.append(f"{where}: content must be non-empty")
        errors += [
            f"{where}.{i}: {p}" for i, b in enumerate(content) for p in _block(b, turn["role"])
        ]
        results = [b["tool_use_id"] for b in content if b["type"] == "tool_result"]
        if sorted(results) != sorted(open_calls):
            errors.append(f"{where}: `tool_use` ids {open_calls} got `tool_result` for {results}")
        kinds = [b["type"] == "tool_result" for b in content]
        if kinds != sorted(kinds, reverse=True):
            errors.append(f"{where}: tool_result blocks must come first")
        if turn["role"] == "assistant" and content and content[-1]["type"] in _THINKING:
            errors.append(f"{where}: The final block in an assistant message cannot be `thinking`")
        open_calls = [b["id"] for b in content if b["type"] == "tool_use"]
        if len(set(open_calls)) < len(open_calls) or call_ids & set(open_calls):
            errors.append(f"{where}: `tool_use` ids must be unique")
        call_ids |= set(open_calls)
    if call_ids and not request.get("tools"):
        errors.append("Requests which include `tool_use` or `tool_result` blocks must define tools")
    if open_calls:
        errors.append(f"messages: `tool_use` ids without `tool_result`: {open_calls}")
    return errors + _server_tool_errors(turns) + _many_images_errors(turns) + _cache_errors(request)


def _server_tool_errors(turns: list[dict[str, Any]]) -> list[str]:
    """Return the errors about tools that the provider runs.

    A call without a result is resumed only while the user has sent no other content.
    """
    errors: list[str] = []
    pending: dict[str, int] = {}
    called = False
    for number, turn in enumerate(turns):
        content = turn["content"] if isinstance(turn["content"], list) else [{"type": "text"}]
        for block in content if turn["role"] == "assistant" else ():
            # After a pause the provider continues the assistant's message.
            called = called or block["type"] in (*_SERVER_CALLS, "compaction")
            if block["type"] in _SERVER_CALLS:
                pending[block["id"]] = number
            elif "tool_use_id" in block and pending.pop(block["tool_use_id"], None) is None:
                errors.append(
                    f"messages.{number}: {block['tool_use_id']} has a result, but no call"
                )
        if turn["role"] == "user" and any(b["type"] != "tool_result" for b in content):
            errors += [f"messages.{at}: {call} has no result" for call, at in pending.items()]
            pending.clear()
    if turns and turns[-1]["role"] == "assistant" and not called:
        errors.append("messages: the conversation must end with a user message")
    return errors


def _many_images_errors(turns: list[dict[str, Any]]) -> list[str]:
    blocks = [b for turn in turns if isinstance(turn["content"], list) for b in turn["content"]]
    results = [b["content"] for b in blocks if isinstance(b.get("content"), list)]
    images = [
        block["source"]
        for block in (*blocks, *(inner for content in results for inner in content))
        if block.get("type") == "image"
    ]
    if len(images) <= 20:
        return []
    return [
        error
        for source in images
        if source["type"] == "base64"
        for error in file_errors(source["media_type"], source["data"], max_pixels=2000)
    ]


def _cache_errors(request: dict[str, Any]) -> list[str]:
    """Return the errors about the order of cache breakpoints: tools, system prompt, messages."""
    system = request.get("system")
    marked: list[Any] = [*request.get("tools", ()), *(system if isinstance(system, list) else ())]
    for turn in request.get("messages") or ():
        marked += turn["content"] if isinstance(turn["content"], list) else ()
    ttls = [b["cache_control"].get("ttl", "5m") for b in marked if b.get("cache_control")]
    if ttls != sorted(ttls):  # "1h" before "5m"
        return ["a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block"]
    return []


def _schema(schema: dict[str, Any]) -> list[str]:
    # Many tests use an empty schema.
    errors = [] if schema.get("type", "object") == "object" else ["input_schema.type: not object"]
    if schema.keys() & {"anyOf", "oneOf", "allOf"}:
        errors.append("input_schema does not support oneOf, allOf, or anyOf at the top level")
    for name in schema.get("properties", {}):
        if not _PROPERTY.fullmatch(name):
            errors.append(f"input_schema.properties: {name!r} does not match the pattern")
    return errors


def _block(block: dict[str, Any], role: str) -> list[str]:
    kind = block["type"]
    if kind not in _USER if role == "user" else kind in _USER_ONLY:
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
    errors = []
    if not _CALL_ID.fullmatch(block["id"]):
        errors.append(f"tool_use.id {block['id']!r} does not match the pattern")
    if not _TOOL_NAME.fullmatch(block["name"]):
        errors.append(f"tool_use.name {block['name']!r} does not match the pattern")
    if not isinstance(block["input"], dict):
        errors.append("tool_use.input: input should be a valid dictionary")
    return errors


def _tool_result(block: dict[str, Any]) -> list[str]:
    content = block.get("content", "")
    if block.get("is_error") and not content:
        return ["content cannot be empty if `is_error` is true"]
    if isinstance(content, str):
        return []
    if kinds := {inner["type"] for inner in content} - _IN_RESULTS:
        return [f"tool_result.content: {kinds} are not allowed"]
    return [error for inner in content for error in _block(inner, "user")]


def _source(kind: str, source: dict[str, Any]) -> list[str]:
    where = source["type"]
    if where == "url":
        return [] if source["url"].startswith("https://") else ["Only HTTPS URLs are supported."]
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
    return file_errors(source["media_type"], source["data"])
