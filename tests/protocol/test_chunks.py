"""Chunks: every type of AI SDK 7.0.173 is parsed as by the client, and encoded safely."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ui_message_stream import chunks as c
from ui_message_stream.chunks import CHUNK_TYPES, encode_chunk, parse_chunk
from ui_message_stream.errors import WireError

from tests.protocol.reader import Reader

_META = {"anthropic": {"signature": "s", "nothing": None}}
_CALL = {"toolCallId": "call", "toolName": "weather"}
_TOOL = {"providerExecuted": True, "toolMetadata": {"a": 1}, "dynamic": True, "title": "Weather"}
_BLOCK = {"id": "0", "providerMetadata": _META}
_CITATION = {"source": {"type": "source", "sourceType": "url", "id": "s", "url": "u"}}
_OUTPUT = {"providerExecuted": True, "dynamic": False, "providerMetadata": _META}

#: Every type with all its fields, in the order of the client's schema.
FULL: list[dict[str, Any]] = [
    {"type": "text-start", **_BLOCK},
    {"type": "text-delta", **_BLOCK, "delta": "é\n"},
    {"type": "text-end", **_BLOCK, "citations": [_CITATION]},
    {"type": "error", "errorText": "An error occurred."},
    {"type": "tool-input-start", **_CALL, **_TOOL, "inputEncoding": "json"},
    {"type": "tool-input-delta", "toolCallId": "call", "inputTextDelta": '{"city'},
    {"type": "tool-input-available", **_CALL, **_TOOL, "input": None, "providerMetadata": _META},
    {"type": "tool-input-error", **_CALL, **_TOOL, "input": "{", "errorText": "bad"},
    {
        "type": "tool-approval-request",
        "approvalId": "a",
        "toolCallId": "call",
        "approvalDescriptor": None,
        "inputSchemaInput": {"city": "Paris"},
        "reason": "r",
        "isAutomatic": True,
        "signature": "s",
    },
    {"type": "tool-approval-response", "approvalId": "a", "approved": False, "reason": "no"},
    {
        "type": "tool-output-available",
        "toolCallId": "call",
        "output": None,
        **_OUTPUT,
        "preliminary": True,
    },
    {"type": "tool-output-error", "toolCallId": "call", "errorText": "boom", **_OUTPUT},
    {"type": "tool-output-denied", "toolCallId": "call"},
    {"type": "reasoning-start", **_BLOCK},
    {"type": "reasoning-delta", **_BLOCK, "delta": ""},
    {"type": "reasoning-end", **_BLOCK},
    {"type": "custom", "kind": "anthropic.fallback", "providerMetadata": _META},
    {"type": "source-url", "sourceId": "s", "url": "no url", "title": "t"},
    {"type": "source-document", "sourceId": "s", "mediaType": "m", "title": "t", "filename": "f"},
    {"type": "file", "url": "data:,", "mediaType": "text/plain", "providerMetadata": _META},
    {"type": "reasoning-file", "url": "data:,", "mediaType": "image/png"},
    {"type": "steering-message", "id": "s", "parts": [{"type": "text", "text": "stop"}]},
    {"type": "data-weather", "id": "w", "data": None, "transient": True},
    {"type": "start-step"},
    {"type": "finish-step"},
    {"type": "reset-step"},
    {"type": "start", "messageId": "m", "messageMetadata": None},
    {"type": "finish", "finishReason": "tool-calls", "messageMetadata": {}},
    {"type": "abort", "reason": "stopped"},
    {"type": "message-metadata", "messageMetadata": [1]},
]


def wire_value(chunk: c.Chunk) -> Any:
    return json.loads(encode_chunk(chunk))


def test_the_examples_are_every_type() -> None:
    assert {item["type"] for item in FULL} == {*CHUNK_TYPES, "data-weather"}


@pytest.mark.parametrize("value", FULL, ids=lambda value: value["type"])
def test_a_chunk_with_all_fields_survives_a_round_trip(value: dict[str, Any]) -> None:
    chunk = parse_chunk(value)
    assert chunk.extra is None
    assert chunk.type == value["type"]
    assert wire_value(chunk) == value


@pytest.mark.parametrize("value", FULL, ids=lambda value: value["type"])
def test_unknown_keys_survive(value: dict[str, Any]) -> None:
    more = {**value, "extra": {"a": [1]}, "name": "n", "new": None}
    assert wire_value(parse_chunk(more)) == more


@pytest.mark.parametrize("value", FULL, ids=lambda value: value["type"])
def test_null_in_the_place_of_an_absent_field_is_an_error_as_in_every_client(
    value: dict[str, Any],
) -> None:
    takes_null = {
        "input",
        "output",
        "data",
        "messageMetadata",
        "approvalDescriptor",
        "inputSchemaInput",
    }
    for key in value.keys() - takes_null - {"type"}:
        with pytest.raises(WireError, match=key):
            parse_chunk({**value, key: None})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"type": "ping"}, "ping"),
        ({"type": None}, "type: expected a string, got null"),
        ({}, "type: missing"),
        ([], "got a list"),
        (None, "got null"),
        ({"type": "text-delta", "id": "0"}, "delta"),
        ({"type": "text-delta", "id": 0, "delta": "a"}, "id: expected a string"),
        ({"type": "start", "messageId": 1}, "messageId: expected a string"),
        ({"type": "text-start", "id": "0", "providerMetadata": {"a": 1}}, "providerMetadata"),
        ({"type": "tool-input-available", **_CALL}, "input"),
        ({"type": "tool-output-available", "toolCallId": "c"}, "output"),
        ({"type": "data-x"}, "data"),
        ({"type": "finish", "finishReason": "end_turn"}, "finishReason"),
        ({"type": "finish", "finishReason": "stop", "messageMetadata": 1, "a": 1}, None),
    ],
)
def test_an_invalid_chunk_is_an_error_that_names_the_place(value: Any, text: str | None) -> None:
    if text is None:
        parse_chunk(value)
        return
    with pytest.raises(WireError, match=text):
        parse_chunk(value)


def test_absent_fields_are_omitted_and_null_values_are_not() -> None:
    assert wire_value(c.Start()) == {"type": "start"}
    assert wire_value(c.Finish()) == {"type": "finish"}
    assert wire_value(c.ToolInputAvailable(tool_call_id="c", tool_name="t", input=None)) == {
        "type": "tool-input-available",
        "toolCallId": "c",
        "toolName": "t",
        "input": None,
    }
    assert wire_value(c.ToolOutputAvailable(tool_call_id="c", output=None))["output"] is None
    assert wire_value(c.Data(name="x", data=None)) == {"type": "data-x", "data": None}


def test_values_on_which_clients_throw_are_removed() -> None:
    chunk = c.ToolOutputAvailable(
        tool_call_id="c", output={"__proto__": 1, "score": float("nan"), "text": "\ud83d"}
    )
    assert wire_value(chunk)["output"] == {"score": None, "text": "\ufffd"}


@pytest.mark.parametrize(
    "chunk",
    [
        c.TextDelta(id="0", delta="a\ud83d"),
        c.ReasoningDelta(id="0", delta="a\ud83d"),
        c.ToolInputDelta(tool_call_id="0", input_text_delta="a\ud83d"),
    ],
)
def test_a_lone_surrogate_in_a_delta_becomes_a_replacement_character(chunk: c.Chunk) -> None:
    assert "a\ufffd" in wire_value(chunk).values()


_SIMPLE = st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.just(1.5), st.just("text"))
_VALUES = st.one_of(
    _SIMPLE,
    st.lists(_SIMPLE, max_size=2),
    st.dictionaries(st.just("a"), st.one_of(_SIMPLE, st.just({"b": None})), max_size=1),
)


@st.composite
def _altered_chunk(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a chunk without one of its keys, or with an arbitrary value somewhere."""
    chunk = json.loads(json.dumps(draw(st.sampled_from(FULL))))
    places: list[Any] = [chunk]
    for place in places:
        inner = place.values() if isinstance(place, dict) else place
        places += [item for item in inner if isinstance(item, (dict, list)) and item]
    place = draw(st.sampled_from(places))
    key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
    if draw(st.booleans()):
        del place[key]
    else:
        place[key] = draw(_VALUES)
    return chunk  # type: ignore[no-any-return]


@given(st.lists(_altered_chunk(), min_size=20, max_size=20))
@settings(max_examples=30)
def test_parsing_is_as_lenient_as_in_the_client(
    reader: Reader, values: list[dict[str, Any]]
) -> None:
    bodies = [f"data: {json.dumps(value)}\n\n" for value in values]
    errors = reader.accept_bodies(bodies)
    for value, error in zip(values, errors, strict=True):
        try:
            parse_chunk(value)
        except WireError:
            assert error is not None, value
        else:
            assert error is None, value
