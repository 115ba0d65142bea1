"""What the demo model is asked, step by step."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ui_message_stream.messages import FilePart, StepStartPart, TextPart, ToolPart, UIMessage

from usechat_server.providers.base import ModelCall
from usechat_server.tools import DeclaredTool

__all__ = ["Question", "describe", "question_of"]


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


#: Lines of a text that are shown.
_LINES = 8


def describe(files: Sequence[FilePart]) -> str:
    """Names, types, sizes, and how texts begin."""
    said = [f"You sent {len(files)} file{'s' if len(files) > 1 else ''}:"]
    for file in files:
        content = _content(file.url)
        size = "elsewhere" if content is None else f"{len(content):,} bytes"
        said.append(f"- **{file.filename or 'a file'}**: `{file.media_type}`, {size}")
    for file in files:
        content = _content(file.url)
        if content is not None and file.media_type.startswith("text/"):
            lines = content.decode(errors="replace").splitlines()[:_LINES]
            said += [f"\n`{file.filename or 'It'}` begins like this:", "```text", *lines, "```"]
    return "\n".join(said)


def _content(url: str) -> bytes | None:
    """What a data URL holds; None for other addresses."""
    head, _, data = url.partition(",")
    if not head.startswith("data:") or not head.endswith(";base64"):
        return None
    try:
        return base64.b64decode(data)
    except binascii.Error:
        return None
