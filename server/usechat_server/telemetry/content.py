"""Messages in the JSON form of OpenTelemetry's conventions, for spans that have content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ui_message_stream import json_codec
from ui_message_stream.messages import (
    FilePart,
    Part,
    ReasoningPart,
    StepStartPart,
    TextPart,
    ToolPart,
    UIMessage,
)
from ui_message_stream.schema import UNSET

__all__ = ["input_messages", "json_text", "output_messages"]


def json_text(value: Any) -> str | None:
    """Return a value as JSON text; None if it has none."""
    try:
        return json_codec.encode(value).decode()
    except (TypeError, ValueError):
        return None


def input_messages(messages: Sequence[UIMessage]) -> list[dict[str, Any]]:
    """Return the messages that a model call is about. What tools returned is a message of its own
    after each step."""
    converted: list[dict[str, Any]] = []
    for message in messages:
        for step in _steps(message.parts):
            converted.append({"role": message.role, "parts": list(_parts(step))})
            converted.append({"role": "tool", "parts": list(_responses(step))})
    return [message for message in converted if message["parts"]]


def output_messages(messages: Sequence[UIMessage]) -> list[dict[str, Any]]:
    """Return what the model call has written: the last step of the last message."""
    if not messages or messages[-1].role != "assistant":
        return []
    return [{"role": "assistant", "parts": list(_parts(_steps(messages[-1].parts)[-1]))}]


def _steps(parts: Sequence[Part]) -> list[list[Part]]:
    steps: list[list[Part]] = [[]]
    for part in parts:
        if isinstance(part, StepStartPart):
            steps.append([])
        else:
            steps[-1].append(part)
    return steps


def _parts(parts: Sequence[Part]) -> Iterator[dict[str, Any]]:
    for part in parts:
        match part:
            case TextPart():
                yield {"type": "text", "content": part.text}
            case ReasoningPart():
                yield {"type": "reasoning", "content": part.text}
            case FilePart():
                yield {"type": "uri", "mime_type": part.media_type, "uri": _short_url(part.url)}
            case ToolPart():
                yield _tool_call(part)


def _responses(parts: Sequence[Part]) -> Iterator[dict[str, Any]]:
    for part in parts:
        if isinstance(part, ToolPart) and part.state in ("output-available", "output-error"):
            response = part.error_text if part.state == "output-error" else _value(part.output)
            yield {"type": "tool_call_response", "id": part.tool_call_id, "response": response}


def _tool_call(part: ToolPart) -> dict[str, Any]:
    return {
        "type": "tool_call",
        "id": part.tool_call_id,
        "name": part.tool_name,
        "arguments": _value(part.input),
    }


def _value(value: Any) -> Any:
    return None if value is UNSET else value


def _short_url(url: str) -> str:
    """Return a URL without the data that it may have: a whole file."""
    return f"{url.partition(',')[0]},…" if url.startswith("data:") else url
