"""A message whose run is gone, as it would have ended."""

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

__all__ = ["closed"]


def closed(message: UIMessage) -> UIMessage:
    """The message with every part ended, and so that no page goes on with it by itself."""
    ended = msgspec.structs.replace(message, parts=[_ended(part) for part in message.parts])
    calls = ended.last_step_calls()
    if calls and not any(map(_is_open, calls)):
        # A page that continues when all calls are answered looks at the last step only.
        ended.parts += [StepStartPart(), TextPart(text="", state="done")]
    return ended


def _ended(part: Part) -> Part:
    if isinstance(part, TextPart | ReasoningPart) and part.state == "streaming":
        return msgspec.structs.replace(part, state="done")
    if isinstance(part, ToolPart) and part.state == "input-streaming":
        # As the end of a stream tells it: the text that was there of the input, and an error.
        half = part.input if part.raw_input is UNSET else part.raw_input
        return msgspec.structs.replace(
            part, state="output-error", input=half, raw_input=UNSET, error_text=TRUNCATED_INPUT
        )
    return part


def _is_open(call: ToolPart) -> bool:
    waits = call.state in ("input-available", "approval-requested")
    return waits and not call.provider_executed
