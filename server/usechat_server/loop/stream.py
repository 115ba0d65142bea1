"""`agent.stream(turn)`: an agent's response as chunks, for an app's own code to merge or send."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from functools import partial

from ui_message_stream.chunks import Finish
from ui_message_stream.schema import UNSET
from ui_message_stream.versions import ChunkVariant

from usechat_server.approvals import ApprovalRequest, Approvals, proof_of_id
from usechat_server.compose import emitted_items
from usechat_server.loop.handler_context import HandlerContext
from usechat_server.loop.loop import AgentLoop
from usechat_server.loop.run_writer import RunWriter
from usechat_server.loop.spec import AgentSpec
from usechat_server.loop.usage_tracker import UsageTracker
from usechat_server.results import Outcome
from usechat_server.settings import cached_settings
from usechat_server.telemetry.run_record import RunRecord
from usechat_server.telemetry.tracing import run_trace
from usechat_server.trust import check_client_outputs
from usechat_server.turn import Decision, Turn

__all__ = ["agent_stream"]

#: Proves ids as long as this process runs.
_KEY = secrets.token_bytes(32)

_Emit = Callable[[Sequence[ChunkVariant]], None]


def agent_stream(spec: AgentSpec, turn: Turn) -> AsyncGenerator[ChunkVariant, None]:
    """Yield an agent's response. What the agent loop raises is raised here.

    The loop runs in a task of its own, which starts with the first iteration and is cancelled when
    the generator is closed. In a run's handler, the model calls count for that run; elsewhere they
    are logged here.
    """

    async def produce(emit: _Emit) -> None:
        context = turn.run_context if isinstance(turn.run_context, HandlerContext) else None
        record = _run_record(spec, turn)
        writer = _EmittingWriter(turn, record, emit, context.claimed_calls if context else set())
        if context is not None and context.writer is not None:
            writer.begin_call, writer.end_call = context.writer.begin_call, context.writer.end_call
            writer.is_owner = context.writer.is_owner
        usage = UsageTracker(
            turn, writer.log.text_bytes, parent=context.usage_tracker if context else None
        )
        loop = AgentLoop(spec, None, context.approvals if context else _NoApprovals())
        if context is not None:
            context.metadata = spec.metadata
            context.loops.append(loop)
        outcome: Outcome = "aborted"
        failure: Exception | None = None
        try:
            if turn.client_outputs:  # the chat route does this for an agent of create_app
                await check_client_outputs(
                    turn, spec.tools, spec.sources, has_step_tools=spec.on_step is not None
                )
            reason = await loop.respond(writer, usage)
            outcome = "waiting" if reason == "tool-calls" else "finished"
        except Exception as error:
            outcome, failure = "failed", error
            raise
        finally:
            usage.end_call()
            await loop.aclose()
            if context is None:
                record.log(outcome, usage.steps, failure)
            else:
                record.record_outcome(outcome, usage.steps, failure)
            record.close()
        # In a run, the metadata is sent at its end and covers all of its model calls.
        metadata = None if context else usage.metadata(spec.metadata, outcome)
        emit([Finish(finish_reason=reason, message_metadata=metadata or UNSET)])

    return emitted_items(produce)


def _run_record(spec: AgentSpec, turn: Turn) -> RunRecord:
    run_id = secrets.token_hex(8)
    return RunRecord(
        run=run_id,
        user=turn.user,
        chat=turn.chat_id,
        message=turn.message_id,
        model=spec.model.name,
        client_version=str(turn.client_version),
        request=turn.request_id,
        # In a handler's run, the turn's own trace is that of the handler.
        trace=run_trace(replace(turn, trace=None), run_id, content=cached_settings().trace_content),
    )


class _EmittingWriter(RunWriter):
    """Emits what is written at once. A step is never reset: its chunks may be anywhere by then."""

    def __init__(self, turn: Turn, record: RunRecord, emit: _Emit, claimed_calls: set[str]) -> None:
        super().__init__(turn, record)
        self._emit = emit
        self._claimed_calls = claimed_calls
        self._position = 0, 0
        self._emit_new()

    def append(self, batch: Sequence[ChunkVariant]) -> None:
        try:
            super().append(batch)
        finally:
            self._emit_new()

    def claims_call(self, tool_call_id: str, *, known: bool) -> bool:
        # A handler may stream several agents, side by side or as a fallback: an approved call runs
        # once, in an agent that has the tool.
        if not known or tool_call_id in self._claimed_calls:
            return False
        self._claimed_calls.add(tool_call_id)
        return True

    def reset_step(self) -> bool:
        return False

    def _emit_new(self) -> None:
        while self.log.is_behind(self._position):
            variants, self._position = self.log.read_chunks(self._position)
            self._emit(variants)


class _NoApprovals(Approvals):
    """For an app's own routes, which do not receive the user's decisions."""

    async def request(self, turn: Turn, call: object) -> ApprovalRequest:
        raise RuntimeError(
            "tools with needs_approval require a run of create_app(), create_router() or respond()"
        )

    async def redeem(self, turn: Turn) -> dict[str, Decision]:
        return {}

    def prover(self, turn: Turn) -> Callable[[str], str] | None:
        return partial(proof_of_id, _KEY, turn.user, turn.chat_id)
