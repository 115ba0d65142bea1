"""An agent's answer as a stream of chunks, for plain code to merge or to send."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable, Sequence

from ui_message_stream.chunks import Finish
from ui_message_stream.schema import UNSET
from ui_message_stream.versions import ChunkVariant

from usechat_server.approvals import ApprovalRequest, Approvals
from usechat_server.compose import emitted_items
from usechat_server.loop.handler_context import HandlerContext
from usechat_server.loop.loop import AgentLoop
from usechat_server.loop.run_writer import RunWriter
from usechat_server.loop.spec import AgentSpec
from usechat_server.loop.usage_tracker import UsageTracker
from usechat_server.providers.retry import Retry
from usechat_server.results import Outcome
from usechat_server.telemetry.run_record import RunRecord
from usechat_server.trust import check_client_outputs
from usechat_server.turn import Decision, Turn

__all__ = ["agent_stream"]

_RETRY = Retry()
_Take = Callable[[Sequence[ChunkVariant]], None]


def agent_stream(spec: AgentSpec, turn: Turn) -> AsyncGenerator[ChunkVariant, None]:
    """The agent's answer, in a task of its own that begins with the first step and is cancelled
    when the generator is closed. Raises what the agent's loop raises.

    Within a run's handler, its model calls are the run's; elsewhere they are logged here.
    """

    async def write(take: _Take) -> None:
        context = turn.run_context if isinstance(turn.run_context, HandlerContext) else None
        record = _record(spec, turn)
        output = _Told(turn, record, take, context.claimed_calls if context else set())
        usage_tracker = UsageTracker(
            turn, output.log.text_bytes, part_of=context.usage_tracker if context else None
        )
        loop = AgentLoop(spec, None, _RETRY, context.approvals if context else _NoApprovals())
        if context is not None:
            context.metadata = spec.metadata
        outcome: Outcome = "aborted"
        failure: Exception | None = None
        try:
            if turn.client_outputs:  # as the routes do for an agent that answers on its own
                await check_client_outputs(
                    turn, spec.tools, spec.sources, has_step_tools=spec.on_step is not None
                )
            reason = await loop.respond(output, usage_tracker)
            outcome = "waiting" if reason == "tool-calls" else "finished"
        except Exception as error:
            outcome, failure = "failed", error
            raise
        finally:
            usage_tracker.close()
            await loop.aclose()
            if context is None:
                record.log(outcome, usage_tracker.steps, failure)
        # In a run, it is told at the run's end, with all that was counted.
        metadata = None if context else usage_tracker.metadata(spec.metadata, outcome)
        take([Finish(finish_reason=reason, message_metadata=metadata or UNSET)])

    return emitted_items(write)


def _record(spec: AgentSpec, turn: Turn) -> RunRecord:
    return RunRecord(
        run=secrets.token_hex(8),
        user=turn.user,
        chat=turn.chat_id,
        message=turn.message_id,
        model=spec.model.name,
        client_version=str(turn.client_version),
    )


class _Told(RunWriter):
    """What is written, told at once. It is never taken back: it may be anywhere by then."""

    def __init__(self, turn: Turn, record: RunRecord, take: _Take, taken: set[str]) -> None:
        super().__init__(turn, record)
        self._take = take
        self._taken = taken
        self._told = 0, 0
        self._tell()

    def append(self, batch: Sequence[ChunkVariant]) -> None:
        try:
            super().append(batch)
        finally:
            self._tell()

    def claims_call(self, tool_call_id: str, *, known: bool) -> bool:
        # The code may stream several agents, at once or one for the other: what a person allowed
        # runs once, at one that has the tool.
        if not known or tool_call_id in self._taken:
            return False
        self._taken.add(tool_call_id)
        return True

    def reset_step(self) -> bool:
        return False

    def _tell(self) -> None:
        while self.log.is_behind(self._told):
            written, self._told = self.log.read_chunks(self._told)
            self._take(written)


class _NoApprovals(Approvals):
    """For routes of an app's own: nothing there takes the person's answer."""

    async def request(self, turn: Turn, call: object) -> ApprovalRequest:
        raise RuntimeError("a tool asks for approval: that needs create_app(answer)")

    async def redeem(self, turn: Turn) -> dict[str, Decision]:
        return {}
