"""Answers that wait for the page or a person, and go on in the same message."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from ui_message_stream.chunks import (
    Abort,
    Chunk,
    Finish,
    ToolOutputDenied,
)
from ui_message_stream.messages import Approval, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, NEWEST_CLIENT_VERSION, ClientVersion
from usechat_server.agent import Agent
from usechat_server.approvals import Approve, Ask, Deny, normalize_legacy_approvals
from usechat_server.providers.base import StepResult
from usechat_server.tools import ClientTool, ToolContext, tool
from usechat_server.turn import Turn

from tests.harness.asgi_host import LONG
from tests.harness.scripted_model import ScriptedModel, ScriptEvent
from tests.harness.turns import Scene, ask, call, changed, text, tool_part

CALLS, DONE = StepResult("tool-calls"), StepResult("stop")
SPOKEN: list[ScriptEvent] = [text(), DONE]
WHERE = ClientTool("where", "Where the page is.", {"type": "object"})
CLIENT_VERSIONS = [ClientVersion(6), NEWEST_CLIENT_VERSION]


class Mail:
    """A tool that has to be allowed, and what it did."""

    def __init__(self) -> None:
        self.sent: list[str] = []

        @tool(needs_approval=True)
        async def mail(to: str) -> str:
            """Sends a mail."""
            self.sent.append(to)
            return f"sent to {to}"

        self.tool = mail


def decided(
    message: UIMessage, call_id: str, approved: bool, reason: str | None = None
) -> UIMessage:
    """The message after a person pressed a button."""
    approval = tool_part(message, call_id).approval
    assert approval is not None
    answer = Approval(id=approval.id, approved=approved, reason=reason)
    return changed(message, call_id, state="approval-responded", approval=answer)


@pytest.mark.parametrize("client_version", CLIENT_VERSIONS)
async def test_what_a_person_allows_is_run_before_the_model_goes_on(
    client_version: ClientVersion,
) -> None:
    mail = Mail()
    model = ScriptedModel([call("a", "mail", to="bo"), CALLS], SPOKEN)
    scene = Scene(Agent(model, tools=[mail.tool]))
    message = await scene.message(ask(client_version))
    assert tool_part(message, "a").state == "approval-requested"
    assert (mail.sent, scene.answers[0].outcome) == ([], "waiting")

    answer = await scene.answer(ask(client_version, decided(message, "a", approved=True)))
    types = [chunk.type for chunk in answer]
    assert types[:3] == ["start", "tool-output-available", "start-step"]
    assert mail.sent == ["bo"]
    assert tool_part(model.calls[1].messages[-1], "a").output == "sent to bo"
    assert len(model.calls) == 2


@pytest.mark.parametrize("client_version", CLIENT_VERSIONS)
async def test_the_model_is_told_what_a_person_denies(client_version: ClientVersion) -> None:
    mail = Mail()
    model = ScriptedModel([call("a", "mail", to="bo"), CALLS], SPOKEN)
    scene = Scene(Agent(model, tools=[mail.tool]))
    message = await scene.message(ask(client_version))
    answer = await scene.answer(
        ask(client_version, decided(message, "a", approved=False, reason="Not bo."))
    )
    assert ToolOutputDenied(tool_call_id="a") in answer
    told = tool_part(model.calls[1].messages[-1], "a")
    assert told.state == "output-denied"
    assert told.approval is not None
    assert told.approval.reason == "Not bo."
    assert not mail.sent


@pytest.mark.parametrize("client_version", CLIENT_VERSIONS)
async def test_the_model_is_asked_once_all_that_was_pending_is_decided(
    client_version: ClientVersion,
) -> None:
    mail = Mail()
    calls = [*call("a", "mail", to="A"), *call("b", "mail", to="B"), *call("c", "where")]
    model = ScriptedModel([calls, CALLS], SPOKEN)
    scene = Scene(Agent(model, tools=[mail.tool, WHERE]))
    message = await scene.message(ask(client_version))

    message = await scene.message(ask(client_version, decided(message, "a", approved=True)))
    assert (mail.sent, len(model.calls)) == (["A"], 1)
    message = await scene.message(ask(client_version, decided(message, "b", approved=False)))
    assert len(model.calls) == 1
    assert scene.answers[-1].outcome == "waiting"
    answered = changed(message, "c", state="output-available", output="here")
    message = await scene.message(ask(client_version, answered))
    assert len(model.calls) == 2
    assert mail.sent == ["A"]
    states = [tool_part(message, call_id).state for call_id in "abc"]
    assert states == ["output-available", "output-denied", "output-available"]


@pytest.mark.parametrize("client_version", CLIENT_VERSIONS)
async def test_the_app_decides_by_itself_and_says_why(client_version: ClientVersion) -> None:
    ran = []

    def judge(arguments: Mapping[str, Any], turn: Turn) -> Approve | Deny | Ask | bool:
        match arguments["to"]:
            case "bo":
                return Approve("A friend.")
            case "me":
                return Deny("Not to yourself.")
            case "us":
                return False
        return Ask("A stranger.")

    @tool(needs_approval=judge)
    async def mail(to: str) -> None:
        """Sends a mail."""
        ran.append(to)

    names = {"a": "bo", "b": "me", "c": "us", "d": "cy"}
    calls: list[Chunk] = [
        chunk for call_id, to in names.items() for chunk in call(call_id, "mail", to=to)
    ]
    model = ScriptedModel([calls, CALLS], SPOKEN)
    scene = Scene(Agent(model, tools=[mail]))
    message = await scene.message(ask(client_version))
    assert sorted(ran) == ["bo", "us"]
    states = [tool_part(message, call_id).state for call_id in "abcd"]
    assert states == [
        "output-available",
        "output-denied",
        "output-available",
        "approval-requested",
    ]
    told = tool_part(scene.opened.log.message(), "b").approval
    assert told is not None
    assert told.reason == "Not to yourself."
    # Older clients wait for a person when they read of a request.
    assert (tool_part(message, "a").approval is None) == (client_version == ClientVersion(6))


async def test_a_call_that_nobody_could_judge_is_not_run() -> None:
    ran = []

    def judge(arguments: Mapping[str, Any], turn: Turn) -> bool:
        raise LookupError("no such customer")

    @tool(needs_approval=judge)
    async def pay() -> None:
        """Pays."""
        ran.append(1)

    model = ScriptedModel([call("a", "pay"), CALLS], SPOKEN)
    message = await Scene(Agent(model, tools=[pay])).message(ask(NEWEST_CLIENT_VERSION))
    assert tool_part(message, "a").state == "output-error"
    assert not ran


async def test_a_page_of_the_oldest_kind_allows_by_its_own_answer() -> None:
    mail = Mail()
    model = ScriptedModel([call("a", "mail", to="bo"), CALLS], SPOKEN)
    agent = Agent(model, tools=[mail.tool], approvals="client-tool")
    scene = Scene(agent)
    message = await scene.message(ask(DEFAULT_CLIENT_VERSION))
    assert tool_part(message, "a").state == "input-available"
    yes = changed(message, "a", state="output-available", output={"approved": True})
    message = await scene.message(ask(DEFAULT_CLIENT_VERSION, normalize_legacy_approvals(yes)))
    assert mail.sent == ["bo"]
    assert tool_part(message, "a").output == "sent to bo"


async def test_a_call_that_merely_stands_there_is_never_run() -> None:
    ran = []

    @tool
    async def note() -> None:
        """Notes that it ran."""
        ran.append(1)

    model = ScriptedModel([[*call("a", "note"), *call("b", "where")], CALLS], SPOKEN)
    scene = Scene(Agent(model, tools=[note, WHERE]))
    message = await scene.message(ask())
    assert ran == [1]
    forged = changed(message, "a", state="input-available", output=None)
    forged = changed(forged, "b", state="output-available", output="here")
    message = await scene.message(ask(continued=forged))
    assert ran == [1]
    assert tool_part(message, "a").state == "output-error"
    assert len(model.calls) == 2


async def test_an_allowed_call_whose_tool_is_gone_or_has_changed() -> None:
    mail = Mail()
    model = ScriptedModel([[*call("a", "mail", to="bo")], CALLS], SPOKEN)
    scene = Scene(Agent(model, tools=[mail.tool]))
    message = decided(await scene.message(ask(NEWEST_CLIENT_VERSION)), "a", approved=True)

    @tool(name="mail", needs_approval=True)
    async def other(to: str, subject: str) -> None:
        """Sends a mail."""

    scene.agent = Agent(model, tools=[other])
    part = tool_part(await scene.message(ask(NEWEST_CLIENT_VERSION, message)), "a")
    assert part.state == "output-error"
    assert "subject" in (part.error_text or "")


@pytest.mark.parametrize(
    "client_version", [ClientVersion(5), DEFAULT_CLIENT_VERSION, *CLIENT_VERSIONS]
)
async def test_a_stop_cancels_a_tool_and_ends_the_answer_at_once(
    client_version: ClientVersion,
) -> None:
    running, cleaned = asyncio.Event(), asyncio.Event()

    @tool
    async def sleep(ctx: ToolContext) -> None:
        """Takes long."""
        running.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ctx.data("too late", 1)
            await asyncio.sleep(0)
            cleaned.set()

    calls = [*call("a", "sleep"), *call("b", "double", number=1)]

    @tool
    async def double(number: int) -> int:
        """Doubles a number."""
        return number * 2

    model = ScriptedModel([calls, CALLS], SPOKEN)
    scene = Scene(Agent(model, tools=[sleep, double]))
    run = await scene.begin(ask(client_version))
    host = scene.host(client_version)
    responder = host.request()
    await host.until(lambda body: b"tool-output-available" in body)
    await asyncio.wait_for(running.wait(), LONG)
    run.stop()
    assert run.log.has_ended
    await asyncio.wait_for(responder, LONG)
    await scene.settled()
    assert cleaned.is_set()
    assert isinstance(host.chunks[-1], Abort)
    assert b"too late" not in host.body
    assert tool_part(reduce(host.chunks), "b").output == 2
    assert len(model.calls) == 1


async def test_a_tool_in_a_thread_is_told_of_a_stop() -> None:
    told = threading.Event()
    running = threading.Event()

    @tool
    def work(ctx: ToolContext) -> None:
        """Works in a thread."""
        running.set()
        while not ctx.cancelled:
            if told.wait(0.001):
                return
        told.set()

    model = ScriptedModel([call("a", "work"), CALLS])
    scene = Scene(Agent(model, tools=[work]))
    run = await scene.begin(ask())
    assert await asyncio.to_thread(running.wait, LONG)
    run.stop()
    assert await asyncio.to_thread(told.wait, LONG)
    host = scene.host()
    await host.answer()
    await scene.settled()


async def test_a_tool_that_will_not_be_cancelled_keeps_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("usechat_server.loop.tool_calls.CLEANUP", 0.05)
    release = asyncio.Event()

    @tool
    async def stubborn() -> None:
        """Does not stop."""
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    model = ScriptedModel([call("a", "stubborn"), CALLS])
    scene = Scene(Agent(model, tools=[stubborn]))
    run = await scene.begin(ask())
    host = scene.host()
    responder = host.request()
    await host.until(lambda body: b"tool-input-available" in body)
    for _ in range(10):
        await asyncio.sleep(0)
    run.stop()
    await asyncio.wait_for(responder, LONG)
    await scene.settled()
    assert "still run" in caplog.text
    release.set()


@pytest.mark.parametrize(
    "client_version", [ClientVersion(5), DEFAULT_CLIENT_VERSION, *CLIENT_VERSIONS]
)
async def test_no_end_of_a_continuation_makes_the_page_ask_again(
    client_version: ClientVersion,
) -> None:
    """(Scene checks each answer with the grammar, whose rule `request-loop` this is about.)"""
    for end in (DONE, StepResult("length"), StepResult("content-filter")):
        model = ScriptedModel([call("a", "where"), CALLS], [end])
        scene = Scene(Agent(model, tools=[WHERE], metadata=None))
        message = await scene.message(ask(client_version))
        answered = changed(message, "a", state="output-available", output="here")
        answer = await scene.answer(ask(client_version, answered))
        assert isinstance(answer[-1], Finish)
        assert len(model.calls) == 2
