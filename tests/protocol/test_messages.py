"""UI messages: those that any release wrote are parsed, and survive a round trip."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from ui_message_stream import json_codec
from ui_message_stream.errors import WireError
from ui_message_stream.messages import ToolPart, UIMessage, UnknownPart, parse_part

from tests.protocol.strategies import messages

_META = {"anthropic": {"signature": "s", "nothing": None}}

PARTS: list[dict[str, Any]] = [
    {"type": "step-start"},
    {"type": "text", "text": "Hello", "state": "done", "providerMetadata": _META, "citations": []},
    {"type": "reasoning", "id": "0", "text": "Hm", "state": "streaming", "providerMetadata": _META},
    {"type": "file", "mediaType": "image/png", "filename": "a.png", "url": "data:,"},
    {"type": "file", "mediaType": "a/b", "url": "", "providerReference": {"anthropic": "file_1"}},
    {"type": "reasoning-file", "mediaType": "image/png", "url": "data:,"},
    {"type": "source-url", "sourceId": "s", "url": "u", "title": "t"},
    {"type": "source-document", "sourceId": "s", "mediaType": "m", "title": "t", "filename": "f"},
    {"type": "custom", "kind": "anthropic.fallback", "providerMetadata": _META},
    {"type": "steering-message", "id": "s", "parts": [{"type": "text", "text": "stop"}]},
    {"type": "data-weather", "id": "w", "data": {"city": "Paris"}},
    {"type": "data-empty", "data": None, "name": "not the part's own"},
    {
        "type": "tool-weather",
        "toolCallId": "1",
        "state": "output-available",
        "title": "Weather",
        "toolMetadata": {"a": 1},
        "input": None,
        "output": None,
        "preliminary": True,
        "providerExecuted": True,
        "callProviderMetadata": _META,
        "resultProviderMetadata": _META,
    },
    {"type": "tool-weather", "toolCallId": "2", "state": "input-streaming", "rawInput": '{"ci'},
    {"type": "tool-weather", "toolCallId": "3", "state": "output-error", "errorText": "boom"},
    {
        "type": "tool-weather",
        "toolCallId": "4",
        "state": "approval-responded",
        "input": {},
        "approval": {
            "id": "a",
            "approved": False,
            "reason": "no",
            "descriptor": None,
            "inputSchemaInput": None,
            "isAutomatic": True,
            "signature": "s",
            "new": 1,
        },
    },
    # `toolName` and `dynamic` are not keys of a static part, but survive too.
    {
        "type": "tool-weather",
        "toolCallId": "5",
        "state": "input-available",
        "input": 1,
        "toolName": "other",
        "dynamic": False,
    },
    {
        "type": "dynamic-tool",
        "toolName": "mcp search",
        "toolCallId": "6",
        "state": "input-available",
        "input": {"q": 1},
        "dynamic": True,
    },
    {"type": "from-the-future", "anything": [None, {"a": 1}], "state": 7},
]


def message(*parts: Any) -> dict[str, Any]:
    return {"id": "m", "role": "assistant", "parts": list(parts)}


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part["type"])
def test_a_part_survives_a_round_trip(part: dict[str, Any]) -> None:
    for value in (part, {**part, "new": {"a": None}, "extra": 1}):
        assert parse_part(value).to_object() == value


def test_a_message_survives_a_round_trip() -> None:
    value = {**message(*PARTS), "metadata": None, "createdAt": "now"}
    assert UIMessage.from_object(value).to_object() == value


@given(messages())
@settings(max_examples=50)
def test_messages_of_any_log_survive_a_round_trip(parsed: UIMessage) -> None:
    value = json.loads(json_codec.encode(parsed.to_object()))
    assert UIMessage.from_object(value).to_object() == value


def test_the_name_of_a_static_tool_is_its_type() -> None:
    part = parse_part({**PARTS[12], "toolName": "other"})
    assert isinstance(part, ToolPart)
    assert part.tool_name == "weather"
    assert not part.dynamic


def test_keys_on_which_clients_throw_are_removed() -> None:
    hostile = {"__proto__": 1, "fine": 2}
    parts = [
        {"type": "from-the-future", "a": hostile},
        {"type": "tool-t", "toolCallId": "1", "state": "input-available", "input": hostile},
        {"type": "tool-t", "toolCallId": "2", "state": "input-available", "toolName": hostile},
        {"type": "data-x", "data": hostile, "name": hostile},
    ]
    parsed = UIMessage.from_object({**message(*parts), "metadata": hostile, "more": hostile})
    assert isinstance(parsed.parts[0], UnknownPart)
    encoded = parsed.to_object()
    assert not json_codec.has_forbidden_key(encoded)
    assert encoded["parts"][0] == {"type": "from-the-future", "a": {"fine": 2}}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"role": "user", "parts": []}, "id: missing"),
        ({"id": "m", "role": "robot", "parts": []}, "role: invalid value 'robot'"),
        ({"id": "m", "role": "user"}, "parts: expected a list"),
        (message("text"), r"parts\[0\]: expected an object, got a string"),
        (message({}), r"parts\[0\]\.type: missing"),
        (message(PARTS[0], {"type": "text", "text": 5}), r"parts\[1\]\.text: expected a string"),
        (
            message({"type": "tool-x", "state": "input-available"}),
            r"parts\[0\]\.toolCallId: missing",
        ),
        (message({**PARTS[15], "approval": 1}), r"parts\[0\]\.approval: expected an object"),
        (
            message({**PARTS[15], "approval": {"id": 1}}),
            r"parts\[0\]\.approval\.id: expected a string",
        ),
        (message({**PARTS[15], "approval": {}}), r"parts\[0\]\.approval\.id: missing"),
    ],
)
def test_an_invalid_message_is_an_error_that_names_the_place(value: Any, text: str) -> None:
    with pytest.raises(WireError, match=text):
        UIMessage.from_object(value)


def test_the_last_step_is_what_follows_the_last_step_start() -> None:
    call = {"type": "tool-x", "toolCallId": "1", "state": "input-available", "input": {}}
    text = {"type": "text", "text": "a"}
    start = {"type": "step-start"}
    unmarked = UIMessage.from_object(message(text, call))
    assert [part.type for part in unmarked.last_step()] == ["text", "tool-x"]
    assert [part.tool_call_id for part in unmarked.last_step_calls()] == ["1"]
    marked = UIMessage.from_object(message(text, start, call, start, text))
    assert [part.type for part in marked.last_step()] == ["text"]
    assert marked.last_step_calls() == []
    assert UIMessage.from_object(message(call, start)).last_step() == []
