"""Which answer a question gets: a list of beats, chosen by the words of the question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ui_message_stream import jsontext
from ui_message_stream.messages import TextPart, ToolPart, UIMessage

from usechat_server.models.base import ModelCall
from usechat_server.models.demo import answers
from usechat_server.tools import DeclaredTool

__all__ = [
    "Beat",
    "BreakOff",
    "Say",
    "Think",
    "UseTool",
    "asks_for_error",
    "choose",
    "last_question",
]

_ERROR = re.compile(r"/error|\ban error\b", re.IGNORECASE)
_MARKDOWN = re.compile(r"\b(markdown|table|code)\b", re.IGNORECASE)
_LONG = re.compile(r"\blong\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Think:
    text: str


@dataclass(frozen=True, slots=True)
class Say:
    text: str


@dataclass(frozen=True, slots=True)
class UseTool:
    """Asks the page. Ends the step."""

    id: str
    tool: DeclaredTool
    input: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BreakOff:
    """The provider fails."""


Beat = Think | Say | UseTool | BreakOff


def last_question(messages: Sequence[UIMessage]) -> UIMessage | None:
    """The newest user message, or None."""
    return next((message for message in reversed(messages) if message.role == "user"), None)


def asks_for_error(question: UIMessage) -> bool:
    """Whether the question wants to see how a failure looks."""
    return _ERROR.search(_text(question)) is not None


def choose(call: ModelCall, question: UIMessage, *, fail: bool) -> list[Beat]:
    """The beats of one step."""
    if answered := _answered_tool(call.messages[-1]):
        return [Say(_retell(answered))]
    if fail:
        return [Think(answers.ERROR_THOUGHT), Say(answers.BEFORE_ERROR), BreakOff()]
    text = _text(question)
    if _ERROR.search(text):
        return [Say(answers.AFTER_RETRY)]
    tools = [tool for tool in call.tools if isinstance(tool, DeclaredTool)]
    if tool := _wanted_tool(tools, text):
        thought = answers.TOOL_THOUGHT.format(name=tool.name)
        wanted = _sample(tool.input_schema, text)
        return [Think(thought), UseTool(_new_tool_id(call.messages), tool, wanted)]
    if _LONG.search(text):
        return [Think(answers.LONG_THOUGHT), Say(answers.long_answer())]
    if _MARKDOWN.search(text):
        return [Think(answers.MARKDOWN_THOUGHT), Say(answers.MARKDOWN)]
    quoted = "\n> ".join(text.strip().splitlines()) or "…"
    return [Think(answers.OTHER_THOUGHT), Say(answers.INTRODUCTION.format(question=quoted))]


def _text(message: UIMessage) -> str:
    return "\n".join(part.text for part in message.parts if isinstance(part, TextPart))


def _answered_tool(message: UIMessage) -> ToolPart | None:
    """The tool call that the page just answered, when a message is continued."""
    if message.role != "assistant":
        return None
    match message.parts:
        case [*_, ToolPart(state="output-available" | "output-error") as answered]:
            return answered
    return None


def _retell(tool: ToolPart) -> str:
    """The tool's output in words."""
    if tool.state == "output-error":
        return f"`{tool.tool_name}` did not work: {tool.error_text}"
    output = tool.output
    if not isinstance(output, dict):
        return f"`{tool.tool_name}` says: **{_plain(output)}**"
    facts = [f"- {key}: **{_plain(value)}**" for key, value in output.items()]
    return "\n".join([f"Your browser answered `{tool.tool_name}`:\n", *facts])


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else jsontext.encode(value).decode()


def _wanted_tool(tools: Sequence[DeclaredTool], text: str) -> DeclaredTool | None:
    """The tool with a word of its name in the question ("get_weather": "…the weather in Rome")."""
    asked = set(re.findall(r"\w+", text.lower()))
    for tool in tools:
        # Words like "get" and "for" are in half of all names and questions.
        words = {word for word in re.split(r"[\W_]+", tool.name.lower()) if len(word) > 3}
        if words & asked:
            return tool
    return None


def _new_tool_id(messages: Sequence[UIMessage]) -> str:
    # useChat finds a call by its id in the whole chat.
    calls = sum(isinstance(part, ToolPart) for message in messages for part in message.parts)
    return f"demo-call-{calls + 1}"


def _sample(schema: dict[str, Any], text: str) -> Any:
    """A value for a JSON Schema: the first choice, or the question's last word ("… in Rome?")."""
    if choices := schema.get("enum"):
        return choices[0]
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            required = schema.get("required", ())
            return {name: _sample(properties.get(name, {}), text) for name in required}
        case "array":
            return []
        case "number" | "integer":
            return 1
        case "boolean":
            return True
        case _:
            return (re.findall(r"\w+", text) or [""])[-1]
