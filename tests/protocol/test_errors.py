"""`WireError` has the path and the types of a wrong value, as data and in its text."""

from __future__ import annotations

from typing import Any

import pytest
from ui_message_stream import WireError, parse_chunk

CITED = {"source": {"type": "source", "sourceType": "url", "id": "1", "url": "u"}}


@pytest.mark.parametrize(
    ("value", "path", "expected", "got", "text"),
    [
        (7, (), "an object", "an integer", "expected an object, got an integer"),
        (
            {"type": True},
            ("type",),
            "a string",
            "a boolean",
            "type: expected a string, got a boolean",
        ),
        ({"type": "text-end"}, ("id",), "", "", "id: missing"),
        (
            {"type": "text-end", "id": 1.5},
            ("id",),
            "a string",
            "a number",
            "id: expected a string, got a number",
        ),
        (
            {"type": "tool-input-delta", "toolCallId": {}, "inputTextDelta": ""},
            ("toolCallId",),
            "a string",
            "an object",
            "toolCallId: expected a string, got an object",
        ),
        (
            {"type": "text-start", "id": "1", "providerMetadata": None},
            ("providerMetadata",),
            "a value or no field",
            "null",
            "providerMetadata: expected a value or no field, got null",
        ),
        (
            {"type": "text-start", "id": "1", "providerMetadata": {"a": []}},
            ("providerMetadata", "*"),
            "an object",
            "a list",
            "providerMetadata.*: expected an object, got a list",
        ),
        (
            {"type": "text-end", "id": "1", "citations": [CITED, {**CITED, "startIndex": -1}]},
            ("citations", 1, "startIndex"),
            "an integer >= 0",
            "",
            "citations[1].startIndex: expected an integer >= 0",
        ),
        (
            {"type": "finish", "finishReason": " - at `$.x`"},
            ("finishReason",),
            "",
            "",
            "finishReason: invalid value ' - at `$.x`'",
        ),
        (
            {"type": "finish", "finishReason": "\ud83d"},
            (),
            "",
            "",
            "invalid value: it holds an unpaired surrogate",
        ),
    ],
)
def test_the_place_and_the_types_are_data(
    value: Any, path: tuple[str | int, ...], expected: str, got: str, text: str
) -> None:
    with pytest.raises(WireError) as raised:
        parse_chunk(value)
    error = raised.value
    assert (error.path, error.expected, error.got, str(error)) == (path, expected, got, text)


def test_an_outer_value_adds_its_path() -> None:
    error = WireError(path=("text",), expected="a string", got="null").within("parts", 2)
    assert error.path == ("parts", 2, "text")
    assert str(error) == "parts[2].text: expected a string, got null"
