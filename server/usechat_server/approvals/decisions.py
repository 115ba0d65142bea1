"""The approval decisions in a continued message, as the client sent them: nothing here is checked
against what was requested."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ui_message_stream.messages import ToolPart
from ui_message_stream.schema import UNSET

from usechat_server.errors import ChatError, Forbidden, InvalidRequest
from usechat_server.turn import Decision, Turn

__all__ = ["DecidedCall", "approval_error", "decided_calls"]


@dataclass(frozen=True, slots=True)
class DecidedCall:
    """A tool call, and the user's decision about it."""

    tool_call_id: str
    tool_name: str
    #: the input that the call would run with
    input: Any
    approval_id: str
    decision: Decision


def decided_calls(turn: Turn) -> list[DecidedCall]:
    """Return the calls of the continued message's last step that the user decided about.

    Raises:
        ChatError: A decision that no client sends: for a call that is in the message twice (which
            of them would run?), with a second copy of the input, or neither approved nor denied.
    """
    message = turn.continued
    if message is None:
        return []
    calls = [_decided_call(part) for part in message.last_step_calls() if _has_decision(part)]
    times = Counter(part.tool_call_id for part in message.parts if isinstance(part, ToolPart))
    for call in calls:
        if times[call.tool_call_id] > 1:
            raise approval_error(
                call.tool_name, "its call is in the message more than once", InvalidRequest
            )
    return calls


def approval_error(tool_name: str, why: str, error: Callable[[str], ChatError]) -> ChatError:
    """Return the error that the user sees instead of a response."""
    return error(
        f"The approval of {tool_name[:64]!r} is not valid: {why}. Nothing was run. Send a new "
        "message to be asked again."
    )


def _has_decision(part: ToolPart) -> bool:
    # An automatic one is the app's own decision, left behind by a run that was cut off.
    is_automatic = part.approval is not None and part.approval.is_automatic
    return part.state == "approval-responded" and not is_automatic


def _decided_call(part: ToolPart) -> DecidedCall:
    approval = part.approval
    if approval is None or approval.approved is None:
        raise approval_error(part.tool_name, "it says neither approved nor denied", InvalidRequest)
    copies = (part.raw_input, part.output, approval.input_schema_input)
    if part.provider_executed or part.input is UNSET or any(copy is not UNSET for copy in copies):
        raise approval_error(part.tool_name, "the call was changed", Forbidden)
    return DecidedCall(
        part.tool_call_id,
        part.tool_name,
        part.input,
        approval.id,
        Decision(approval.approved, approval.reason),
    )
