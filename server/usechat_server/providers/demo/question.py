"""The question that a demo response answers, read from the messages of a model call."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ui_message_stream.messages import FilePart, StepStartPart, TextPart, ToolPart, UIMessage

from usechat_server.providers.base import ModelCall
from usechat_server.tools import DeclaredTool

__all__ = ["Question", "describe_files", "read_question"]


@dataclass(frozen=True, slots=True)
class Question:
    """The newest user message, and what the response to it contains so far."""

    #: id of the user message
    id: str
    text: str
    files: Sequence[FilePart]
    #: the call's tools, by name
    tools: Mapping[str, DeclaredTool]
    #: number of steps that the response has already
    step: int
    #: the tool calls of those steps
    calls: Sequence[ToolPart]

    def calls_of(self, tool_name: str) -> list[ToolPart]:
        """Return the calls of one tool, in order."""
        return [call for call in self.calls if call.tool_name == tool_name]


def read_question(call: ModelCall) -> Question | None:
    """Return the question of a model call; None if there is no user message."""
    user_messages = [message for message in call.messages if message.role == "user"]
    if not user_messages:
        return None
    question = user_messages[-1]
    last = call.messages[-1]
    response: UIMessage | None = last if last.role == "assistant" else None
    response_parts = response.parts if response else []
    return Question(
        id=question.id,
        text="\n".join(part.text for part in question.parts if isinstance(part, TextPart)),
        files=[part for part in question.parts if isinstance(part, FilePart)],
        tools={tool.name: tool for tool in call.tools if isinstance(tool, DeclaredTool)},
        step=sum(isinstance(part, StepStartPart) for part in response_parts),
        calls=[part for part in response_parts if isinstance(part, ToolPart)],
    )


#: Lines of a text file that are shown.
_MAX_LINES = 8


def describe_files(files: Sequence[FilePart]) -> str:
    """Return the files' names, types and sizes, and the first lines of text files, as Markdown."""
    lines = [f"You sent {len(files)} file{'s' if len(files) > 1 else ''}:"]
    for file in files:
        content = _data_url_content(file.url)
        size = "a link" if content is None else f"{len(content):,} bytes"
        lines.append(f"- **{file.filename or 'a file'}**: `{file.media_type}`, {size}")
    for file in files:
        content = _data_url_content(file.url)
        if content is not None and file.media_type.startswith("text/"):
            first_lines = content.decode(errors="replace").splitlines()[:_MAX_LINES]
            name = file.filename or "The file"
            lines += [f"\n`{name}` begins like this:", "```text", *first_lines, "```"]
    return "\n".join(lines)


def _data_url_content(url: str) -> bytes | None:
    """Return the content of a data URL; None for any other URL."""
    head, _, data = url.partition(",")
    if not head.startswith("data:") or not head.endswith(";base64"):
        return None
    try:
        return base64.b64decode(data)
    except binascii.Error:
        return None
