"""The log of a run that is taken over: what its process published, or what it stored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import NamedTuple

from ui_message_stream import chunks as c
from ui_message_stream.chunks import Chunk
from ui_message_stream.messages import DataPart, Part, StepStartPart, ToolPart, UIMessage
from ui_message_stream.replay import replay_chunks
from ui_message_stream.versions import NEWEST_CLIENT_VERSION

from usechat_server.coordination.orphans import FormerLog
from usechat_server.coordination.ownership import TakenOverTurn
from usechat_server.loop.run_writer import has_been_run
from usechat_server.run_log.log import Log
from usechat_server.run_log.position import parse_position
from usechat_server.turn import Turn

__all__ = ["RestoredRun", "restore", "turn_of"]

#: How often a run is continued. After that, a process that takes it over ends it.
MAX_TAKEOVERS = 2
#: Seconds after which no client waits for a run any more: it is ended.
MAX_IDLE_SECONDS = 60.0

#: Chunks that change a call without beginning it.
_CALL_UPDATES = (
    c.ToolApprovalResponse,
    c.ToolOutputAvailable,
    c.ToolOutputError,
    c.ToolOutputDenied,
)


class RestoredRun(NamedTuple):
    """What is left of a run."""

    log: Log
    log_id: str
    #: whether the model may continue it
    can_continue: bool


def turn_of(
    taken: TakenOverTurn, former: FormerLog | None, read_turn: Callable[[bytes], Turn]
) -> Turn:
    """Return the turn with its history.

    Raises:
        Exception: The request is of another release, or does not fit the app's model any more.
    """
    if taken.request is None:
        if former is None:
            raise LookupError("a former release began the turn and has published nothing")
        return read_turn(former.turn)
    turn = read_turn(taken.request.encode())
    return replace(turn, messages=[*taken.history, *turn.messages])


def restore(
    run_id: str,
    turn: Turn,
    taken: TakenOverTurn,
    former: FormerLog | None,
    *,
    has_responder: bool,
) -> RestoredRun:
    """Return the published log if it has everything that was stored, else a log of what was stored.

    Args:
        run_id: Id of the run.
        turn: Its turn, with its history.
        taken: The run, as the store has it.
        former: What its process has published, if that is known.
        has_responder: Whether there is something that can respond to the turn.
    """
    message = taken.message or turn.continued
    can_continue = taken.earlier_takeovers < MAX_TAKEOVERS and taken.idle_seconds < MAX_IDLE_SECONDS
    if former is not None and _has_all_of(former, taken):
        can_continue = can_continue and not (former.is_stop_requested or former.has_good_end)
        if not former.has_failed:
            return RestoredRun(former.log, former.log_id, can_continue)
        message = former.log.message()
    # Another id, since readers must not mix the two.
    log_id = f"{run_id}-{taken.epoch}"
    repeats_step = can_continue and has_responder
    log = _stored_log(turn, message, taken.begun_calls, repeats_step=repeats_step)
    return RestoredRun(log, log_id, can_continue)


def _has_all_of(former: FormerLog, taken: TakenOverTurn) -> bool:
    """Whether a published log has everything that was stored."""
    if taken.log_id is None or taken.log_position is None:
        return True
    is_same = former.log_id == taken.log_id
    return is_same and former.log.end_position >= parse_position(taken.log_position)


def _stored_log(
    turn: Turn,
    message: UIMessage | None,
    begun_calls: Collection[str] | None,
    *,
    repeats_step: bool,
) -> Log:
    """Return a log of the stored message; None: it has no words yet.

    With `repeats_step`, the step in progress is left out and starts again, unless one of its calls
    has begun or has a result.
    """
    log = Log(turn.continued)
    message = message or UIMessage(id=turn.message_id, role="assistant", parts=[])
    log.append(list(_chunks(turn, message, begun_calls or (), repeats_step=repeats_step)))
    return log


def _chunks(
    turn: Turn, message: UIMessage, begun_calls: Collection[str], *, repeats_step: bool
) -> Iterator[Chunk]:
    continued = turn.continued
    yield c.Start(message_id=message.id, message_metadata=message.metadata)
    parts = message.parts
    if continued is not None:
        count = len(continued.parts)
        for before, after in zip(continued.parts, parts[:count], strict=False):
            if before != after:
                yield from _update_chunks(after)
        parts = parts[count:]
    if repeats_step and not _has_run_calls(parts, begun_calls):
        parts = parts[: _last_step(parts)]
    chunks = replay_chunks(UIMessage(id="", role="assistant", parts=parts), NEWEST_CLIENT_VERSION)
    if chunks and isinstance(chunks[-1], c.FinishStep) and _has_calls(parts[_last_step(parts) :]):
        del chunks[-1]  # its calls are continued
    yield from chunks[1:]


def _update_chunks(part: Part) -> Iterator[Chunk]:
    """Yield what changed a part of the continued message to this one."""
    if isinstance(part, DataPart):
        yield c.Data(name=part.name, id=part.id, data=part.data, extra=part.extra)
    if isinstance(part, ToolPart):
        chunks = replay_chunks(
            UIMessage(id="", role="assistant", parts=[part]), NEWEST_CLIENT_VERSION
        )
        yield from (chunk for chunk in chunks if isinstance(chunk, _CALL_UPDATES))


def _has_run_calls(parts: list[Part], begun_calls: Collection[str]) -> bool:
    """Whether a call of the last step has begun, or has a result."""
    return any(
        isinstance(part, ToolPart)
        and not part.provider_executed
        and has_been_run(part, begun_calls)
        for part in parts[_last_step(parts) :]
    )


def _has_calls(step: list[Part]) -> bool:
    return any(isinstance(part, ToolPart) and not part.provider_executed for part in step)


def _last_step(parts: list[Part]) -> int:
    """Return the index of the last `step-start`; 0 without one."""
    starts = [index for index, part in enumerate(parts) if isinstance(part, StepStartPart)]
    return starts[-1] if starts else 0
