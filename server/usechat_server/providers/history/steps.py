"""The parts of an assistant message, by the model calls that wrote them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ui_message_stream.messages import (
    Part,
    ReasoningPart,
    SteeringMessagePart,
    StepStartPart,
    TextPart,
    ToolPart,
)

__all__ = ["split_into_steps"]


def split_into_steps(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Yield the parts of each model call; a steering message of the user is a group of its own."""
    # Servers that send no step-start write the text of the next call right behind the tool part.
    has_step_starts = any(isinstance(part, StepStartPart) for part in parts)
    group: list[Part] = []
    for part in parts:
        follows_call = not has_step_starts and group and _is_app_call(group[-1])
        if isinstance(part, StepStartPart | SteeringMessagePart) or (
            follows_call and isinstance(part, TextPart | ReasoningPart)
        ):
            yield group
            group = []
        group.append(part)
        if isinstance(part, SteeringMessagePart):
            yield group
            group = []
    yield group


def _is_app_call(part: Part) -> bool:
    return isinstance(part, ToolPart) and not part.provider_executed
