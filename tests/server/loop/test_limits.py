"""What a model and its tools may make a run hold: a response's size, and the calls of a step."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from ui_message_stream import json_codec
from ui_message_stream.chunks import (
    Error,
    ReasoningDelta,
    ReasoningStart,
    TextDelta,
    TextStart,
    ToolInputStart,
)
from ui_message_stream.reducer import reduce
from usechat_server.agent import Agent
from usechat_server.providers.base import StepResult
from usechat_server.runs import RunLimits
from usechat_server.tools import ToolContext, tool

from tests.harness.agent_chat import AgentChat, call_chunks, make_turn, text_chunks, tool_part
from tests.harness.common import DEADLINE
from tests.harness.scripted_model import ScriptedModel, ScriptEvent

LIMIT, PIECE = 20_000, 3000


def endless_text() -> Iterator[ScriptEvent]:
    yield [TextStart(id="0")]
    for _ in itertools.count():
        yield [TextDelta(id="0", delta="x" * PIECE)]


def endless_reasoning() -> Iterator[ScriptEvent]:
    for number in itertools.count():
        block = str(number)
        yield [ReasoningStart(id=block), ReasoningDelta(id=block, delta="x" * PIECE)]


def endless_inputs() -> Iterator[ScriptEvent]:
    for number in itertools.count():
        yield call_chunks(str(number), "send", text="x" * PIECE)


class Calls:
    """A step with one call of a tool, whose id differs each time."""

    def __init__(self, name: str) -> None:
        self._ids = map(str, itertools.count())
        self._name = name

    def __iter__(self) -> Iterator[ScriptEvent]:
        yield call_chunks(next(self._ids), self._name)
        yield StepResult("tool-calls")


@tool
def send() -> str:
    """Return much."""
    return "x" * PIECE


@tool
async def stream() -> AsyncIterator[str]:
    """Yield much."""
    for _ in itertools.count():
        yield "x" * PIECE


@tool
def report(ctx: ToolContext) -> None:
    """Report much, from a thread."""
    for _ in range(20):
        ctx.data("progress", "x" * PIECE)


@pytest.mark.parametrize(
    "script",
    [endless_text, endless_reasoning, endless_inputs, *map(Calls, ("send", "stream", "report"))],
)
async def test_a_response_that_grows_too_large_is_ended(
    script: Callable[[], Iterator[ScriptEvent]] | Calls,
) -> None:
    model = ScriptedModel(script() if callable(script) else script)
    agent = Agent(model, tools=[send, stream, report], max_steps=1000, max_calls_per_step=1000)
    chat = AgentChat(agent, limits=RunLimits(max_response_bytes=LIMIT))
    chunks = await asyncio.wait_for(chat.respond(make_turn()), DEADLINE)
    assert isinstance(chunks[-1], Error)
    assert chunks[-1].error_text.startswith("The response is too large")
    assert chat.results[0].outcome == "failed"
    assert model.streams[-1].closed.is_set()
    size = len(json_codec.encode([chunk.to_object() for chunk in chunks]))
    assert LIMIT - PIECE < size < LIMIT + 3 * PIECE


async def test_calls_of_a_step_are_limited() -> None:
    running = most = ran = 0

    @tool
    async def work() -> str:
        """Work."""
        nonlocal running, most, ran
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        ran += 1
        return "done"

    calls = [chunk for number in range(30) for chunk in call_chunks(str(number), "work")]
    model = ScriptedModel([calls, StepResult("tool-calls")], [text_chunks(), StepResult("stop")])
    agent = Agent(model, tools=[work], max_calls_per_step=10, max_concurrent_calls=3)
    chunks = await AgentChat(agent).respond(make_turn())
    assert (ran, most) == (10, 3)
    message = reduce(chunks)
    assert tool_part(message, "9").output == "done"
    refused = tool_part(message, "10")
    assert refused.state == "output-error"
    assert refused.error_text == (
        "The call was not run: at most 10 calls run in one step. Call it again."
    )
    assert sum(isinstance(chunk, ToolInputStart) for chunk in chunks) == 30
    # The model is told, and goes on.
    assert tool_part(model.calls[1].messages[-1], "10").error_text == refused.error_text


@pytest.mark.parametrize("name", ["max_calls_per_step", "max_concurrent_calls", "max_steps"])
def test_limits_have_to_be_positive(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected at least 1, got 0"):
        Agent("demo", **{name: 0})  # type: ignore[arg-type]
