"""What becomes of the tools that servers list, whatever they are, and of their results."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.types import CallToolResult, Tool, ToolAnnotations
from ui_message_stream import json_codec
from ui_message_stream.messages import FilePart, TextPart
from usechat_server.mcp.listing import MCPOptions, function_tools
from usechat_server.providers.anthropic.tools import tool_definition
from usechat_server.tools import FunctionTool, InvalidInput, ToolContext, ToolError

from tests.harness.fake_provider_rules import problems
from tests.harness.tool_runner import ToolRunner


async def nothing(tool: Tool, arguments: dict[str, Any], context: ToolContext) -> CallToolResult:
    raise AssertionError("not called")


def made(*tools: Tool, **options: Any) -> list[FunctionTool]:
    given: MCPOptions = {**options}  # type: ignore[typeddict-item]
    found = list(function_tools(tools, nothing, given))
    request = {"tools": [tool_definition(tool) for tool in found], "messages": []}
    assert all("tools" not in problem and "schema" not in problem for problem in problems(request))
    return found


def listed(name: str, **schema: Any) -> Tool:
    return Tool(name=name, input_schema={"type": "object", **schema})


def test_one_tool_that_no_provider_takes_does_not_cost_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tools = made(
        listed("good"),
        listed("files/read.text"),
        listed("files_read_text"),
        listed("ümlaut", properties={"größe": {}}),
        listed("odd", properties=[]),
        listed("x" * 200),
    )
    assert [tool.name for tool in tools] == ["good", "files_read_text", "x" * 128]
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == [
        *("files_read_text", "ümlaut", "odd")
    ]


def test_a_schema_that_providers_refuse_is_told_as_far_as_they_take_it() -> None:
    either = {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}
    [tool] = made(listed("either", properties={"a": {}, "b": {}}, **either))
    assert tool.input_schema == {"type": "object", "properties": {"a": {}, "b": {}}}
    # It is kept to all the same.
    assert tool.parse({"b": 1}) == {"b": 1}
    with pytest.raises(InvalidInput, match="is not valid"):
        tool.parse({})


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"type": "nonsense"}}},
        {"properties": {"a": {"$ref": "https://example.com/schema.json"}}},
        {"properties": {"a": {"$ref": "#/$defs/gone"}}},
        {"$schema": "https://example.com/unheard-of"},
    ],
)
def test_a_schema_that_is_none_is_for_the_server_to_check(schema: dict[str, Any]) -> None:
    [tool] = made(listed("odd", **schema))
    assert tool.parse({"a": 1}) == {"a": 1}


def test_titles_come_from_where_servers_put_them() -> None:
    hints = ToolAnnotations(title="Of the hints", destructive_hint=False)
    both = made(
        Tool(name="a", title="Its own", input_schema={}, annotations=hints),
        Tool(name="b", input_schema={}, annotations=hints),
        Tool(name="c", input_schema={}),
    )
    assert [tool.title for tool in both] == ["Its own", "Of the hints", None]
    assert [tool.idempotent for tool in both] == [False, False, False]
    assert both[2].tool_metadata is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
BLOCKS = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, st.text()),
    st.builds(
        lambda data, kind: {"type": "image", "data": data, "mimeType": kind}, st.text(), st.text()
    ),
    st.builds(
        lambda data, kind: {"type": "audio", "data": data, "mimeType": kind}, st.text(), st.text()
    ),
    st.builds(
        lambda name, uri: {"type": "resource_link", "name": name, "uri": uri}, st.text(), st.text()
    ),
    st.builds(
        lambda contents: {"type": "resource", "resource": contents},
        st.fixed_dictionaries({"uri": st.text(), "text": st.text()})
        | st.fixed_dictionaries({"uri": st.text(), "blob": st.text()})
        | st.fixed_dictionaries({"uri": st.text(), "blob": st.text(), "mimeType": st.text()}),
    ),
)
RESULTS = st.fixed_dictionaries(
    {"content": st.lists(BLOCKS, max_size=3)},
    optional={
        "structuredContent": JSON,
        "isError": st.booleans(),
        "_meta": st.dictionaries(st.text(), JSON),
    },
)


@given(RESULTS)
async def test_whatever_a_server_answers_is_shown(said: dict[str, Any]) -> None:
    result = CallToolResult.model_validate(said)

    async def answer(*_: Any) -> CallToolResult:
        return result

    [tool] = function_tools([listed("any")], answer, {})
    if result.is_error:
        with pytest.raises(ToolError, match=r"(?s).+"):
            await ToolRunner().run(tool)
        return
    shown = await ToolRunner().run(tool)
    # The page can be told, and the model is shown something of each piece.
    assert json_codec.decode(json_codec.encode(shown)) == shown
    pieces = tool.model_output(shown)
    assert all(isinstance(piece, TextPart | FilePart) for piece in pieces)
    assert len(pieces) == max(1, len(result.content))
