"""Request bodies: some that no client sends, and some that the oldest and newest clients send."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["HOSTILE", "NEWEST", "OLDEST", "UNKNOWN", "Body"]


@dataclass(frozen=True)
class Body:
    """The body of a request.

    Attributes:
        name: What is special about it.
        content: The bytes. `CHAT-ID` in it is replaced by the id of a new chat.
        content_type: The content type.
    """

    name: str
    content: bytes
    content_type: str = "application/json"


def _user(**fields: Any) -> dict[str, Any]:
    parts = [{"type": "text", "text": "conformance: text"}]
    return {"id": "user-1", "role": "user", "parts": parts, **fields}


def _body(name: str, *history: Mapping[str, Any], **fields: Any) -> Body:
    """Return a body whose last message is the user's."""
    last = _user() if not history else _user(id="user-2")
    messages = [*history, last]
    content = {"id": "CHAT-ID", "messages": messages, "trigger": "submit-message", **fields}
    return Body(name, json.dumps(content).encode())


def _after(name: str, *parts: Mapping[str, Any], **fields: Any) -> Body:
    """Return a body with an assistant message that has these parts, before the user's last."""
    message = {"id": "assistant-1", "role": "assistant", "parts": list(parts), **fields}
    return _body(name, _user(), message)


_STEP = {"type": "step-start"}
_TEXT = {"type": "text", "text": "Hello", "state": "done"}


def _call(state: str, **fields: Any) -> dict[str, Any]:
    return {"type": "tool-weather", "toolCallId": "call_1", "state": state, **fields}


_INPUT = {"input": {"city": "Rome"}}
_DONE = _call("output-available", **_INPUT, output={"celsius": 21})

HOSTILE = (
    Body("an empty body", b""),
    Body("half a JSON text", b'{"id":"CHAT-ID","messages":['),
    Body("a JSON text with invalid UTF-8", b'{"id":"CHAT-ID","messages":"\xff'),
    Body("a list", b"[]"),
    Body("null", b"null"),
    Body("an object without messages", b"{}"),
    Body("messages that are a text", b'{"id":"CHAT-ID","messages":"Hello"}'),
    Body("no messages", b'{"id":"CHAT-ID","messages":[],"trigger":"submit-message"}'),
    Body("a message that is null", b'{"id":"CHAT-ID","messages":[null]}'),
    Body(
        "a message whose parts are a text",
        b'{"id":"CHAT-ID","messages":[{"id":"u","role":"user","parts":"Hello"}]}',
    ),
    Body("a deeply nested list", b'{"id":"CHAT-ID","messages":' + b"[" * 50_000),
)

UNKNOWN = (
    _body("an unknown key in the body", sessionId="s", options={"a": [1, None]}),
    _body("an unknown trigger", trigger="submit-user-message"),
    Body(
        "the content type twice, as clients send it when the app sets it too",
        _body("").content,
        "application/json, application/json",
    ),
    Body(
        "unknown keys in a message and its part",
        json.dumps(
            {
                "id": "CHAT-ID",
                "trigger": "submit-message",
                "messages": [
                    _user(
                        createdAt="2026-01-01",
                        parts=[{"type": "text", "text": "conformance: text", "color": "red"}],
                    )
                ],
            }
        ).encode(),
    ),
    _after("a part of an unknown type", _STEP, {"type": "hologram", "depth": 3}, _TEXT),
    _after("data of another app", {"type": "data-map", "id": "m", "data": {"zoom": 3}}, _TEXT),
    Body(
        "half a surrogate pair, as browsers send an emoji that was cut",
        _body("").content.replace(b"conformance: text", b"conformance: text \\ud83d"),
    ),
    _after("an integer beyond 64 bits", _STEP, _call(
        "output-available", input={"n": 2**70}, output=2**70), _STEP, _TEXT),
)  # fmt: skip

OLDEST = (
    _body("a message without metadata"),
    _after("a text without a state", {"type": "text", "text": "Hello"}),
    _after("reasoning without an id", _STEP, {"type": "reasoning", "text": "Hm."}, _TEXT),
    _after("a tool call with its output", _STEP, _DONE, _STEP, _TEXT),
    _after(
        "a dynamic tool call that failed",
        _STEP,
        {**_call("output-error", **_INPUT, errorText="Failed."), "type": "dynamic-tool"}
        | {"toolName": "weather"},
        _STEP,
        _TEXT,
    ),
    _after(
        "a tool call that a stop left half-streamed",
        _STEP,
        _call("input-streaming", input={"city": "Ro"}),
    ),
    _after("a tool call without an output", _STEP, _call("input-available", **_INPUT)),
    _after("an empty assistant message"),
)

NEWEST = (
    _after(
        "a half-streamed tool call with `rawInput`",
        _STEP,
        _call("input-streaming", rawInput='{"city":"Ro', input={"city": "Ro"}),
    ),
    _after(
        "an invalid tool input with `rawInput`",
        _STEP,
        _call("output-error", rawInput={"town": 1}, errorText="Invalid input."),
        _STEP,
        _TEXT,
    ),
    _after(
        "the metadata and the title of a tool",
        _STEP,
        {
            **_DONE,
            "title": "Weather",
            "toolMetadata": {"app": {"a": 1}},
            "callProviderMetadata": {"example": {"b": 2}},
            "resultProviderMetadata": {"example": {"c": 3}},
            "inputEncoding": "json",
        },
        _STEP,
        _TEXT,
    ),
    _after(
        "a denied tool call",
        _STEP,
        _call("output-denied", **_INPUT, approval={"id": "a", "approved": False, "reason": "No."}),
        _STEP,
        _TEXT,
    ),
    _after(
        "an automatic approval with a signature",
        _STEP,
        {
            **_DONE,
            "approval": {"id": "a", "approved": True, "isAutomatic": True, "signature": "s"},
        },
        _STEP,
        _TEXT,
    ),
    _after("a text with citations", _STEP, {
        **_TEXT,
        "citations": [
            {
                "source": {
                    "type": "source", "sourceType": "url", "id": "s", "url": "https://example.com",
                    "title": "Example",
                },
                "citedText": "Hello",
            }
        ],
    }),
    _after(
        "a custom part",
        _STEP,
        {"type": "custom", "kind": "example.note", "providerMetadata": {"example": {"id": "n"}}},
        _TEXT,
    ),
    _after(
        "a file of the reasoning",
        _STEP,
        {"type": "reasoning-file", "mediaType": "text/plain", "url": "data:,Hm."},
        _TEXT,
    ),
    _after(
        "a message that arrived during the run",
        _STEP,
        _TEXT,
        {"type": "steering-message", "id": "s", "parts": [{"type": "text", "text": "Shorter"}]},
        _STEP,
        _TEXT,
    ),
)  # fmt: skip
