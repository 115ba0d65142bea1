"""However a run ends, its calls that only the server could resolve have an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ui_message_stream.chunks import Chunk, ToolInputAvailable
from ui_message_stream.messages import Approval, ToolPart, UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server import Agent, ClientTool, NextStep, ToolContext, Turn, create_app, tool
from usechat_server.loop.interrupted_calls import INTERRUPTED
from usechat_server.providers.base import StepResult
from usechat_server.runs.run import Run

from tests.harness.agent_chat import AgentChat, call_chunks, make_turn, text_chunks, with_part
from tests.harness.asgi_host import LONG
from tests.harness.live import LiveServer, user
from tests.harness.scripted_model import ScriptedModel
from tests.harness.stream_client import StreamClient

CALLS = StepResult("tool-calls")
WHERE = ClientTool("where", "Where the user is.", {"type": "object"})


@tool
async def slow(context: ToolContext) -> str:
    """Never ends."""
    await asyncio.sleep(LONG * 2)
    return "done"


@tool
async def counting() -> AsyncIterator[int]:
    """Counts, and never ends."""
    yield 1
    await asyncio.sleep(LONG * 2)


@tool(needs_approval=True)
async def pay() -> str:
    """Pays."""
    await asyncio.sleep(LONG * 2)
    return "paid"


CALLED: list[Chunk] = [
    *call_chunks("slow", "slow"),
    *call_chunks("counting", "counting"),
    *call_chunks("pay", "pay"),
    *call_chunks("where", "where"),
    ToolInputAvailable(
        tool_call_id="search", tool_name="web_search", input={}, provider_executed=True
    ),
]
#: What is left of each call.
ENDED = {
    "slow": "output-error",
    "counting": "output-error",
    "pay": "approval-requested",
    "where": "input-available",
    "search": "output-error",
}


def states(message: UIMessage) -> dict[str, str]:
    return {part.tool_call_id: part.state for part in message.parts if isinstance(part, ToolPart)}


async def wait_for_state(run: Run, call: str, state: str) -> None:
    reader = run.log.reader(NEWEST_CLIENT_VERSION)
    async with asyncio.timeout(LONG):
        while states(run.log.message()).get(call) != state:
            assert await reader.read() is not None
    reader.close()


async def on_step_tools(turn: Turn, steps: Any) -> NextStep:
    return NextStep(tools=[slow, counting, pay, WHERE])


@pytest.mark.parametrize("end", ["stop", "interrupt", "hang-up"])
@pytest.mark.parametrize("own_tools", [True, False])
async def test_an_end_leaves_only_calls_open_that_someone_can_resolve(
    end: str, *, own_tools: bool
) -> None:
    tools: Any = (
        {"tools": [slow, counting, pay, WHERE]} if own_tools else {"on_step": on_step_tools}
    )
    chat = AgentChat(Agent(ScriptedModel([CALLED, CALLS]), **tools))
    run = await chat.start_run(make_turn(NEWEST_CLIENT_VERSION))
    await wait_for_state(run, "counting", "output-available")
    if end == "hang-up":
        chat.subscription.close()
    else:
        run.stop() if end == "stop" else run.interrupt()
    message = run.log.message()
    assert states(message) == ENDED
    [error] = {part.error_text for part in message.parts if isinstance(part, ToolPart)} - {None}
    assert error == INTERRUPTED
    chat.subscription.close()
    await chat.wait_settled()


async def test_calls_that_had_not_begun_end_too() -> None:
    never = asyncio.Event()
    chat = AgentChat(
        Agent(ScriptedModel([CALLED, text_chunks(), never]), tools=[slow, counting, pay])
    )
    run = await chat.start_run(make_turn(NEWEST_CLIENT_VERSION))
    await wait_for_state(run, "search", "input-available")
    run.stop()
    assert states(run.log.message())["slow"] == "output-error"
    chat.subscription.close()
    await chat.wait_settled()


@pytest.mark.parametrize(("approved", "state"), [(True, "output-error"), (False, "output-denied")])
async def test_a_decision_is_not_left_behind(approved: bool, state: str) -> None:
    chat = AgentChat(Agent(ScriptedModel([call_chunks("pay", "pay"), CALLS]), tools=[pay]))
    message = await chat.response_message(make_turn(NEWEST_CLIENT_VERSION))
    [part] = [part for part in message.parts if isinstance(part, ToolPart)]
    assert part.approval is not None
    approval = Approval(id=part.approval.id, approved=approved)
    message = with_part(message, "pay", state="approval-responded", approval=approval)
    run = await chat.start_run(make_turn(NEWEST_CLIENT_VERSION, message))
    run.stop()  # before anything ran
    assert states(run.log.message()) == {"pay": state}
    chat.subscription.close()
    await chat.wait_settled()


async def by_hand(turn: Turn, writer: Any) -> None:
    await writer.merge(Agent(ScriptedModel([CALLED, CALLS]), tools=[slow, WHERE, pay]).stream(turn))


@pytest.mark.parametrize("is_handler", [True, False])
def test_a_stopped_call_has_its_end_in_the_store_and_the_client(
    tmp_path: Path, *, is_handler: bool
) -> None:
    agent = Agent(ScriptedModel([CALLED, CALLS]), tools=[slow, counting, pay, WHERE])
    responder: Any = {"handler": by_hand} if is_handler else {"agent": agent}
    headers = {"x-usechat-client": "7.0.173"}
    with LiveServer(create_app(store=f"sqlite:///{tmp_path}/chats.db", **responder)) as server:
        body = {"id": "c1", "messages": [user("Hi")]}
        with StreamClient("POST", f"{server.url}/api/chat", body) as client:
            client.wait(lambda chunks: any(c["type"] == "tool-approval-request" for c in chunks))
            assert server.request("POST", "/api/chat/c1/stop").status_code == 204
            assert client.end().chunks[-1]["type"] == "abort"
        stored = server.request("GET", "/api/chat/c1", headers=headers).json()["messages"][-1]
    for message in (client.message(), UIMessage.from_object(stored)):
        assert {**states(message), "counting": "output-error"} == ENDED
