"""Messages that wait for the client or the user, and are then continued."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
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
from usechat_server.agent import Agent, NextStep
from usechat_server.approvals import Approve, Ask, Deny, normalize_legacy_approvals
from usechat_server.loop.spec import StepHook
from usechat_server.providers.base import StepResult
from usechat_server.results import Step
from usechat_server.tools import ClientTool, ToolContext, tool
from usechat_server.turn import Turn

from tests.harness.agent_chat import (
    AgentChat,
    call_chunks,
    make_turn,
    text_chunks,
    tool_part,
    with_part,
)
from tests.harness.asgi_host import LONG
from tests.harness.scripted_model import ScriptedModel, ScriptEvent

CALLS, DONE = StepResult("tool-calls"), StepResult("stop")
TEXT_RESPONSE: list[ScriptEvent] = [text_chunks(), DONE]
WHERE = ClientTool("where", "Where the user is.", {"type": "object"})
CLIENT_VERSIONS = [ClientVersion(6), NEWEST_CLIENT_VERSION]


class Mail:
    """A tool that needs approval, and the recipients that it ran with."""

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
    """Return the message with the user's decision on a call."""
    approval = tool_part(message, call_id).approval
    assert approval is not None
    decision = Approval(id=approval.id, approved=approved, reason=reason)
    return with_part(message, call_id, state="approval-responded", approval=decision)


@pytest.mark.parametrize("client_version", CLIENT_VERSIONS)
async def test_an_approved_call_runs_before_the_next_model_call(
    client_version: ClientVersion,
) -> None:
    mail = Mail()
    model = ScriptedModel([call_chunks("a", "mail", to="bo"), CALLS], TEXT_RESPONSE)
    chat = AgentChat(Agent(model, tools=[mail.tool]))
    message = await chat.response_message(make_turn(client_version))
    assert tool_part(message, "a").state == "approval-requested"
    assert (mail.sent, chat.results[0].outcome) == ([], "waiting")

    chunks = await chat.respond(make_turn(client_version, decided(message, "a", approved=True)))
    types = [chunk.type for chunk in chunks]
    assert types[:3] == ["start", "tool-output-available", "start-step"]
    assert mail.sent == ["bo"]
    assert tool_part(model.calls[1].messages[-1], "a").output == "sent to bo"
    assert len(model.calls) == 2


@pytest.mark.parametrize("client_version", CLIENT_VERSIONS)
async def test_the_model_gets_a_denial_with_its_reason(client_version: ClientVersion) -> None:
    mail = Mail()
    model = ScriptedModel([call_chunks("a", "mail", to="bo"), CALLS], TEXT_RESPONSE)
    chat = AgentChat(Agent(model, tools=[mail.tool]))
    message = await chat.response_message(make_turn(client_version))
    chunks = await chat.respond(
        make_turn(client_version, decided(message, "a", approved=False, reason="Not bo."))
    )
    assert ToolOutputDenied(tool_call_id="a") in chunks
    part = tool_part(model.calls[1].messages[-1], "a")
    assert part.state == "output-denied"
    assert part.approval is not None
    assert part.approval.reason == "Not bo."
    assert not mail.sent


@pytest.mark.parametrize("client_version", CLIENT_VERSIONS)
async def test_the_model_is_called_once_all_open_calls_are_decided(
    client_version: ClientVersion,
) -> None:
    mail = Mail()
    calls = [
        *call_chunks("a", "mail", to="A"),
        *call_chunks("b", "mail", to="B"),
        *call_chunks("c", "where"),
    ]
    model = ScriptedModel([calls, CALLS], TEXT_RESPONSE)
    chat = AgentChat(Agent(model, tools=[mail.tool, WHERE]))
    message = await chat.response_message(make_turn(client_version))

    message = await chat.response_message(
        make_turn(client_version, decided(message, "a", approved=True))
    )
    assert (mail.sent, len(model.calls)) == (["A"], 1)
    message = await chat.response_message(
        make_turn(client_version, decided(message, "b", approved=False))
    )
    assert len(model.calls) == 1
    assert chat.results[-1].outcome == "waiting"
    continued = with_part(message, "c", state="output-available", output="here")
    message = await chat.response_message(make_turn(client_version, continued))
    assert len(model.calls) == 2
    assert mail.sent == ["A"]
    states = [tool_part(message, call_id).state for call_id in "abc"]
    assert states == ["output-available", "output-denied", "output-available"]


@pytest.mark.parametrize("client_version", CLIENT_VERSIONS)
async def test_a_policy_decides_with_reasons(client_version: ClientVersion) -> None:
    ran = []

    def policy(arguments: Mapping[str, Any], turn: Turn) -> Approve | Deny | Ask | bool:
        match arguments["to"]:
            case "bo":
                return Approve("A friend.")
            case "me":
                return Deny("Not to yourself.")
            case "us":
                return False
        return Ask("A stranger.")

    @tool(needs_approval=policy)
    async def mail(to: str) -> None:
        """Sends a mail."""
        ran.append(to)

    names = {"a": "bo", "b": "me", "c": "us", "d": "cy"}
    calls: list[Chunk] = [
        chunk for call_id, to in names.items() for chunk in call_chunks(call_id, "mail", to=to)
    ]
    model = ScriptedModel([calls, CALLS], TEXT_RESPONSE)
    chat = AgentChat(Agent(model, tools=[mail]))
    message = await chat.response_message(make_turn(client_version))
    assert sorted(ran) == ["bo", "us"]
    states = [tool_part(message, call_id).state for call_id in "abcd"]
    assert states == [
        "output-available",
        "output-error" if client_version == ClientVersion(6) else "output-denied",
        "output-available",
        "approval-requested",
    ]
    approval = tool_part(chat.subscription.log.message(), "b").approval
    assert approval is not None
    assert approval.reason == "Not to yourself."
    # Older clients would wait for the user if they read an approval request.
    assert (tool_part(message, "a").approval is None) == (client_version == ClientVersion(6))


async def test_a_call_whose_policy_fails_does_not_run() -> None:
    ran = []

    def policy(arguments: Mapping[str, Any], turn: Turn) -> bool:
        raise LookupError("no such customer")

    @tool(needs_approval=policy)
    async def pay() -> None:
        """Pays."""
        ran.append(1)

    model = ScriptedModel([call_chunks("a", "pay"), CALLS], TEXT_RESPONSE)
    message = await AgentChat(Agent(model, tools=[pay])).response_message(
        make_turn(NEWEST_CLIENT_VERSION)
    )
    assert tool_part(message, "a").state == "output-error"
    assert not ran


async def test_a_version_5_client_approves_with_a_tool_output() -> None:
    mail = Mail()
    model = ScriptedModel([call_chunks("a", "mail", to="bo"), CALLS], TEXT_RESPONSE)
    agent = Agent(model, tools=[mail.tool], approvals="client-tool")
    chat = AgentChat(agent)
    message = await chat.response_message(make_turn(DEFAULT_CLIENT_VERSION))
    assert tool_part(message, "a").state == "input-available"
    approved = with_part(message, "a", state="output-available", output={"approved": True})
    message = await chat.response_message(
        make_turn(DEFAULT_CLIENT_VERSION, normalize_legacy_approvals(approved))
    )
    assert mail.sent == ["bo"]
    assert tool_part(message, "a").output == "sent to bo"


async def test_a_call_that_the_client_made_up_does_not_run() -> None:
    ran = []

    @tool
    async def note() -> None:
        """Records that it ran."""
        ran.append(1)

    model = ScriptedModel(
        [[*call_chunks("a", "note"), *call_chunks("b", "where")], CALLS], TEXT_RESPONSE
    )
    chat = AgentChat(Agent(model, tools=[note, WHERE]))
    message = await chat.response_message(make_turn())
    assert ran == [1]
    forged = with_part(message, "a", state="input-available", output=None)
    forged = with_part(forged, "b", state="output-available", output="here")
    message = await chat.response_message(make_turn(continued=forged))
    assert ran == [1]
    assert tool_part(message, "a").state == "output-error"
    assert len(model.calls) == 2


async def test_an_approved_call_fails_if_its_tool_has_changed() -> None:
    mail = Mail()
    model = ScriptedModel([[*call_chunks("a", "mail", to="bo")], CALLS], TEXT_RESPONSE)
    chat = AgentChat(Agent(model, tools=[mail.tool]))
    message = decided(
        await chat.response_message(make_turn(NEWEST_CLIENT_VERSION)), "a", approved=True
    )

    @tool(name="mail", needs_approval=True)
    async def other(to: str, subject: str) -> None:
        """Sends a mail."""

    chat.agent = Agent(model, tools=[other])
    part = tool_part(await chat.response_message(make_turn(NEWEST_CLIENT_VERSION, message)), "a")
    assert part.state == "output-error"
    assert "subject" in (part.error_text or "")


@pytest.mark.parametrize(
    "client_version", [ClientVersion(5), DEFAULT_CLIENT_VERSION, *CLIENT_VERSIONS]
)
async def test_stopping_a_run_cancels_its_tools_and_ends_it_at_once(
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

    calls = [*call_chunks("a", "sleep"), *call_chunks("b", "double", number=1)]

    @tool
    async def double(number: int) -> int:
        """Doubles a number."""
        return number * 2

    model = ScriptedModel([calls, CALLS], TEXT_RESPONSE)
    chat = AgentChat(Agent(model, tools=[sleep, double]))
    run = await chat.start_run(make_turn(client_version))
    host = chat.connect(client_version)
    responder = host.request()
    await host.wait_for_body(lambda body: b"tool-output-available" in body)
    await asyncio.wait_for(running.wait(), LONG)
    run.stop()
    assert run.log.has_ended
    await asyncio.wait_for(responder, LONG)
    await chat.wait_settled()
    assert cleaned.is_set()
    assert isinstance(host.chunks[-1], Abort)
    assert b"too late" not in host.body
    assert tool_part(reduce(host.chunks), "b").output == 2
    assert len(model.calls) == 1


async def test_a_tool_in_a_thread_can_see_that_the_run_was_stopped() -> None:
    noticed = threading.Event()
    running = threading.Event()

    @tool
    def work(ctx: ToolContext) -> None:
        """Works in a thread."""
        running.set()
        while not ctx.cancelled:
            if noticed.wait(0.001):
                return
        noticed.set()

    model = ScriptedModel([call_chunks("a", "work"), CALLS])
    chat = AgentChat(Agent(model, tools=[work]))
    run = await chat.start_run(make_turn())
    assert await asyncio.to_thread(running.wait, LONG)
    run.stop()
    assert await asyncio.to_thread(noticed.wait, LONG)
    host = chat.connect()
    await host.read_chunks()
    await chat.wait_settled()


async def test_a_tool_that_ignores_cancellation_does_not_block_the_run(
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

    model = ScriptedModel([call_chunks("a", "stubborn"), CALLS])
    chat = AgentChat(Agent(model, tools=[stubborn]))
    run = await chat.start_run(make_turn())
    host = chat.connect()
    responder = host.request()
    await host.wait_for_body(lambda body: b"tool-input-available" in body)
    for _ in range(10):
        await asyncio.sleep(0)
    run.stop()
    await asyncio.wait_for(responder, LONG)
    await chat.wait_settled()
    assert "still run" in caplog.text
    release.set()


@pytest.mark.parametrize(
    "client_version", [ClientVersion(5), DEFAULT_CLIENT_VERSION, *CLIENT_VERSIONS]
)
async def test_no_end_of_a_continuation_makes_the_client_send_another_request(
    client_version: ClientVersion,
) -> None:
    """AgentChat checks the chunks against the rule `request-loop`."""
    for end in (DONE, StepResult("length"), StepResult("content-filter")):
        model = ScriptedModel([call_chunks("a", "where"), CALLS], [end])
        chat = AgentChat(Agent(model, tools=[WHERE], metadata=None))
        message = await chat.response_message(make_turn(client_version))
        continued = with_part(message, "a", state="output-available", output="here")
        chunks = await chat.respond(make_turn(client_version, continued))
        assert isinstance(chunks[-1], Finish)
        assert len(model.calls) == 2


def first_step_only(turn: Turn, steps: Sequence[Step]) -> NextStep | None:
    return None if steps else NextStep(tools=[WHERE])


def later_steps_only(turn: Turn, steps: Sequence[Step]) -> NextStep | None:
    return NextStep(tools=[WHERE]) if steps else None


@pytest.mark.parametrize("on_step", [first_step_only, later_steps_only])
async def test_a_client_tool_of_on_step_keeps_waiting_for_its_output(on_step: StepHook) -> None:
    @tool
    def look() -> str:
        """Looks."""
        return "seen"

    calls = [*call_chunks("a", "where"), *call_chunks("b", "where")]
    look_first: list[list[ScriptEvent]] = []
    if on_step is later_steps_only:
        look_first.append([call_chunks("l", "look"), CALLS])
    model = ScriptedModel(*look_first, [calls, CALLS], TEXT_RESPONSE)
    chat = AgentChat(Agent(model, tools=[look], on_step=on_step))
    message = await chat.response_message(make_turn())
    model_calls = len(model.calls)
    message = with_part(message, "a", state="output-available", output="here")
    message = await chat.response_message(make_turn(continued=message))
    assert [tool_part(message, call_id).state for call_id in "ab"] == [
        "output-available",
        "input-available",
    ]
    assert (len(model.calls), chat.results[-1].outcome) == (model_calls, "waiting")
    message = with_part(message, "b", state="output-available", output="there")
    message = await chat.response_message(make_turn(continued=message))
    assert len(model.calls) == model_calls + 1
    assert [tool_part(message, call_id).output for call_id in "ab"] == ["here", "there"]


async def test_a_tool_of_on_step_runs_once_it_is_approved() -> None:
    mail = Mail()
    model = ScriptedModel([call_chunks("a", "mail", to="bo"), CALLS], TEXT_RESPONSE)
    agent = Agent(model, on_step=lambda turn, steps: NextStep(tools=[mail.tool]))
    chat = AgentChat(agent)
    message = await chat.response_message(make_turn(NEWEST_CLIENT_VERSION))
    message = decided(message, "a", approved=True)
    message = await chat.response_message(make_turn(NEWEST_CLIENT_VERSION, message))
    assert mail.sent == ["bo"]
    assert tool_part(message, "a").output == "sent to bo"
