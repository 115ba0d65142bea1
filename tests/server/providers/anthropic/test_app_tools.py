"""The app's tools: the chunks of their calls, and what the model gets of their outputs."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from anthropic.tools import BetaLocalFilesystemMemoryTool
from pydantic import BaseModel
from ui_message_stream.chunks import ToolInputAvailable, ToolInputError, ToolInputStart
from ui_message_stream.messages import FilePart, TextPart, UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION, ChunkVariant, downgrade
from usechat_server import Agent, ToolError, tool
from usechat_server.anthropic import AnthropicOptions, memory
from usechat_server.providers.anthropic.request.build import build_request
from usechat_server.providers.anthropic.response.translate import ResponseTranslator
from usechat_server.providers.base import ModelCall
from usechat_server.providers.sse import SSEDecoder
from usechat_server.tools import ClientTool, FunctionTool, InvalidInput, Tool

from tests.harness.fake_provider_events import message, to_sse, tool_use
from tests.harness.fake_provider_rules import request_errors
from tests.harness.media import pdf, png
from tests.harness.tool_runner import ToolRunner

PNG = base64.b64encode(png()).decode()
PDF = base64.b64encode(pdf()).decode()
PICTURE = FilePart(media_type="image/png", url=f"data:image/png;base64,{PNG}")
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}


class City(BaseModel):
    name: str


@tool(title="Weather report", tool_metadata={"icon": "sun"})
async def weather(city: City, days: int = 1) -> str:
    """The weather of a city."""
    return f"{city} {days}"


def chunks(name: str, tools: list[Any], pieces: list[str]) -> list[Any]:
    translator = ResponseTranslator(tools)
    variants: list[ChunkVariant] = []
    events = message(tool_use("toolu_1", name, pieces=pieces), stop_reason="tool_use")
    translator.feed(SSEDecoder().feed(b"".join(map(to_sse, events))), variants)
    return [
        model_output
        for variant in variants
        if (model_output := downgrade(variant, NEWEST_CLIENT_VERSION))
    ]


def test_chunks_of_a_call_have_the_title_and_metadata_of_the_tool() -> None:
    start, _, available, *_ = (
        chunk for chunk in chunks("weather", [weather], ["{}"]) if chunk.type != "custom"
    )
    assert (type(start), type(available)) == (ToolInputStart, ToolInputAvailable)
    for chunk in (start, available):
        assert (chunk.title, chunk.tool_metadata) == ("Weather report", {"icon": "sun"})
        assert chunk.dynamic is None
    [failed] = [c for c in chunks("weather", [weather], ["{oops"]) if isinstance(c, ToolInputError)]
    assert (failed.title, failed.tool_metadata) == ("Weather report", {"icon": "sun"})


def test_a_dynamic_tool_has_dynamic_parts_and_is_known() -> None:
    lookup = ClientTool("lookup", "", {"type": "object"}, dynamic=True)
    call_chunks = [c for c in chunks("lookup", [lookup], ['{"a": 1}']) if hasattr(c, "dynamic")]
    assert [chunk.type for chunk in call_chunks] == ["tool-input-start", "tool-input-available"]
    assert [chunk.dynamic for chunk in call_chunks] == [True, True]


def test_the_request_defines_the_apps_functions() -> None:
    request = body([weather], part={"type": "text", "text": "Hi"})
    assert request["tools"] == [
        {
            "name": "weather",
            "description": "The weather of a city.",
            "input_schema": weather.input_schema,
        }
    ]


def test_a_function_may_have_the_name_of_a_provider_tool() -> None:
    @tool(name="code_execution")
    def run_code(code: str) -> str:
        return code

    skills = AnthropicOptions(skills=[{"type": "anthropic", "skill_id": "pptx"}])
    with pytest.raises(ValueError, match="skills require the code_execution"):
        Agent("claude-sonnet-5-5", tools=[run_code], options=skills)
    [chunk] = [
        c
        for c in chunks("code_execution", [run_code], ['{"code": "1"}'])
        if isinstance(c, ToolInputAvailable)
    ]
    assert (chunk.input, chunk.provider_executed) == ({"code": "1"}, None)


def body(tools: list[Tool], part: dict[str, Any]) -> dict[str, Any]:
    variants = {"type": "text", "text": "Hi"}
    messages = [
        UIMessage.from_object({"id": "u", "role": "user", "parts": [variants]}),
        UIMessage.from_object({"id": "a", "role": "assistant", "parts": [part]}),
        UIMessage.from_object({"id": "v", "role": "user", "parts": [variants]}),
    ]
    request = build_request(
        ModelCall(messages, tools=tools), model="claude-sonnet-5-5", max_tokens=100
    )
    assert request_errors(request) == []
    return request


def result(tools: list[Tool], output: Any) -> Any:
    """The content of the result of a call of `draw` with this output."""
    part = {"type": "tool-draw", "toolCallId": "c", "state": "output-available", "output": output}
    block = body(tools, {**part, "input": {}})["messages"][2]["content"][0]
    assert "is_error" not in block
    return block.get("content")


@pytest.mark.parametrize(
    ("model_output", "content"),
    [
        ("words", "words"),
        (TextPart(text="words"), "words"),
        ({"a": 1}, '{"a":1}'),
        (" ", None),
        ([TextPart(text=" ")], None),
        (PICTURE, [IMAGE]),
        (["A map:", PICTURE, ""], [{"type": "text", "text": "A map:"}, IMAGE]),
        (
            FilePart(
                media_type="application/pdf",
                url=f"data:application/pdf;base64,{PDF}",
                filename="map.pdf",
            ),
            [
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                    "title": "map.pdf",
                }
            ],
        ),
        # A file that the model cannot read does not make the request fail.
        (
            FilePart(media_type="audio/wav", url="data:audio/wav;base64,AAAA", filename="a.wav"),
            "(a.wav (audio/wav) cannot be read by the model. "
            "Send an image (PNG, JPEG, GIF or WebP), a PDF or a text file.)",
        ),
        (
            FilePart(media_type="text/csv", url="", provider_reference={"anthropic": "file_1"}),
            [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}],
        ),
        (
            FilePart(media_type="a/b", url="", provider_reference={"anthropic": "file_1"}),
            "(A file that only code could read.)",
        ),
    ],
)
def test_a_tool_decides_what_the_model_gets_of_its_output(model_output: Any, content: Any) -> None:
    draw = ClientTool("draw", "", {"type": "object"}, to_model_output=lambda _: model_output)
    assert result([draw], {"id": 1}) == content


def test_the_output_of_an_undeclared_tool_is_sent_as_it_is() -> None:
    assert result([weather], {"id": 1}) == '{"id":1}'
    assert result([], "words") == "words"


async def test_the_memory_tool_keeps_notes_in_the_apps_files(tmp_path: Path) -> None:
    notes = memory(await asyncio.to_thread(BetaLocalFilesystemMemoryTool, str(tmp_path)))
    assert isinstance(notes, FunctionTool)
    runner = ToolRunner()
    path = "/memories/birds.md"
    await runner.run(notes, command="create", path=path, file_text="Owls are shy.")
    assert "Owls are shy." in await runner.run(notes, command="view", path=path)
    with pytest.raises(ToolError, match="does not exist"):
        await runner.run(notes, command="view", path="/memories/cats.md")
    with pytest.raises(InvalidInput):
        notes.parse({"command": "sing"})
    hello = {"type": "text", "text": "Hi"}
    assert body([notes], part=hello)["tools"] == body([memory()], part=hello)["tools"]
