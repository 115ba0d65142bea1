"""The end of a message whose run was interrupted."""

from __future__ import annotations

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

__all__ = ["interrupted_message"]


def interrupted_message(message: UIMessage) -> UIMessage:
    """Return the message with every part ended, in a form that no client continues by itself."""
    ended = msgspec.structs.replace(message, parts=[_end_part(part) for part in message.parts])
    calls = ended.last_step_calls()
    if calls and not any(map(_is_open, calls)):
        # Clients that continue when all calls have outputs look at the last step only.
        ended.parts += [StepStartPart(), TextPart(text="", state="done")]
    return ended


def _end_part(part: Part) -> Part:
    if isinstance(part, TextPart | ReasoningPart) and part.state == "streaming":
        return msgspec.structs.replace(part, state="done")
    if isinstance(part, ToolPart) and part.state == "input-streaming":
        # As at the end of a truncated stream: the input text so far, and an error.
        truncated = part.input if part.raw_input is UNSET else part.raw_input
        return msgspec.structs.replace(
            part, state="output-error", input=truncated, raw_input=UNSET, error_text=TRUNCATED_INPUT
        )
    return part


def _is_open(call: ToolPart) -> bool:
    has_no_result = call.state in ("input-available", "approval-requested")
    return has_no_result and not call.provider_executed
