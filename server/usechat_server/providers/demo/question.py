"""What the demo model is asked, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ui_message_stream.messages import FilePart, StepStartPart, TextPart, ToolPart, UIMessage

from usechat_server.providers.base import ModelCall
from usechat_server.tools import DeclaredTool

__all__ = ["Question", "question_of"]


@dataclass(frozen=True, slots=True)
class Question:
    """One model call: the newest question, and what the answer to it has so far."""

    #: id of the user message
    id: str
    text: str
    files: Sequence[FilePart]
    tools: Mapping[str, DeclaredTool]
    #: steps that the answer has already
    step: int
    #: their tool calls
    calls: Sequence[ToolPart]

    def outputs(self, tool: str) -> list[ToolPart]:
        """The calls of one tool, in order."""
        return [call for call in self.calls if call.tool_name == tool]


def question_of(call: ModelCall) -> Question | None:
    """None if nobody asked anything."""
    asked = next((message for message in reversed(call.messages) if message.role == "user"), None)
    if asked is None:
        return None
    last = call.messages[-1]
    answer: UIMessage | None = last if last.role == "assistant" else None
    parts = answer.parts if answer else []
    return Question(
        id=asked.id,
        text="\n".join(part.text for part in asked.parts if isinstance(part, TextPart)),
        files=[part for part in asked.parts if isinstance(part, FilePart)],
        tools={tool.name: tool for tool in call.tools if isinstance(tool, DeclaredTool)},
        step=sum(isinstance(part, StepStartPart) for part in parts),
        calls=[part for part in parts if isinstance(part, ToolPart)],
    )
