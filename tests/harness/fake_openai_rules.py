"""The errors that servers with the Chat Completions API report for invalid requests.

Source: OpenAI's own 400 texts, the parameter types of the `openai` SDK, and the prompt templates of
open models, which fail on roles that do not alternate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.harness.fake_provider_files import file_errors

__all__ = ["chat_request_errors"]

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_CALL_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
_PARAMETERS = {
    *("model", "messages", "stream", "stream_options", "tools", "tool_choice"),
    *("parallel_tool_calls", "max_tokens", "max_completion_tokens", "temperature", "top_p"),
    *("frequency_penalty", "presence_penalty", "stop", "seed", "service_tier", "store"),
    *("reasoning_effort", "verbosity", "response_format", "prompt_cache_key"),
    "safety_identifier",
}
_FIELDS = {
    "system": {"role", "content"},
    "developer": {"role", "content"},
    "user": {"role", "content"},
    "assistant": {"role", "content", "tool_calls"},
    "tool": {"role", "content", "tool_call_id"},
}
#: Further fields of a message of servers that reason.
_REASONING = {"reasoning_content", "reasoning"}
_DATA_URL = re.compile(r"data:([a-z/]+);base64,(.+)", re.DOTALL)


def chat_request_errors(request: Any, *, reasons: bool = True) -> list[str]:
    """Return the errors for which a server would respond with 400.

    Args:
        request: The body.
        reasons: Whether the server takes its reasoning back; OpenAI refuses it.
    """
    errors = [
        f"Unrecognized request argument supplied: {k}" for k in request if k not in _PARAMETERS
    ]
    if "model" not in request:
        errors.append("you must provide a model parameter")
    errors += list(_tool_errors(request.get("tools")))
    messages = request.get("messages") or []
    if not [message for message in messages if message.get("role") == "user"]:
        errors.append("messages: at least one user message is required")
    open_calls: list[str] = []
    used_ids: set[str] = set()
    before = ""
    for number, message in enumerate(messages):
        where, role = f"messages.[{number}]", message.get("role")
        errors += [f"{where}: {text}" for text in _message_errors(message, reasons=reasons)]
        if role == "tool":
            if message.get("tool_call_id") not in open_calls:
                errors.append(f"{where}: 'tool' must be a response to a preceding 'tool_calls'")
            else:
                open_calls.remove(message["tool_call_id"])
        elif open_calls:
            errors.append(f"{where}: 'tool_calls' must be followed by tool messages: {open_calls}")
        if role == before != "tool" or (number and role in ("system", "developer")):
            errors.append(f"{where}: roles must alternate")
        if role == "assistant":
            if before in ("", "system", "developer"):
                errors.append(f"{where}: the conversation must begin with the user")
            ids = [call["id"] for call in message.get("tool_calls") or ()]
            if used_ids & set(ids) or len(set(ids)) < len(ids):
                errors.append(f"{where}: duplicate tool call id")
            used_ids |= set(ids)
            open_calls = ids
        before = role
    if open_calls:
        errors.append(f"'tool_calls' without tool messages: {open_calls}")
    if before == "assistant":
        errors.append("the conversation must not end with the assistant")
    return errors


def _tool_errors(tools: Any) -> Iterator[str]:
    if tools is not None and not tools:
        yield "tools: expected at least one"
    for tool in tools or ():
        if tool.get("type") != "function" or not _NAME.fullmatch(tool["function"]["name"]):
            yield f"tools: invalid function {tool}"


def _message_errors(message: dict[str, Any], *, reasons: bool) -> Iterator[str]:
    role = message.get("role")
    if role not in _FIELDS:
        yield f"unexpected role {role!r}"
        return
    allowed = _FIELDS[role] | (_REASONING if reasons and role == "assistant" else set())
    yield from (f"additional property {key}" for key in message if key not in allowed)
    content = message.get("content")
    if isinstance(content, str):
        if not content.strip() and role != "tool":
            yield "content must not be empty"
    elif isinstance(content, list):
        if not content:
            yield "content must not be empty"
        for part in content:
            yield from _part_errors(part, role, reasons=reasons)
    elif not message.get("tool_calls"):
        yield "expected a string, got null"
    for call in message.get("tool_calls") or ():
        yield from _call_errors(call)


def _call_errors(call: dict[str, Any]) -> Iterator[str]:
    if not _CALL_ID.fullmatch(call["id"]):
        yield f"tool_calls: invalid id {call['id']!r}"
    if not _NAME.fullmatch(call["function"]["name"]):
        yield f"tool_calls: invalid name {call['function']['name']!r}"
    try:
        value = json.loads(call["function"]["arguments"])
    except ValueError:
        value = None
    if not isinstance(value, dict):
        yield "tool_calls: arguments are not a JSON object"


def _part_errors(part: dict[str, Any], role: str, *, reasons: bool) -> Iterator[str]:
    kind = part.get("type")
    if kind == "text":
        if not part["text"].strip():
            yield "text must not be empty"
    elif kind == "thinking" and role == "assistant" and reasons:
        pass
    elif role != "user":
        yield f"{kind!r} is not allowed for {role}"
    elif kind == "image_url":
        yield from _url_errors(part["image_url"]["url"])
    elif kind == "file":
        file = part["file"]
        if "file_id" not in file:
            if not file.get("filename"):
                yield "file: expected a filename"
            yield from _url_errors(file["file_data"], links=False)
    else:
        yield f"unknown part {kind!r}"


def _url_errors(url: str, *, links: bool = True) -> list[str]:
    if (match := _DATA_URL.fullmatch(url)) is None:
        return [] if links and url.startswith("https://") else ["invalid URL"]
    # OpenAI makes large images smaller.
    errors = file_errors(match[1], match[2])
    return [text for text in errors if "pixels" not in text and "5 MB" not in text]
