"""The answers that a continued message holds, as the client sent them: nothing here is checked
against what was asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ui_message_stream.messages import ToolPart
from ui_message_stream.schema import UNSET

from usechat_server.errors import ChatError, Forbidden, InvalidRequest
from usechat_server.turn import Decision, Turn

__all__ = ["DecidedCall", "refusal", "responses"]


@dataclass(frozen=True, slots=True)
class DecidedCall:
    """A call, and what a person says of it."""

    tool_call_id: str
    tool_name: str
    #: what would be run
    input: Any
    approval_id: str
    decision: Decision


def responses(turn: Turn) -> list[DecidedCall]:
    """The answered approvals of the continued message's last step.

    Raises ChatError for one that no client makes: a call that is there twice (which of them would
    run?), one whose input is told in a second way beside it, one without an answer.
    """
    message = turn.continued
    if message is None:
        return []
    found = [_decided(part) for part in message.last_step_calls() if _answered(part)]
    times = Counter(part.tool_call_id for part in message.parts if isinstance(part, ToolPart))
    for call in found:
        if times[call.tool_call_id] > 1:
            raise refusal(call.tool_name, "its call is in the message twice", InvalidRequest)
    return found


def refusal(tool_name: str, why: str, error: Callable[[str], ChatError]) -> ChatError:
    """What the person reads instead of an answer."""
    return error(
        f"The approval of {tool_name[:64]!r} does not count: {why}. Nothing was run. Send a new "
        "message to be asked again."
    )


def _answered(part: ToolPart) -> bool:
    # An automatic one is the app's own answer, left behind by a run that was cut: nobody's.
    automatic = part.approval is not None and part.approval.is_automatic
    return part.state == "approval-responded" and not automatic


def _decided(part: ToolPart) -> DecidedCall:
    approval = part.approval
    if approval is None or approval.approved is None:
        raise refusal(part.tool_name, "it says neither approved nor denied", InvalidRequest)
    second = (part.raw_input, part.output, approval.input_schema_input)
    if part.provider_executed or part.input is UNSET or any(one is not UNSET for one in second):
        raise refusal(part.tool_name, "the call was changed", Forbidden)
    return DecidedCall(
        part.tool_call_id,
        part.tool_name,
        part.input,
        approval.id,
        Decision(approval.approved, approval.reason),
    )
