"""An assistant message → the messages of each model call that it consists of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ui_message_stream import json_codec
from ui_message_stream.messages import (
    FilePart,
    Part,
    ReasoningPart,
    SteeringMessagePart,
    TextPart,
    ToolPart,
    UIMessage,
)

from usechat_server.providers.history.reductions import Reduction
from usechat_server.providers.history.steps import split_into_steps
from usechat_server.providers.history.tool_calls import (
    ToolCallIds,
    api_tool_name,
    call_error,
    call_input,
    output_content,
)
from usechat_server.providers.history.user_parts import text_block
from usechat_server.providers.openai_chat.part_metadata import reasoning_field, thought_signature
from usechat_server.providers.openai_chat.request.content import content_of
from usechat_server.tools import DeclaredTool

__all__ = ["MAX_NAME_LENGTH", "AssistantSteps", "Step"]

#: Characters that the name of a tool may have.
MAX_NAME_LENGTH = 64
#: Characters that the id of a call may have.
_MAX_ID_LENGTH = 40

_FILES_NOTE = "(The files of this result are in the next message of the user.)"
_FILES = "(Files of tool results:)"


class Step:
    """One model call: the assistant's message, the results of its calls, and their files."""

    def __init__(self) -> None:
        #: a user message that interrupted the assistant; then there is nothing else in this step
        self.steering: SteeringMessagePart | None = None
        self.text = ""
        self.reasoning: dict[str, str] = {}
        self.calls: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []
        #: files in the outputs of tools, which only a user message can hold
        self.files: list[dict[str, Any]] = []

    def message(self) -> dict[str, Any] | None:
        """Return the assistant's message; None if it is empty."""
        text = self.text if self.text.strip() else ""
        if not text and not self.calls:
            return None
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        for field, reasoning in self.reasoning.items():
            if field == "thinking":
                thinking = {"type": "thinking", "thinking": [text_block(reasoning)]}
                message["content"] = [thinking, *([text_block(text)] if text else [])]
            else:
                message[field] = reasoning
        if self.calls:
            message["tool_calls"] = self.calls
        return message


class AssistantSteps:
    """Translates the assistant messages of one request.

    Args:
        tools: The declared tools by name; they decide what the model sees of their outputs.
        file_block: Returns the content part of a file.
        reduction: What is left out of the history.
    """

    def __init__(
        self,
        tools: Mapping[str, DeclaredTool],
        file_block: Callable[[FilePart], dict[str, Any]],
        reduction: Reduction,
    ) -> None:
        self._ids = ToolCallIds(_MAX_ID_LENGTH, numbered=reduction.call_ids)
        self._tools = tools
        self._file_block = file_block
        self._reduction = reduction

    def steps(self, message: UIMessage) -> Iterator[Step]:
        """Yield the model calls that a message consists of."""
        for parts in split_into_steps(message.parts):
            step = Step()
            for part in parts:
                self._add(part, step)
            if step.files:
                step.files.insert(0, text_block(_FILES))
            yield step

    def _add(self, part: Part, step: Step) -> None:
        match part:
            case SteeringMessagePart():
                step.steering = part
            case TextPart():
                step.text += part.text
            case ReasoningPart() if not self._reduction.all_but_text:
                if (field := reasoning_field(part)) is not None and part.text:
                    step.reasoning[field] = step.reasoning.get(field, "") + part.text
            case ToolPart() if not part.provider_executed:
                call_id = self._ids.assign(part.tool_call_id)
                is_signed = not self._reduction.all_but_text
                step.calls.append(_call(part, call_id, signed=is_signed))
                text = _text_of(self._result(part), step)
                step.results.append({"role": "tool", "tool_call_id": call_id, "content": text})

    def _result(self, part: ToolPart) -> str | list[dict[str, Any]]:
        if part.state == "output-available":
            tool, files = self._tools.get(part.tool_name), not self._reduction.files
            return output_content(part, tool, self._file_block, files=files)
        if part.state == "output-error":
            return json_codec.encode({"error": call_error(part)}).decode()
        return call_error(part)


def _call(part: ToolPart, call_id: str, *, signed: bool) -> dict[str, Any]:
    arguments = json_codec.encode(call_input(part)).decode()
    name = api_tool_name(part.tool_name, MAX_NAME_LENGTH)
    call: dict[str, Any] = {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }
    if signed and (signature := thought_signature(part)) is not None:
        call["extra_content"] = {"google": {"thought_signature": signature}}
    return call


def _text_of(content: str | list[dict[str, Any]], step: Step) -> str:
    """Return the text of a result. Its files go to the step."""
    if isinstance(content, str):
        return content
    texts = [part for part in content if part["type"] == "text"]
    files = [part for part in content if part["type"] != "text"]
    if files:
        step.files += files
        texts.append(text_block(_FILES_NOTE))
    return str(content_of(texts))
