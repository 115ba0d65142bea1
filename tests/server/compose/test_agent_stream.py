"""Agents whose stream a handler merges, or an own route sends."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from ui_message_stream.checker import check
from ui_message_stream.chunks import (
    Error,
    Finish,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputStart,
)
from ui_message_stream.messages import TextPart, ToolPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server import (
    Agent,
    StreamWriter,
    Turn,
    UIMessageStreamResponse,
    tool,
    usage_metadata,
)
from usechat_server.errors import ModelError
from usechat_server.providers.base import StepResult
from usechat_server.results import Usage

from tests.harness.asgi_host import LONG, AsgiHost
from tests.harness.scripted_model import ScriptedModel

QUESTION = UIMessage(id="u", role="user", parts=[TextPart(text="?")])
TURN = Turn(
    user=None,
    chat_id="c",
    client_version=NEWEST_CLIENT_VERSION,
    messages=[QUESTION],
    message_id="m",
)


def text_script(text: str) -> list[Any]:
    return [
        [TextStart(id="0"), TextDelta(id="0", delta=text), TextEnd(id="0")],
        Usage(input=10, output=2),
        StepResult("stop"),
    ]


def call_script(call_id: str) -> list[Any]:
    return [
        [ToolInputStart(tool_call_id=call_id, tool_name="double")],
        [ToolInputAvailable(tool_call_id=call_id, tool_name="double", input={"number": 4})],
        Usage(input=20, output=3),
        StepResult("tool-calls"),
    ]


@tool
def double(number: int) -> int:
    """Doubles a number."""
    return 2 * number


async def message_and_finish(response: UIMessageStreamResponse) -> tuple[UIMessage, Finish]:
    host = AsgiHost(response)
    chunks = await host.read_chunks()
    assert check(host.body, NEWEST_CLIENT_VERSION) == []
    last = chunks[-1]
    assert isinstance(last, Finish), last
    return reduce(chunks), last


async def test_an_agent_stream_in_an_own_route(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "usechat.run")
    model = ScriptedModel(call_script("call"), text_script("8"))
    agent = Agent(model, tools=[double], metadata=usage_metadata)
    response = UIMessageStreamResponse(agent.stream(TURN), client_version=TURN.client_version)
    message, finish = await message_and_finish(response)
    [call] = [part for part in message.parts if isinstance(part, ToolPart)]
    assert (call.state, call.output) == ("output-available", 8)
    assert [part.text for part in message.parts if isinstance(part, TextPart)] == ["8"]
    assert finish.finish_reason == "stop"
    assert message.metadata["usage"]["inputTokens"] == 30
    # The second step got the output of the first.
    parts = model.calls[1].messages[-1].parts
    assert [part.output for part in parts if isinstance(part, ToolPart)] == [8]
    assert [record.run["outcome"] for record in caplog.records] == ["finished"]  # type: ignore[attr-defined]


async def test_two_agents_merged_concurrently_between_texts_of_the_handler() -> None:
    async def handler(turn: Turn, writer: StreamWriter) -> None:
        writer.text("Asking both.")
        first = Agent(ScriptedModel(call_script("a"), text_script("One")), tools=[double])
        second = Agent(ScriptedModel(call_script("b"), text_script("Two")), tools=[double])
        await asyncio.gather(writer.merge(first.stream(turn)), writer.merge(second.stream(turn)))
        writer.text("Done.")

    message, _ = await message_and_finish(UIMessageStreamResponse.from_handler(handler, TURN))
    texts = [part.text for part in message.parts if isinstance(part, TextPart)]
    assert sorted(texts) == ["Asking both.", "Done.", "One", "Two"]
    assert (texts[0], texts[-1]) == ("Asking both.", "Done.")
    tools = [part for part in message.parts if isinstance(part, ToolPart)]
    assert sorted(part.tool_call_id for part in tools) == ["a", "b"]
    assert [part.output for part in tools] == [8, 8]


async def test_a_handler_can_catch_the_error_of_its_agent() -> None:
    async def handler(turn: Turn, writer: StreamWriter) -> None:
        failing = ScriptedModel([[TextStart(id="0")], ModelError("529", "overloaded")])
        try:
            await writer.merge(Agent(failing).stream(turn))
        except ModelError:
            writer.text("Try again later.")

    message, _ = await message_and_finish(UIMessageStreamResponse.from_handler(handler, TURN))
    assert [p.text for p in message.parts if isinstance(p, TextPart)][-1] == "Try again later."

    async def without_fallback(turn: Turn, writer: StreamWriter) -> None:
        await writer.merge(Agent(ScriptedModel([ModelError("529", "overloaded")])).stream(turn))

    last = (
        await AsgiHost(UIMessageStreamResponse.from_handler(without_fallback, TURN)).read_chunks()
    )[-1]
    assert isinstance(last, Error)
    assert "overloaded" in last.error_text


async def test_a_disconnect_closes_the_merged_agent_s_model_call() -> None:
    model = ScriptedModel([[TextStart(id="0"), TextDelta(id="0", delta="Hel")], asyncio.Event()])

    async def handler(turn: Turn, writer: StreamWriter) -> None:
        await writer.merge(Agent(model).stream(turn))

    host = AsgiHost(UIMessageStreamResponse.from_handler(handler, TURN))
    request = host.request()
    await host.wait_for_body(lambda body: b"Hel" in body)
    host.disconnect()
    await asyncio.wait_for(request, LONG)
    assert model.streams[0].closed.is_set()
