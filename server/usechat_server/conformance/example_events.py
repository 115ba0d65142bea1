"""The events of which the examples of the rules consist."""

from __future__ import annotations

from typing import Any

from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ClientVersion

from usechat_server.conformance.rules import StreamExample

START = {"type": "start", "messageId": "m"}
STEP = {"type": "start-step"}
STEP_END = {"type": "finish-step"}
FINISH = {"type": "finish", "finishReason": "stop"}
DONE = "[DONE]"
TEXT = {"type": "text-start", "id": "0"}
DELTA = {"type": "text-delta", "id": "0", "delta": "Hello"}
TEXT_END = {"type": "text-end", "id": "0"}
BLOCK = (TEXT, DELTA, TEXT_END)
CALL = {"toolCallId": "c", "toolName": "weather"}
INPUT = {"type": "tool-input-start", **CALL}
INPUT_DELTA = {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": "{}"}
AVAILABLE: dict[str, Any] = {"type": "tool-input-available", **CALL, "input": {}}
OUTPUT = {"type": "tool-output-available", "toolCallId": "c", "output": "sunny"}
REQUEST = {"type": "tool-approval-request", "approvalId": "a", "toolCallId": "c"}
NEXT_STEP = (STEP_END, STEP, *BLOCK)
V7 = ClientVersion(7)
#: `output-available`, as the client sends it back after a tool ran in the browser.
CONTINUED = UIMessage.from_object(
    {
        "id": "m",
        "role": "assistant",
        "parts": [
            {"type": "step-start"},
            {
                "type": "tool-weather",
                "toolCallId": "c",
                "state": "output-available",
                "input": {},
                "output": "sunny",
            },
        ],
    }
)


def in_step(*events: Any, **options: Any) -> StreamExample:
    """Return a stream that is correct but for these events in its only step."""
    return StreamExample.of(START, STEP, *events, STEP_END, FINISH, DONE, **options)


def with_bytes(old: str, new: bytes) -> StreamExample:
    """Return a correct stream with other bytes in the place of a text."""
    body = in_step(*BLOCK).body
    return StreamExample(body.replace(old.encode(), new))


WHOLE = in_step(*BLOCK).body
