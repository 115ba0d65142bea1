"""Agents within plain code: merged into one message, counted and cut with the run."""

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
from usechat_server import Agent, StreamWriter, Turn, UIMessageStreamResponse, tool
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


def says(text: str) -> list[Any]:
    return [
        [TextStart(id="0"), TextDelta(id="0", delta=text), TextEnd(id="0")],
        Usage(input=10, output=2),
        StepResult("stop"),
    ]


def calls(call_id: str) -> list[Any]:
    return [
        [ToolInputStart(tool_call_id=call_id, tool_name="double")],
        [ToolInputAvailable(tool_call_id=call_id, tool_name="double", input={"number": 4})],
        Usage(input=20, output=3),
        StepResult("tool-calls"),
    ]


@tool
def double(number: int) -> int:
    """Doubles."""
    return 2 * number


async def shown(response: UIMessageStreamResponse) -> tuple[UIMessage, Finish]:
    host = AsgiHost(response)
    chunks = await host.answer()
    assert check(host.body, NEWEST_CLIENT_VERSION) == []
    last = chunks[-1]
    assert isinstance(last, Finish), last
    return reduce(chunks), last


async def test_an_agent_in_a_route_of_the_app_s_own(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "usechat.run")
    model = ScriptedModel(calls("call"), says("8"))
    response = UIMessageStreamResponse(Agent(model, tools=[double]).stream(TURN))
    message, finish = await shown(response)
    [call] = [part for part in message.parts if isinstance(part, ToolPart)]
    assert (call.state, call.output) == ("output-available", 8)
    assert [part.text for part in message.parts if isinstance(part, TextPart)] == ["8"]
    assert finish.finish_reason == "stop"
    assert message.metadata["usage"]["inputTokens"] == 30
    # The second step was asked with the output of the first.
    asked = model.calls[1].messages[-1].parts
    assert [part.output for part in asked if isinstance(part, ToolPart)] == [8]
    assert [record.run["outcome"] for record in caplog.records] == ["finished"]  # type: ignore[attr-defined]


async def test_two_agents_at_once_beside_the_code_s_own_text() -> None:
    async def answer(turn: Turn, writer: StreamWriter) -> None:
        writer.text("Asking both.")
        first = Agent(ScriptedModel(calls("a"), says("One")), tools=[double])
        second = Agent(ScriptedModel(calls("b"), says("Two")), tools=[double])
        await asyncio.gather(writer.merge(first.stream(turn)), writer.merge(second.stream(turn)))
        writer.text("Done.")

    message, _ = await shown(UIMessageStreamResponse.of(answer, TURN))
    texts = [part.text for part in message.parts if isinstance(part, TextPart)]
    assert sorted(texts) == ["Asking both.", "Done.", "One", "Two"]
    assert (texts[0], texts[-1]) == ("Asking both.", "Done.")
    tools = [part for part in message.parts if isinstance(part, ToolPart)]
    assert sorted(part.tool_call_id for part in tools) == ["a", "b"]
    assert [part.output for part in tools] == [8, 8]


async def test_code_can_answer_when_its_agent_fails() -> None:
    async def answer(turn: Turn, writer: StreamWriter) -> None:
        broken = ScriptedModel([[TextStart(id="0")], ModelError("529", "overloaded")])
        try:
            await writer.merge(Agent(broken).stream(turn))
        except ModelError:
            writer.text("Nobody is there.")

    message, _ = await shown(UIMessageStreamResponse.of(answer, TURN))
    assert [p.text for p in message.parts if isinstance(p, TextPart)][-1] == "Nobody is there."

    async def unaware(turn: Turn, writer: StreamWriter) -> None:
        await writer.merge(Agent(ScriptedModel([ModelError("529", "overloaded")])).stream(turn))

    last = (await AsgiHost(UIMessageStreamResponse.of(unaware, TURN)).answer())[-1]
    assert isinstance(last, Error)
    assert "overloaded" in last.error_text


async def test_a_client_that_leaves_closes_the_merged_agent_s_connection() -> None:
    model = ScriptedModel([[TextStart(id="0"), TextDelta(id="0", delta="Hel")], asyncio.Event()])

    async def answer(turn: Turn, writer: StreamWriter) -> None:
        await writer.merge(Agent(model).stream(turn))

    host = AsgiHost(UIMessageStreamResponse.of(answer, TURN))
    responder = host.request()
    await host.until(lambda body: b"Hel" in body)
    host.leave()
    await asyncio.wait_for(responder, LONG)
    assert model.streams[0].closed.is_set()
