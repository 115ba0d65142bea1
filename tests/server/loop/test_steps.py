"""The loop: model calls and the tools between them, as a page and a model see them."""

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

from tests.harness.asgi_host import LONG
from tests.harness.scripted_model import ScriptedModel, ScriptEvent
from tests.harness.turns import Scene, ask, call, text, tool_part

CALLS, DONE = StepResult("tool-calls"), StepResult("stop")
SPOKEN: list[ScriptEvent] = [text(), DONE]
WHERE = ClientTool("where", "Where the page is.", {"type": "object"})


@tool
async def double(number: int) -> int:
    """Doubles a number."""
    return number * 2


class Doubling:
    """A script that is one more call each time it is played."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def __iter__(self) -> Iterator[ScriptEvent]:
        yield call(f"t{next(self._numbers)}", "double", number=1)
        yield Usage(5, 5)
        yield CALLS


async def test_the_model_goes_on_with_what_its_tool_brought() -> None:
    model = ScriptedModel([text("Let me see."), call("a", "double", number=21), CALLS], SPOKEN)
    scene = Scene(Agent(model, tools=[double]))
    answer = await scene.answer(ask())

    assert answer[-2:] == [FinishStep(), Finish(finish_reason="stop")]
    shape = [type(part) for part in reduce(answer).parts]
    assert shape == [StepStartPart, TextPart, ToolPart, StepStartPart, TextPart]
    first, second = model.calls
    assert first.messages == ask().messages
    part = tool_part(second.messages[-1], "a")
    assert (part.state, part.input, part.output) == ("output-available", {"number": 21}, 42)
    assert all(stream.closed.is_set() for stream in model.streams)
    assert [step.finish_reason for step in scene.answers[0].steps] == ["tool-calls", "stop"]


async def test_calls_of_one_step_run_at_once_and_end_before_the_step() -> None:
    both = asyncio.Barrier(2)

    @tool
    async def meet(name: str) -> str:
        """Waits for the other one."""
        await asyncio.wait_for(both.wait(), LONG)
        return name

    first = call("a", "meet", name="A")
    model = ScriptedModel(
        [[*first[:2], *call("b", "meet", name="B")], first[2:], CALLS],
        SPOKEN,
    )
    answer = await Scene(Agent(model, tools=[meet])).answer(ask())
    types = [chunk.type for chunk in answer]
    outputs = [index for index, name in enumerate(types) if name == "tool-output-available"]
    assert len(outputs) == 2
    assert outputs[-1] < types.index("finish-step")


async def test_nothing_runs_before_the_model_has_said_all() -> None:
    go_on = asyncio.Event()
    ran = []

    @tool
    def note() -> None:
        """Notes that it ran."""
        ran.append(1)

    model = ScriptedModel([call("a", "note"), go_on, StepResult("length")])
    scene = Scene(Agent(model, tools=[note]))
    await scene.begin(ask())
    host = scene.host()
    responder = host.request()
    await host.until(lambda body: b"tool-input-available" in body)
    go_on.set()
    await asyncio.wait_for(responder, LONG)
    # The answer was cut: what it wanted may be half of what it meant.
    assert not ran
    message = reduce(host.chunks)
    assert tool_part(message, "a").state == "output-error"
    assert host.chunks[-1] == Finish(finish_reason="length")
    assert len(model.calls) == 1


async def test_the_model_may_correct_an_input_that_the_tool_does_not_take() -> None:
    model = ScriptedModel(
        [call("a", "double", number="many"), CALLS], [call("b", "double", number=2), CALLS], SPOKEN
    )
    answer = await Scene(Agent(model, tools=[double])).answer(ask())
    [error] = [chunk for chunk in answer if isinstance(chunk, ToolInputError)]
    assert error.input == {"number": "many"}
    assert "number" in error.error_text
    told = tool_part(model.calls[1].messages[-1], "a")
    assert (told.state, told.error_text) == ("output-error", error.error_text)
    assert tool_part(reduce(answer), "b").output == 4


@pytest.mark.parametrize(
    "client_version",
    [ClientVersion(5), DEFAULT_CLIENT_VERSION, ClientVersion(6), NEWEST_CLIENT_VERSION],
)
async def test_a_tool_that_nobody_has_is_an_error_that_the_model_is_told(
    client_version: ClientVersion,
) -> None:
    model = ScriptedModel([call("a", "triple", number=1), CALLS], SPOKEN)
    answer = await Scene(Agent(model, tools=[double])).answer(ask(client_version))
    part = tool_part(model.calls[1].messages[-1], "a")
    assert (part.state, part.error_text) == ("output-error", "There is no tool triple.")
    assert isinstance(answer[-1], Finish)


async def test_a_tool_error_is_shown_and_any_other_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @tool
    async def refuse() -> None:
        """Cannot do it."""
        raise ToolError("No such booking.")

    @tool
    async def crash() -> None:
        """Has a bug."""
        raise RuntimeError("password=hunter2")

    @tool
    async def vanish() -> None:
        """Has a task of its own that is cancelled."""
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
        *call("a", "refuse"),
        *call("b", "crash"),
        *call("c", "vanish"),
        *call("d", "leave"),
        *call("e", "leave_too"),
    ]
    tools = (refuse, crash, vanish, leave, leave_too)
    model = ScriptedModel([calls, CALLS], SPOKEN)
    with caplog.at_level(logging.ERROR):
        answer = await Scene(Agent(model, tools=tools)).answer(ask())
    shown = {
        chunk.tool_call_id: chunk.error_text
        for chunk in answer
        if isinstance(chunk, ToolOutputError)
    }
    assert shown["a"] == "No such booking."
    for name in "bcde":
        assert "hunter2" not in shown[name]
        [reference] = [word.strip("()") for word in shown[name].split()[-1:]]
        [line] = [one for one in caplog.records if reference in one.getMessage()]
        assert line.exc_info
    assert "hunter2" in caplog.text
    # The model is told the same.
    for name, error_text in shown.items():
        assert tool_part(model.calls[1].messages[-1], name).error_text == error_text


async def test_preliminary_outputs_and_data_from_any_thread() -> None:
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

    model = ScriptedModel([[*call("a", "count", to=2), *call("b", "work")], CALLS], SPOKEN)
    answer = await Scene(Agent(model, tools=[count, work])).answer(ask())
    outputs = [
        (chunk.output, chunk.preliminary)
        for chunk in answer
        if isinstance(chunk, ToolOutputAvailable) and chunk.tool_call_id == "a"
    ]
    assert outputs == [(1, True), (2, True), (2, None)]
    assert Data(name="log", data=False, transient=True) in answer
    [progress] = [part for part in reduce(answer).parts if isinstance(part, DataPart)]
    assert (progress.name, progress.data) == ("progress", {"done": 1.0})
    # What was said before the output comes before it.
    told = [chunk for chunk in answer if isinstance(chunk, Data | ToolOutputAvailable)]
    worked = ToolOutputAvailable(tool_call_id="b", output="worked")
    assert all(told.index(worked) > told.index(one) for one in told if isinstance(one, Data))


async def test_data_that_has_no_json_form_is_the_tools_error() -> None:
    @tool
    async def wrong(ctx: ToolContext) -> str:
        """Sends what cannot be sent."""
        ctx.data("progress", object())
        return "never"

    model = ScriptedModel([call("a", "wrong"), CALLS], SPOKEN)
    answer = await Scene(Agent(model, tools=[wrong])).answer(ask())
    assert tool_part(reduce(answer), "a").state == "output-error"
    assert answer[-1] == Finish(finish_reason="stop")


async def test_a_call_of_the_page_waits_until_the_others_have_run() -> None:
    model = ScriptedModel([[*call("a", "where"), *call("b", "double", number=1)], CALLS], SPOKEN)
    scene = Scene(Agent(model, tools=[double, WHERE]))
    answer = await scene.answer(ask())
    message = reduce(answer)
    assert tool_part(message, "a").state == "input-available"
    assert tool_part(message, "b").output == 2
    assert answer[-1] == Finish(finish_reason="tool-calls")
    assert scene.answers[0].outcome == "waiting"
    assert len(model.calls) == 1


@pytest.mark.parametrize(
    "client_version",
    [ClientVersion(5), DEFAULT_CLIENT_VERSION, ClientVersion(6), NEWEST_CLIENT_VERSION],
)
@pytest.mark.parametrize("limit", ["steps", "tokens", "hook"])
async def test_an_answer_goes_so_far_and_no_further(
    client_version: ClientVersion, limit: str
) -> None:
    def enough(turn: Turn, steps: Sequence[Step]) -> NextStep | None:
        return NextStep(stop=True) if len(steps) == 3 else None

    model = ScriptedModel(Doubling())
    agent = Agent(
        model,
        tools=[double],
        max_steps=3 if limit == "steps" else 20,
        max_total_tokens=30 if limit == "tokens" else None,
        on_step=enough if limit == "hook" else None,
    )
    # (Scene checks that the end makes no page continue by itself: the grammar has that rule.)
    answer = await Scene(agent).answer(ask(client_version))
    assert len(model.calls) == 3
    if client_version >= DEFAULT_CLIENT_VERSION:
        assert answer[-1] == Finish(finish_reason="stop" if limit == "hook" else "length")
    outputs = [chunk for chunk in answer if isinstance(chunk, ToolOutputAvailable)]
    assert len(outputs) == 3


@pytest.mark.parametrize(
    "client_version",
    [ClientVersion(5), DEFAULT_CLIENT_VERSION, ClientVersion(6), NEWEST_CLIENT_VERSION],
)
@pytest.mark.parametrize("during", ["the model", "a tool"])
async def test_an_answer_ends_legally_when_its_time_is_over(
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

    script = [call("a", "sleep"), CALLS if during == "a tool" else asyncio.Event()]
    model = ScriptedModel([text("So."), *script])
    scene = Scene(Agent(model, tools=[sleep], timeout=0.2))
    message = reduce(await scene.answer(ask(client_version)))
    part = tool_part(message, "a")
    assert part.state == "output-error"
    assert "time" in (part.error_text or "")
    assert cancelled.is_set() == (during == "a tool")
    assert model.streams[0].closed.is_set()
    assert scene.answers[0].outcome == "finished"


async def test_what_a_tool_says_after_its_time_changes_nothing() -> None:
    said = asyncio.Event()

    @tool
    async def stubborn() -> str:
        """Answers all the same."""
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            said.set()
        return "too late"

    model = ScriptedModel([call("a", "stubborn"), CALLS])
    answer = await Scene(Agent(model, tools=[stubborn], timeout=0.1)).answer(ask())
    assert said.is_set()
    assert tool_part(reduce(answer), "a").state == "output-error"
    assert answer[-1] == Finish(finish_reason="length")


async def test_a_hook_changes_the_step_that_comes_next() -> None:
    small = ScriptedModel(SPOKEN)
    model = ScriptedModel([call("a", "double", number=4), CALLS])
    seen: list[tuple[UIMessage | None, int]] = []

    async def cheaper(turn: Turn, steps: Sequence[Step]) -> NextStep | None:
        seen.append((turn.continued, len(steps)))
        return NextStep(model=small, system="Be brief.", tools=[]) if steps else None

    agent = Agent(model, system="Be exact.", tools=[double], on_step=cheaper)
    await Scene(agent).answer(ask())
    [first], [second] = model.calls, small.calls
    assert (first.system, [one.name for one in first.tools]) == ("Be exact.", ["double"])
    assert (second.system, second.tools) == ("Be brief.", ())
    assert [count for _, count in seen] == [0, 1]
    so_far = seen[1][0]
    assert so_far is not None
    assert tool_part(so_far, "a").output == 8


@pytest.mark.parametrize(
    ("approvals", "client_version", "told"),
    [("native", 5, False), ("native", 7, True), ("client-tool", 5, True)],
)
async def test_a_hook_brings_a_tool_that_asks(
    approvals: Literal["native", "client-tool"], client_version: int, told: bool
) -> None:
    @tool(needs_approval=True)
    async def book() -> None:
        """Books."""

    model = ScriptedModel([call("a", "book"), CALLS])
    agent = Agent(model, approvals=approvals, on_step=lambda *_: NextStep(tools=[book]))
    answer = await Scene(agent).answer(ask(ClientVersion(client_version)))
    if told:
        assert isinstance(answer[-1], Finish)
        assert len(model.calls) == 1
    else:
        # Else the page would wait for a call that it cannot show as a question.
        assert answer[-1] == Error(
            error_text=f"ai {ClientVersion(client_version)} cannot read "
            "tool-approval-request, tool-output-denied"
        )
        assert model.calls == []


async def test_a_system_prompt_and_tools_of_the_turn() -> None:
    class Source:
        closed = False

        asks = False

        async def tools(self, turn: Turn) -> Sequence[Tool]:
            return [double, WHERE]

        async def aclose(self) -> None:
            self.closed = True

    @tool(name="where")
    async def own() -> str:
        """The app's own goes first."""
        return "here"

    async def system(turn: Turn) -> str:
        return f"You talk to {turn.user}."

    source = Source()
    model = ScriptedModel([[*call("a", "double", number=4), *call("b", "where")], CALLS], SPOKEN)
    agent = Agent(model, system=system, tools=[source, own])
    answer = await Scene(agent).answer(ask())
    assert model.calls[0].system == "You talk to ann."
    assert [tool_part(reduce(answer), name).output for name in "ab"] == [8, "here"]
    await agent.aclose()
    assert source.closed


async def test_tools_that_come_and_go_between_the_steps(caplog: pytest.LogCaptureFixture) -> None:
    def saying(name: str, said: str) -> Tool:
        async def function() -> str:
            return said

        return tool(function, name=name, description="Says something.")

    class Source:
        asks = False
        has: Sequence[Tool] = (saying("a", "old"), saying("b", "b"))

        async def tools(self, turn: Turn) -> Sequence[Tool]:
            return self.has

        async def aclose(self) -> None:
            pass

    source = Source()

    def change(turn: Turn, steps: Sequence[Step]) -> None:
        if steps:
            source.has = (saying("a", "new"), saying("c", "c"))

    later = [chunk for name in "abc" for chunk in call(f"later-{name}", name)]
    model = ScriptedModel([call("first-a", "a"), CALLS], [later, CALLS], SPOKEN)
    scene = Scene(Agent(model, tools=[source], on_step=change))
    message = await scene.message(ask())
    assert [[one.name for one in asked.tools] for asked in model.calls] == [
        ["a", "b"],
        *[["a", "c"]] * 2,
    ]
    said = [part.output for part in message.parts if isinstance(part, ToolPart)]
    assert said == ["old", "new", UNSET, "c"]
    assert not caplog.records


class City(BaseModel):
    name: str
    people: int


async def test_the_answer_as_an_object() -> None:
    model = ScriptedModel([text('{"name": "Bern", "people": 134591}'), DONE])
    scene = Scene(Agent(model, output=City))
    answer = await scene.answer(ask())
    assert model.calls[0].output is City
    assert answer[-1] == Finish(finish_reason="stop")
    assert scene.answers[0].output == City(name="Bern", people=134591)


async def test_an_object_that_is_not_valid_is_corrected_once() -> None:
    wrong, right = text('{"name": "Bern"}'), text('{"name": "Bern", "people": 1}')
    model = ScriptedModel([wrong, DONE], [right, DONE])
    scene = Scene(Agent(model, output=City))
    answer = await scene.answer(ask())
    assert scene.answers[0].output == City(name="Bern", people=1)
    told = model.calls[1].messages[-1]
    assert told.role == "user"
    assert isinstance(told.parts[0], TextPart)
    assert "people" in told.parts[0].text
    assert [chunk.type for chunk in answer].count("start-step") == 2

    model = ScriptedModel([wrong, DONE])
    scene = Scene(Agent(model, output=City))
    answer = await scene.answer(ask())
    assert answer[-1].type == "error"
    assert len(model.calls) == 2
    assert (scene.answers[0].outcome, scene.answers[0].output) == ("failed", None)


async def test_half_an_object_is_not_corrected() -> None:
    model = ScriptedModel([text('{"name": "Be'), StepResult("length")])
    scene = Scene(Agent(model, output=City))
    assert (await scene.answer(ask()))[-1] == Finish(finish_reason="length")
    assert scene.answers[0].output is None
    assert len(model.calls) == 1


def test_an_answer_has_at_least_one_step() -> None:
    with pytest.raises(ValueError, match="max_steps"):
        Agent(ScriptedModel(SPOKEN), max_steps=0)
