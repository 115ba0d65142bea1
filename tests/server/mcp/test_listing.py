"""Conversion of the tools that servers list, and of their results."""

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

from tests.harness.fake_provider_rules import request_errors
from tests.harness.tool_runner import ToolRunner


async def unused_call(
    tool: Tool, arguments: dict[str, Any], context: ToolContext
) -> CallToolResult:
    raise AssertionError("not called")


def convert(*tools: Tool, **options: Any) -> list[FunctionTool]:
    mcp_options: MCPOptions = {**options}  # type: ignore[typeddict-item]
    converted = list(function_tools(tools, unused_call, mcp_options))
    request = {"tools": [tool_definition(tool) for tool in converted], "messages": []}
    assert all(
        "tools" not in problem and "schema" not in problem for problem in request_errors(request)
    )
    return converted


def mcp_tool(name: str, **schema: Any) -> Tool:
    return Tool(name=name, input_schema={"type": "object", **schema})


def test_a_tool_that_providers_refuse_is_skipped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tools = convert(
        mcp_tool("good"),
        mcp_tool("files/read.text"),
        mcp_tool("files_read_text"),
        mcp_tool("ümlaut", properties={"größe": {}}),
        mcp_tool("odd", properties=[]),
        mcp_tool("x" * 200),
    )
    assert [tool.name for tool in tools] == ["good", "files_read_text", "x" * 128]
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == [
        *("files_read_text", "ümlaut", "odd")
    ]


def test_keys_that_providers_refuse_are_removed_from_the_schema() -> None:
    either = {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}
    [tool] = convert(mcp_tool("either", properties={"a": {}, "b": {}}, **either))
    assert tool.input_schema == {"type": "object", "properties": {"a": {}, "b": {}}}
    # Validation still uses the whole schema.
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
def test_an_invalid_schema_is_left_to_the_server(schema: dict[str, Any]) -> None:
    [tool] = convert(mcp_tool("odd", **schema))
    assert tool.parse({"a": 1}) == {"a": 1}


def test_titles_come_from_the_tool_or_its_annotations() -> None:
    hints = ToolAnnotations(title="Of the hints", destructive_hint=False)
    both = convert(
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
async def test_any_result_can_be_sent_to_client_and_model(fields: dict[str, Any]) -> None:
    result = CallToolResult.model_validate(fields)

    async def call(*_: Any) -> CallToolResult:
        return result

    [tool] = function_tools([mcp_tool("any")], call, {})
    if result.is_error:
        with pytest.raises(ToolError, match=r"(?s).+"):
            await ToolRunner().run(tool)
        return
    output = await ToolRunner().run(tool)
    # The client can read it, and the model gets something for each piece.
    assert json_codec.decode(json_codec.encode(output)) == output
    pieces = tool.model_output(output)
    assert all(isinstance(piece, TextPart | FilePart) for piece in pieces)
    assert len(pieces) == max(1, len(result.content))
