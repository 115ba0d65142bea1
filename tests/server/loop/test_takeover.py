"""A run that another process continues from its log, after the first one died."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from ui_message_stream.chunks import Chunk, FinishReason, TextDelta, TextStart
from ui_message_stream.messages import StepStartPart, TextPart, UIMessage
from ui_message_stream.state import StreamState
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server.agent import Agent
from usechat_server.approvals import MemoryNonces, SignedApprovals
from usechat_server.loop.loop import AgentLoop
from usechat_server.loop.run_writer import RunWriter, Takeover
from usechat_server.loop.usage_tracker import UsageTracker
from usechat_server.providers.base import StepResult
from usechat_server.run_log.log import Log
from usechat_server.telemetry.run_record import RunRecord
from usechat_server.tools import FunctionTool, ToolContext, tool
from usechat_server.turn import Decision, Turn

from tests.harness.agent_chat import call_chunks, make_turn, text_chunks, tool_part
from tests.harness.asgi_host import chunks_of
from tests.harness.scripted_model import ScriptedModel

RECORD = RunRecord(run="r", user=None, chat="c", message="m", model="m", client_version="7")


class Successor:
    """A process that takes over runs."""

    def __init__(self, *, idempotent: bool) -> None:
        self.ran: list[str] = []
        self.keys: list[str] = []
        self.model = ScriptedModel([text_chunks(), StepResult("stop")])

        @tool(idempotent=idempotent)
        async def pay(to: str, ctx: ToolContext) -> str:
            """Pays."""
            self.ran.append(to)
            self.keys.append(ctx.idempotency_key)
            return "paid"

        self.pay: FunctionTool = pay

    async def take_over(
        self, turn: Turn, written: Sequence[Chunk], record: RunRecord = RECORD
    ) -> FinishReason:
        """Continue a run in which these chunks were written. Return its finish reason."""
        dead = RunWriter(turn, record)
        dead.append(written)
        log = Log(turn.continued)
        position = (0, 0)
        while dead.log.is_behind(position):
            chunks, position = dead.log.read_chunks(position)
            log.append(chunks)

        self.writer = RunWriter(turn, record, Takeover(log))
        agent = Agent(self.model, tools=[self.pay])
        loop = AgentLoop(agent.spec, None, SignedApprovals(None, MemoryNonces()))
        reason = await loop.respond(self.writer, UsageTracker(turn, log.text_bytes))
        await loop.aclose()
        self.writer.close(self.writer.chunk_writer.finish(reason))
        log.end()
        self.message: UIMessage = log.message()
        data = log.reader(NEWEST_CLIENT_VERSION).read_nowait() or b""
        state = StreamState(turn.continued, client_version=turn.client_version)
        for chunk in chunks_of(data):
            state.check(chunk)
        return reason


async def test_an_incomplete_step_starts_again() -> None:
    successor = Successor(idempotent=False)
    half: list[Chunk] = [TextStart(id="0"), TextDelta(id="0", delta="Do")]
    assert await successor.take_over(make_turn(NEWEST_CLIENT_VERSION), half) == "stop"
    assert successor.message.parts == [StepStartPart(), TextPart(text="Done.", state="done")]


async def test_a_step_with_an_incomplete_tool_input_starts_again() -> None:
    successor = Successor(idempotent=False)
    assert (
        await successor.take_over(
            make_turn(NEWEST_CLIENT_VERSION), call_chunks("a", "pay", to="bo")[:2]
        )
        == "stop"
    )
    assert not successor.ran


@pytest.mark.parametrize("idempotent", [True, False])
async def test_only_an_idempotent_tool_runs_again(idempotent: bool) -> None:
    successor = Successor(idempotent=idempotent)
    reason = await successor.take_over(
        make_turn(NEWEST_CLIENT_VERSION), call_chunks("a", "pay", to="bo")
    )
    part = tool_part(successor.message, "a")
    if idempotent:
        assert (reason, successor.ran, part.output) == ("stop", ["bo"], "paid")
    else:
        # The model would only call it again.
        assert (reason, successor.ran, part.state) == ("interrupted", [], "output-error")
        assert not successor.model.calls


async def test_a_call_keeps_its_idempotency_key() -> None:
    calls = [*call_chunks("a", "pay", to="bo"), *call_chunks("b", "pay", to="bo")]
    first, second, other = (Successor(idempotent=True) for _ in range(3))
    for successor in (first, second):
        await successor.take_over(make_turn(NEWEST_CLIENT_VERSION), calls)
    await other.take_over(make_turn(NEWEST_CLIENT_VERSION), calls, replace(RECORD, run="r2"))
    assert first.keys == second.keys
    assert len({*first.keys, *other.keys}) == 4


@pytest.mark.parametrize("idempotent", [True, False])
async def test_an_approved_call_runs_again_only_if_it_is_idempotent(idempotent: bool) -> None:
    writer = RunWriter(make_turn(NEWEST_CLIENT_VERSION), RECORD)
    writer.append(call_chunks("a", "pay", to="bo"))
    turn = replace(
        make_turn(NEWEST_CLIENT_VERSION, writer.message()), decisions={"a": Decision(approved=True)}
    )
    successor = Successor(idempotent=idempotent)
    reason = await successor.take_over(turn, [])
    expected = ("stop", ["bo"]) if idempotent else ("interrupted", [])
    assert (reason, successor.ran) == expected
