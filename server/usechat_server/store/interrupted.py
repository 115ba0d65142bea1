"""The end of a message whose run was interrupted."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from ui_message_stream.messages import (
    Part,
    ReasoningPart,
    StepStartPart,
    TextPart,
    ToolPart,
    UIMessage,
)
from ui_message_stream.schema import UNSET
from ui_message_stream.writer import TRUNCATED_INPUT

from usechat_server.loop.interrupted_calls import INTERRUPTED

__all__ = ["interrupted_message"]


def interrupted_message(message: UIMessage, begun_calls: Collection[str] = ()) -> UIMessage:
    """Return the message with every part ended, in a form that no client continues by itself.

    Args:
        message: The message.
        begun_calls: Ids of tool calls that the server began to run. What a client or the user may
            still resolve stays open.
    """
    parts = [_end_part(part, begun_calls) for part in message.parts]
    ended = msgspec.structs.replace(message, parts=parts)
    calls = ended.last_step_calls()
    if calls and not any(map(_is_open, calls)):
        # Clients that continue when all calls have outputs look at the last step only.
        ended.parts += [StepStartPart(), TextPart(text="", state="done")]
    return ended


def _end_part(part: Part, begun_calls: Collection[str]) -> Part:
    if isinstance(part, TextPart | ReasoningPart) and part.state == "streaming":
        return msgspec.structs.replace(part, state="done")
    if isinstance(part, ToolPart) and part.state == "input-streaming":
        # As at the end of a truncated stream: the input text so far, and an error.
        truncated = part.input if part.raw_input is UNSET else part.raw_input
        return msgspec.structs.replace(
            part, state="output-error", input=truncated, raw_input=UNSET, error_text=TRUNCATED_INPUT
        )
    if isinstance(part, ToolPart) and _is_the_servers(part, begun_calls):
        is_denied = part.approval is not None and part.approval.approved is False
        if part.state == "approval-responded" and is_denied:
            return msgspec.structs.replace(part, state="output-denied")
        return msgspec.structs.replace(
            part, state="output-error", output=UNSET, preliminary=None, error_text=INTERRUPTED
        )
    return part


def _is_the_servers(part: ToolPart, begun_calls: Collection[str]) -> bool:
    """Whether a call is certainly one that the server or the provider was to resolve."""
    has_begun = part.provider_executed is True or part.tool_call_id in begun_calls
    is_running = part.state == "input-available" and has_begun
    return is_running or part.preliminary is True or part.state == "approval-responded"


def _is_open(call: ToolPart) -> bool:
    has_no_result = call.state in ("input-available", "approval-requested")
    return has_no_result and not call.provider_executed
