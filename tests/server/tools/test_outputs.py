"""Outputs of tools: JSON for the client, content for the model."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import uuid
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from ui_message_stream import json_codec
from ui_message_stream.messages import FilePart, TextPart
from usechat_server import ClientTool, ToolError, tool
from usechat_server.tools.outputs import to_json

from tests.harness.tool_runner import tool_outputs


class Sky(BaseModel):
    cloud_cover: float = Field(serialization_alias="cloudCover")
    seen: datetime.datetime


@dataclasses.dataclass
class Report:
    sky: Sky
    tags: set[str]


class RunReader(msgspec.Struct, rename="camel"):
    taken_at: datetime.date
    sky: Sky


class Unit(enum.Enum):
    CELSIUS = "c"


NOON = datetime.datetime(2026, 2, 28, 12, tzinfo=datetime.UTC)
SKY = Sky(cloud_cover=0.5, seen=NOON)
SKY_JSON = {"cloudCover": 0.5, "seen": "2026-02-28T12:00:00Z"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("text", "text"),
        (SKY, SKY_JSON),
        ([SKY, 1], [SKY_JSON, 1]),
        (Report(SKY, {"a"}), {"sky": SKY_JSON, "tags": ["a"]}),
        (RunReader(NOON.date(), SKY), {"takenAt": "2026-02-28", "sky": SKY_JSON}),
        (
            {"deep": {1: RunReader(NOON.date(), SKY)}},
            {"deep": {"1": {"takenAt": "2026-02-28", "sky": SKY_JSON}}},
        ),
        ((1, decimal.Decimal("1.10")), [1, "1.10"]),
        (Unit.CELSIUS, "c"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Path("/a/b"), "/a/b"),
        ((n for n in range(3)), [0, 1, 2]),
        (b"\xfb\xff\xfe", "+//+"),
        ([float("nan"), float("inf")], [None, None]),
        (10**30, 10**30),
        ("half \ud83d", "half \ufffd"),
        ({"\ud83d": "\ude00"}, {"\ufffd": "\ufffd"}),
        # Keys on which every client throws.
        ({"__proto__": 1, "a": [{"constructor": {"prototype": 1}, "b": 2}]}, {"a": [{"b": 2}]}),
        ({"constructor": "a name"}, {"constructor": "a name"}),
    ],
)
async def test_outputs_become_json(value: Any, expected: Any) -> None:
    @tool
    async def get_value() -> Any:
        return value

    assert await tool_outputs(get_value) == [expected]


async def test_an_output_without_a_json_form_is_an_error() -> None:
    @tool
    def get_value() -> object:
        return object()

    with pytest.raises(TypeError):
        await tool_outputs(get_value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.text(st.characters()) | st.sampled_from(["__proto__", "constructor", "prototype"]),
            inner,
        )
    ),
)


async def test_an_output_that_is_nested_too_deeply_is_an_error_of_the_tool() -> None:
    def nest(levels: int) -> Any:
        value: Any = []
        for _ in range(levels - 1):
            value = [value]
        return value

    assert to_json(nest(200)) == nest(200)
    for levels in (201, 5_000):
        with pytest.raises(ToolError, match="nested more than 200 levels deep"):
            await tool_outputs(tool(nest), levels=levels)


@given(JSON)
def test_an_output_reaches_the_client_unchanged(value: Any) -> None:
    expected = to_json(value)
    assert json_codec.decode(json_codec.encode(expected)) == expected
    assert not json_codec.has_forbidden_key(expected)
    assert to_json(expected) == expected


PIXEL = FilePart(media_type="image/png", url="data:image/png;base64,aGk=")


@pytest.mark.parametrize(
    ("value", "pieces"),
    [
        ("words", [TextPart(text="words")]),
        (PIXEL, [PIXEL]),
        (["see:", PIXEL, TextPart(text="!")], [TextPart(text="see:"), PIXEL, TextPart(text="!")]),
        ({"a": 1}, [TextPart(text='{"a":1}')]),
        (["a", "b"], [TextPart(text='["a","b"]')]),
        ([], [TextPart(text="[]")]),
    ],
)
def test_to_model_output_converts_for_the_model(value: Any, pieces: list[Any]) -> None:
    @tool(to_model_output=lambda output: value if output == {"id": 7} else "another")
    def draw() -> str:
        return ""

    assert draw.model_output({"id": 7}) == pieces
    page = ClientTool("draw", "", {"type": "object"}, to_model_output=lambda _: value)
    assert page.model_output(None) == pieces


def test_the_model_gets_the_json_by_default() -> None:
    plain = ClientTool("plain", "", {"type": "object"})
    assert plain.model_output("words") == [TextPart(text="words")]
    assert plain.model_output([1, "a"]) == [TextPart(text='[1,"a"]')]


def test_a_failing_to_model_output_does_not_break_the_chat() -> None:
    broken = ClientTool("broken", "", {"type": "object"}, to_model_output=lambda o: o["image"])
    assert broken.model_output({"other": 1}) == [TextPart(text='{"other":1}')]
