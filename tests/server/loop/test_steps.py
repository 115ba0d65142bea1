"""The agent loop: what the client and the model get of model calls and tool calls."""

from __future__ import annotations

import asyncio
import itertools
import logging
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Literal

import pytest
from pydantic import BaseModel
from ui_message_stream.chunks import (
    Data,
    Error,
    Finish,
    FinishStep,
    ToolInputError,
    ToolOutputAvailable,
    ToolOutputError,
)
from ui_message_stream.messages import DataPart, StepStartPart, TextPart, ToolPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.schema import UNSET
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, NEWEST_CLIENT_VERSION, ClientVersion
from usechat_server.agent import Agent, NextStep
from usechat_server.providers.base import StepResult
from usechat_server.results import Step, Usage
from usechat_server.tools import ClientTool, Tool, ToolContext, ToolError, tool
from usechat_server.turn import Turn

from tests.harness.agent_chat import AgentChat, call_chunks, make_turn, text_chunks, tool_part
from tests.harness.asgi_host import LONG
from tests.harness.scripted_model import ScriptedModel, ScriptEvent

CALLS, DONE = StepResult("tool-calls"), StepResult("stop")
TEXT_RESPONSE: list[ScriptEvent] = [text_chunks(), DONE]
WHERE = ClientTool("where", "Where the user is.", {"type": "object"})


@tool
async def double(number: int) -> int:
    """Doubles a number."""
    return number * 2


class Doubling:
    """A script with one tool call, whose id differs each time it is played."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def __iter__(self) -> Iterator[ScriptEvent]:
        yield call_chunks(f"t{next(self._numbers)}", "double", number=1)
        yield Usage(5, 5)
        yield CALLS


async def test_the_next_model_call_has_the_tool_output() -> None:
    model = ScriptedModel(
        [text_chunks("Let me see."), call_chunks("a", "double", number=21), CALLS], TEXT_RESPONSE
    )
    chat = AgentChat(Agent(model, tools=[double]))
    chunks = await chat.respond(make_turn())

    assert chunks[-2:] == [FinishStep(), Finish(finish_reason="stop")]
    shape = [type(part) for part in reduce(chunks).parts]
    assert shape == [StepStartPart, TextPart, ToolPart, StepStartPart, TextPart]
    first, second = model.calls
    assert first.messages == make_turn().messages
    part = tool_part(second.messages[-1], "a")
    assert (part.state, part.input, part.output) == ("output-available", {"number": 21}, 42)
    assert all(stream.closed.is_set() for stream in model.streams)
    assert [step.finish_reason for step in chat.results[0].steps] == ["tool-calls", "stop"]


async def test_calls_of_one_step_run_concurrently_and_finish_before_it() -> None:
    both = asyncio.Barrier(2)

    @tool
    async def meet(name: str) -> str:
        """Waits for the other call."""
        await asyncio.wait_for(both.wait(), LONG)
        return name

    first = call_chunks("a", "meet", name="A")
    model = ScriptedModel(
        [[*first[:2], *call_chunks("b", "meet", name="B")], first[2:], CALLS],
        TEXT_RESPONSE,
    )
    chunks = await AgentChat(Agent(model, tools=[meet])).respond(make_turn())
    types = [chunk.type for chunk in chunks]
    outputs = [index for index, name in enumerate(types) if name == "tool-output-available"]
    assert len(outputs) == 2
    assert outputs[-1] < types.index("finish-step")


async def test_no_tool_runs_before_the_model_call_is_complete() -> None:
    resume = asyncio.Event()
    ran = []

    @tool
    def note() -> None:
        """Records that it ran."""
        ran.append(1)

    model = ScriptedModel([call_chunks("a", "note"), resume, StepResult("length")])
    chat = AgentChat(Agent(model, tools=[note]))
    await chat.start_run(make_turn())
    host = chat.connect()
    responder = host.request()
    await host.wait_for_body(lambda body: b"tool-input-available" in body)
    resume.set()
    await asyncio.wait_for(responder, LONG)
    # The response was truncated, so its tool calls may be incomplete.
    assert not ran
    message = reduce(host.chunks)
    assert tool_part(message, "a").state == "output-error"
    assert host.chunks[-1] == Finish(finish_reason="length")
    assert len(model.calls) == 1


async def test_the_model_can_correct_an_invalid_tool_input() -> None:
    model = ScriptedModel(
        [call_chunks("a", "double", number="many"), CALLS],
        [call_chunks("b", "double", number=2), CALLS],
        TEXT_RESPONSE,
    )
    chunks = await AgentChat(Agent(model, tools=[double])).respond(make_turn())
    [error] = [chunk for chunk in chunks if isinstance(chunk, ToolInputError)]
    assert error.input == {"number": "many"}
    assert "number" in error.error_text
    part = tool_part(model.calls[1].messages[-1], "a")
    assert (part.state, part.error_text) == ("output-error", error.error_text)
    assert tool_part(reduce(chunks), "b").output == 4


@pytest.mark.parametrize(
    "client_version",
    [ClientVersion(5), DEFAULT_CLIENT_VERSION, ClientVersion(6), NEWEST_CLIENT_VERSION],
)
async def test_an_unknown_tool_is_an_error_for_the_model(
    client_version: ClientVersion,
) -> None:
    model = ScriptedModel([call_chunks("a", "triple", number=1), CALLS], TEXT_RESPONSE)
    chunks = await AgentChat(Agent(model, tools=[double])).respond(make_turn(client_version))
    part = tool_part(model.calls[1].messages[-1], "a")
    assert (part.state, part.error_text) == ("output-error", "There is no tool triple.")
    assert isinstance(chunks[-1], Finish)


async def test_only_tool_errors_are_shown_to_the_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @tool
    async def refuse() -> None:
        """Refuses."""
        raise ToolError("No such booking.")

    @tool
    async def crash() -> None:
        """Has a bug."""
        raise RuntimeError("password=hunter2")

    @tool
    async def vanish() -> None:
        """Awaits a task of its own that is cancelled."""
        raise asyncio.CancelledError

    @tool
    def leave() -> None:
        """Calls a command line's `main`."""
        sys.exit("hunter2")

    @tool
    async def leave_too() -> None:
        """The same in the event loop."""
        sys.exit("hunter2")

    calls = [
        *call_chunks("a", "refuse"),
        *call_chunks("b", "crash"),
        *call_chunks("c", "vanish"),
        *call_chunks("d", "leave"),
        *call_chunks("e", "leave_too"),
    ]
    tools = (refuse, crash, vanish, leave, leave_too)
    model = ScriptedModel([calls, CALLS], TEXT_RESPONSE)
    with caplog.at_level(logging.ERROR):
        chunks = await AgentChat(Agent(model, tools=tools)).respond(make_turn())
    error_texts = {
        chunk.tool_call_id: chunk.error_text
        for chunk in chunks
        if isinstance(chunk, ToolOutputError)
    }
    assert error_texts["a"] == "No such booking."
    for name in "bcde":
        assert "hunter2" not in error_texts[name]
        [reference] = [word.strip("()") for word in error_texts[name].split()[-1:]]
        [record] = [entry for entry in caplog.records if reference in entry.getMessage()]
        assert record.exc_info
    assert "hunter2" in caplog.text
    # The model gets the same texts.
    for name, error_text in error_texts.items():
        assert tool_part(model.calls[1].messages[-1], name).error_text == error_text


async def test_tools_can_send_preliminary_outputs_and_data_from_any_thread() -> None:
    @tool
    async def count(to: int) -> AsyncIterator[int]:
        """Counts."""
        for number in range(1, to + 1):
            yield number

    @tool
    def work(ctx: ToolContext) -> str:
        """Works in a thread."""
        for done in (0.5, 1.0):
            ctx.data("progress", {"done": done}, id=ctx.tool_call_id)
        ctx.data("log", threading.current_thread() is threading.main_thread(), transient=True)
        return "worked"

    model = ScriptedModel(
        [[*call_chunks("a", "count", to=2), *call_chunks("b", "work")], CALLS], TEXT_RESPONSE
    )
    chunks = await AgentChat(Agent(model, tools=[count, work])).respond(make_turn())
    outputs = [
        (chunk.output, chunk.preliminary)
        for chunk in chunks
        if isinstance(chunk, ToolOutputAvailable) and chunk.tool_call_id == "a"
    ]
    assert outputs == [(1, True), (2, True), (2, None)]
    assert Data(name="log", data=False, transient=True) in chunks
    [progress] = [part for part in reduce(chunks).parts if isinstance(part, DataPart)]
    assert (progress.name, progress.data) == ("progress", {"done": 1.0})
    # Data that was sent before the output comes before it.
    chunks = [chunk for chunk in chunks if isinstance(chunk, Data | ToolOutputAvailable)]
    worked = ToolOutputAvailable(tool_call_id="b", output="worked")
    assert all(
        chunks.index(worked) > chunks.index(chunk) for chunk in chunks if isinstance(chunk, Data)
    )


async def test_data_without_a_json_form_fails_the_tool_call() -> None:
    @tool
    async def wrong(ctx: ToolContext) -> str:
        """Sends data that has no JSON form."""
        ctx.data("progress", object())
        return "never"

    model = ScriptedModel([call_chunks("a", "wrong"), CALLS], TEXT_RESPONSE)
    chunks = await AgentChat(Agent(model, tools=[wrong])).respond(make_turn())
    assert tool_part(reduce(chunks), "a").state == "output-error"
    assert chunks[-1] == Finish(finish_reason="stop")


async def test_server_side_calls_run_before_the_run_waits_for_the_client() -> None:
    model = ScriptedModel(
        [[*call_chunks("a", "where"), *call_chunks("b", "double", number=1)], CALLS], TEXT_RESPONSE
    )
    chat = AgentChat(Agent(model, tools=[double, WHERE]))
    chunks = await chat.respond(make_turn())
    message = reduce(chunks)
    assert tool_part(message, "a").state == "input-available"
    assert tool_part(message, "b").output == 2
    assert chunks[-1] == Finish(finish_reason="tool-calls")
    assert chat.results[0].outcome == "waiting"
    assert len(model.calls) == 1


@pytest.mark.parametrize(
    "client_version",
    [ClientVersion(5), DEFAULT_CLIENT_VERSION, ClientVersion(6), NEWEST_CLIENT_VERSION],
)
@pytest.mark.parametrize("limit", ["steps", "tokens", "hook"])
async def test_limits_and_on_step_end_the_run(client_version: ClientVersion, limit: str) -> None:
    def stop_after_three(turn: Turn, steps: Sequence[Step]) -> NextStep | None:
        return NextStep(stop=True) if len(steps) == 3 else None

    model = ScriptedModel(Doubling())
    agent = Agent(
        model,
        tools=[double],
        max_steps=3 if limit == "steps" else 20,
        max_total_tokens=30 if limit == "tokens" else None,
        on_step=stop_after_three if limit == "hook" else None,
    )
    # (AgentChat also checks that the end does not make a client continue by itself.)
    chunks = await AgentChat(agent).respond(make_turn(client_version))
    assert len(model.calls) == 3
    if client_version >= DEFAULT_CLIENT_VERSION:
        assert chunks[-1] == Finish(finish_reason="stop" if limit == "hook" else "length")
    outputs = [chunk for chunk in chunks if isinstance(chunk, ToolOutputAvailable)]
    assert len(outputs) == 3


@pytest.mark.parametrize(
    "client_version",
    [ClientVersion(5), DEFAULT_CLIENT_VERSION, ClientVersion(6), NEWEST_CLIENT_VERSION],
)
@pytest.mark.parametrize("during", ["the model", "a tool"])
async def test_a_run_that_times_out_ends_legally(
    client_version: ClientVersion, during: str
) -> None:
    cancelled = asyncio.Event()

    @tool
    async def sleep() -> None:
        """Takes long."""
        try:
            await asyncio.sleep(3600)
        finally:
            cancelled.set()

    script = [call_chunks("a", "sleep"), CALLS if during == "a tool" else asyncio.Event()]
    model = ScriptedModel([text_chunks("So."), *script])
    chat = AgentChat(Agent(model, tools=[sleep], timeout=0.2))
    message = reduce(await chat.respond(make_turn(client_version)))
    part = tool_part(message, "a")
    assert part.state == "output-error"
    assert "timed out" in (part.error_text or "")
    assert cancelled.is_set() == (during == "a tool")
    assert model.streams[0].closed.is_set()
    assert chat.results[0].outcome == "finished"


async def test_output_after_the_timeout_is_dropped() -> None:
    cancelled = asyncio.Event()

    @tool
    async def stubborn() -> str:
        """Returns an output although it was cancelled."""
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.set()
        return "too late"

    model = ScriptedModel([call_chunks("a", "stubborn"), CALLS])
    chunks = await AgentChat(Agent(model, tools=[stubborn], timeout=0.1)).respond(make_turn())
    assert cancelled.is_set()
    assert tool_part(reduce(chunks), "a").state == "output-error"
    assert chunks[-1] == Finish(finish_reason="length")


async def test_on_step_changes_the_next_step_only() -> None:
    small = ScriptedModel(TEXT_RESPONSE)
    model = ScriptedModel([call_chunks("a", "double", number=4), CALLS])
    seen: list[tuple[UIMessage | None, int]] = []

    async def change(turn: Turn, steps: Sequence[Step]) -> NextStep | None:
        seen.append((turn.continued, len(steps)))
        return NextStep(model=small, system="Be brief.", tools=[]) if steps else None

    agent = Agent(model, system="Be exact.", tools=[double], on_step=change)
    await AgentChat(agent).respond(make_turn())
    [first], [second] = model.calls, small.calls
    assert (first.system, [tool.name for tool in first.tools]) == ("Be exact.", ["double"])
    assert (second.system, second.tools) == ("Be brief.", ())
    assert [count for _, count in seen] == [0, 1]
    message = seen[1][0]
    assert message is not None
    assert tool_part(message, "a").output == 8


@pytest.mark.parametrize(
    ("approvals", "client_version", "supported"),
    [("native", 5, False), ("native", 7, True), ("client-tool", 5, True)],
)
async def test_on_step_tools_that_need_approval_require_client_support(
    approvals: Literal["native", "client-tool"], client_version: int, supported: bool
) -> None:
    @tool(needs_approval=True)
    async def book() -> None:
        """Books."""

    model = ScriptedModel([call_chunks("a", "book"), CALLS])
    agent = Agent(model, approvals=approvals, on_step=lambda *_: NextStep(tools=[book]))
    chunks = await AgentChat(agent).respond(make_turn(ClientVersion(client_version)))
    if supported:
        assert isinstance(chunks[-1], Finish)
        assert len(model.calls) == 1
    else:
        # The client could not show the approval request, and the chat would be stuck.
        assert chunks[-1] == Error(
            error_text=f"ai {ClientVersion(client_version)} does not support "
            "tool-approval-request, tool-output-denied"
        )
        assert model.calls == []


async def test_system_prompt_and_tools_can_depend_on_the_turn() -> None:
    class Source:
        closed = False

        may_require_approval = False

        async def tools(self, turn: Turn) -> Sequence[Tool]:
            return [double, WHERE]

        async def aclose(self) -> None:
            self.closed = True

    @tool(name="where")
    async def own() -> str:
        """Has the same name as a tool of the source, and takes precedence."""
        return "here"

    async def system(turn: Turn) -> str:
        return f"You talk to {turn.user}."

    source = Source()
    model = ScriptedModel(
        [[*call_chunks("a", "double", number=4), *call_chunks("b", "where")], CALLS], TEXT_RESPONSE
    )
    agent = Agent(model, system=system, tools=[source, own])
    chunks = await AgentChat(agent).respond(make_turn())
    assert model.calls[0].system == "You talk to ann."
    assert [tool_part(reduce(chunks), name).output for name in "ab"] == [8, "here"]
    await agent.aclose()
    assert source.closed


async def test_tools_of_a_source_can_change_between_steps(caplog: pytest.LogCaptureFixture) -> None:
    def make_tool(name: str, output: str) -> Tool:
        async def function() -> str:
            return output

        return tool(function, name=name, description="Returns a text.")

    class Source:
        may_require_approval = False
        listed: Sequence[Tool] = (make_tool("a", "old"), make_tool("b", "b"))

        async def tools(self, turn: Turn) -> Sequence[Tool]:
            return self.listed

        async def aclose(self) -> None:
            pass

    source = Source()

    def change(turn: Turn, steps: Sequence[Step]) -> None:
        if steps:
            source.listed = (make_tool("a", "new"), make_tool("c", "c"))

    later = [chunk for name in "abc" for chunk in call_chunks(f"later-{name}", name)]
    model = ScriptedModel([call_chunks("first-a", "a"), CALLS], [later, CALLS], TEXT_RESPONSE)
    chat = AgentChat(Agent(model, tools=[source], on_step=change))
    message = await chat.response_message(make_turn())
    assert [[tool.name for tool in call.tools] for call in model.calls] == [
        ["a", "b"],
        *[["a", "c"]] * 2,
    ]
    outputs = [part.output for part in message.parts if isinstance(part, ToolPart)]
    assert outputs == ["old", "new", UNSET, "c"]
    assert not caplog.records


class City(BaseModel):
    name: str
    population: int


async def test_structured_output() -> None:
    model = ScriptedModel([text_chunks('{"name": "Bern", "population": 134591}'), DONE])
    chat = AgentChat(Agent(model, output=City))
    chunks = await chat.respond(make_turn())
    assert model.calls[0].output is City
    assert chunks[-1] == Finish(finish_reason="stop")
    assert chat.results[0].output == City(name="Bern", population=134591)


async def test_invalid_structured_output_is_corrected_once() -> None:
    wrong, right = text_chunks('{"name": "Bern"}'), text_chunks('{"name": "Bern", "population": 1}')
    model = ScriptedModel([wrong, DONE], [right, DONE])
    chat = AgentChat(Agent(model, output=City))
    chunks = await chat.respond(make_turn())
    assert chat.results[0].output == City(name="Bern", population=1)
    correction = model.calls[1].messages[-1]
    assert correction.role == "user"
    assert isinstance(correction.parts[0], TextPart)
    assert "population" in correction.parts[0].text
    assert [chunk.type for chunk in chunks].count("start-step") == 2

    model = ScriptedModel([wrong, DONE])
    chat = AgentChat(Agent(model, output=City))
    chunks = await chat.respond(make_turn())
    assert chunks[-1].type == "error"
    assert len(model.calls) == 2
    assert (chat.results[0].outcome, chat.results[0].output) == ("failed", None)


async def test_truncated_structured_output_is_not_corrected() -> None:
    model = ScriptedModel([text_chunks('{"name": "Be'), StepResult("length")])
    chat = AgentChat(Agent(model, output=City))
    assert (await chat.respond(make_turn()))[-1] == Finish(finish_reason="length")
    assert chat.results[0].output is None
    assert len(model.calls) == 1


def test_max_steps_must_be_positive() -> None:
    with pytest.raises(ValueError, match="max_steps"):
        Agent(ScriptedModel(TEXT_RESPONSE), max_steps=0)


async def test_a_model_may_use_the_id_of_a_call_again() -> None:
    @tool
    async def double(number: int) -> int:
        """Doubles a number."""
        return 2 * number

    calls = [call_chunks("call_0", "double", number=number) for number in (1, 2, 3)]
    model = ScriptedModel(
        [calls[0], calls[1], StepResult("tool-calls")],
        [[calls[2][0]], [calls[2][1]], [calls[2][2]], StepResult("tool-calls")],
        [text_chunks(), StepResult("stop")],
    )
    message = await AgentChat(Agent(model, tools=[double])).response_message(make_turn())
    parts = [part for part in message.parts if isinstance(part, ToolPart)]
    assert [part.output for part in parts] == [2, 4, 6]
    assert [part.tool_call_id for part in parts] == ["call_0", "call_0_2", "call_0_3"]
