"""Conversion of the tools that servers list, and of their results."""

from __future__ import annotations

import base64
import logging
import re
from time import process_time
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
    assert [tool.name for tool in tools] == ["good", "files_read_text", "odd", "x" * 128]
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == [
        *("files_read_text", "ümlaut")
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


def test_forms_of_earlier_drafts_reach_the_model_as_todays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    [tool] = convert(
        mcp_tool(
            "old",
            **{"$schema": "http://json-schema.org/draft-04/schema#"},
            properties={"n": {"type": "integer", "minimum": 0, "exclusiveMinimum": True}},
            required=True,
        )
    )
    assert tool.input_schema == {
        "type": "object",
        "properties": {"n": {"type": "integer", "exclusiveMinimum": 0}},
    }
    assert "MCP tool old: left out of its schema: required" in caplog.text
    assert tool.parse({"n": 1}) == {"n": 1}
    with pytest.raises(InvalidInput, match="n: 0 is less than or equal to"):
        tool.parse({"n": 0})


def doubling(levels: int) -> dict[str, Any]:
    """A schema whose references double the work at each level."""
    both = [{"allOf": [{"$ref": f"#/$defs/l{n + 1}"}] * 2} for n in range(levels)]
    return {f"l{n}": schema for n, schema in enumerate([*both, {"type": "string"}])}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"properties": {"a": {"pattern": "^(a+)+$"}}}, "a" * 40 + "!"),
        ({"patternProperties": {"^(a|a)+$": {}}, "additionalProperties": False}, 1),
        ({"properties": {"a": {"not": {"pattern": "^(a+)+$"}}}}, "a" * 40 + "!"),
        ({"properties": {"a": {"$ref": "#/$defs/l0"}}, "$defs": doubling(40)}, "a"),
        ({"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/a"}}}, 1),
        ({"properties": {"a": {"uniqueItems": True}}}, [{"n": n} for n in range(20_000)]),
        (
            {"properties": {"a": {"items": {"allOf": [{"type": "integer"}] * 9000}}}},
            list(range(9000)),
        ),
    ],
)
def test_a_schema_cannot_block_the_server(schema: dict[str, Any], value: Any) -> None:
    [tool] = convert(mcp_tool("slow", **schema))
    began = process_time()
    # What takes long to validate is left to the MCP server.
    assert tool.parse({"a": value}) == {"a": value}
    with pytest.raises(InvalidInput, match="expected an object"):
        tool.parse([value])
    assert process_time() - began < 1


def test_many_errors_are_cut() -> None:
    [tool] = convert(mcp_tool("strict", properties={"a": {"items": {"type": "integer"}}}))
    with pytest.raises(InvalidInput) as caught:
        tool.parse({"a": ["x"] * 1000})
    assert len(str(caught.value)) < 1000


def test_a_tool_that_the_app_cannot_judge_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    def approval(tool: Tool) -> bool:
        return {"read": False}[tool.name]

    assert [tool.name for tool in convert(mcp_tool("read"), needs_approval=approval)] == ["read"]
    assert convert(mcp_tool("write"), needs_approval=approval) == []
    assert "needs_approval= failed" in caplog.text


def test_a_huge_definition_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"items": deep}
    tools = convert(
        Tool(name="long", description="x" * 300_000, input_schema={"type": "object"}),
        mcp_tool("deep", properties={"a": deep}),
        mcp_tool("good"),
    )
    assert [tool.name for tool in tools] == ["good"]
    assert "skipping the MCP tool long" in caplog.text


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(60)).decode()


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "image", "data": "", "mimeType": "image/png"}, "image, which .* is empty"),
        ({"type": "image", "data": " \n", "mimeType": "image/png"}, "image, which .* is empty"),
        ({"type": "audio", "data": "", "mimeType": "audio/wav"}, "audio, which .* is empty"),
        ({"type": "image", "data": "???", "mimeType": "image/png"}, "is damaged"),
        ({"type": "image", "data": "é", "mimeType": "image/png"}, "is damaged"),
        (
            {"type": "resource", "resource": {"uri": "file:///a.pdf", "blob": ""}},
            "file:///a.pdf, which the tool returned, is empty",
        ),
        # With line breaks and without padding, and of another type than it says.
        (
            {
                "type": "image",
                "data": f"{PNG[:40]}\r\n{PNG[40:].rstrip('=')}",
                "mimeType": "image/jpeg",
            },
            {"type": "image", "data": PNG, "mimeType": "image/png"},
        ),
        (
            {"type": "image", "data": "PHN2Zz4=", "mimeType": "image/svg+xml; charset=utf-8"},
            {"type": "image", "data": "PHN2Zz4=", "mimeType": "image/svg+xml"},
        ),
        (
            {"type": "resource", "resource": {"uri": "a:b", "blob": "AA==", "mimeType": "x\n"}},
            {
                "type": "resource",
                "resource": {"uri": "a:b", "blob": "AA==", "mimeType": "application/octet-stream"},
            },
        ),
    ],
)
async def test_files_are_checked_before_they_are_stored(
    block: dict[str, Any], expected: dict[str, Any] | str
) -> None:
    result = CallToolResult.model_validate({"content": [block]})
    [tool] = function_tools([mcp_tool("show")], returning(result), {})
    [content] = (await ToolRunner().run(tool))["content"]
    if isinstance(expected, str):
        assert content["type"] == "text"
        assert re.search(expected, content["text"])
    else:
        assert content == expected


def returning(result: CallToolResult) -> Any:
    async def call(*_: Any) -> CallToolResult:
        return result

    return call


async def test_results_have_a_limit_and_may_be_converted() -> None:
    text = {"content": [{"type": "text", "text": "x" * 200}]}
    call = returning(CallToolResult.model_validate(text))
    [tool] = function_tools([mcp_tool("read")], call, {"max_output_bytes": 200})
    with pytest.raises(ToolError, match=r"output of read is too large: 2.. bytes, at most 200"):
        await ToolRunner().run(tool)
    [tool] = function_tools(
        [mcp_tool("read")], call, {"to_model_output": lambda o: o["content"][0]["text"][:3]}
    )
    output = await ToolRunner().run(tool)
    assert output == text
    assert tool.model_output(output) == [TextPart(text="xxx")]


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
