"""Choose the script of a demo response by the words of the question."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from usechat_server.providers.demo import texts
from usechat_server.providers.demo.question import Question, describe_files
from usechat_server.providers.demo.script_events import CallTool, Fail, Say, ScriptEvent, Think
from usechat_server.providers.demo.tool_scripts import (
    describe_result,
    dice_script,
    library_script,
    plan_script,
    postcard_script,
    weather_script,
)
from usechat_server.tools import DeclaredTool

__all__ = ["asks_for_error", "choose_script"]

Script = Callable[[Question], list[ScriptEvent]]

_ERROR = re.compile(r"/error|\ban error\b", re.IGNORECASE)

#: Scripts with tools: words of the question, the tools that the script requires, the script.
_TOOL_SCRIPTS: list[tuple[str, set[str], Script]] = [
    (r"dice|die|roll", {"roll_dice"}, dice_script),
    (r"plan", {"weather", "look_up"}, plan_script),
    (r"weather", {"weather"}, weather_script),
    (r"look up|search|history|sources?", {"look_up"}, library_script),
    (r"postcard", {"send_postcard"}, postcard_script),
]


def asks_for_error(question: Question) -> bool:
    """Whether the user wants to see a failure."""
    return _ERROR.search(question.text) is not None


def choose_script(question: Question, *, fail: bool) -> list[ScriptEvent]:
    """Return the script of the next step.

    Args:
        question: The question, and the steps of the response so far.
        fail: Whether the step fails on purpose.
    """
    text = question.text
    if fail:
        return [Think(texts.ERROR_THOUGHT), Say(texts.BEFORE_ERROR), Fail()]
    if asks_for_error(question):
        return [Say(texts.AFTER_RETRY)]
    if question.files:
        return [Think(texts.FILES_THOUGHT), Say(describe_files(question.files))]
    for words, required_tools, script in _TOOL_SCRIPTS:
        if _mentions(text, words) and required_tools <= question.tools.keys():
            return script(question)
    if question.calls:
        return [Say(describe_result(question.calls[-1]))]
    if tool := _mentioned_tool(question.tools.values(), text):
        thought = texts.TOOL_THOUGHT.format(name=tool.name)
        return [Think(thought), CallTool(tool.name, _sample_value(tool.input_schema, text))]
    if _mentions(text, "draw|picture|image"):
        return [Think(texts.PICTURE_THOUGHT), Say(texts.PICTURE), texts.lighthouse()]
    if _mentions(text, "long"):
        return [Think(texts.LONG_THOUGHT), Say(texts.long_response())]
    if _mentions(text, "markdown|table|code|maths?"):
        return [Think(texts.MARKDOWN_THOUGHT), Say(texts.MARKDOWN)]
    quote = "\n> ".join(text.strip().splitlines()) or "…"
    return [Think(texts.OTHER_THOUGHT), Say(texts.INTRODUCTION.format(question=quote))]


def _mentions(text: str, words: str) -> bool:
    return re.search(rf"\b({words})\b", text, re.IGNORECASE) is not None


def _mentioned_tool(tools: Iterable[DeclaredTool], text: str) -> DeclaredTool | None:
    """Return the tool with a word of its name in the question.

    The question "What is the weather in Rome?" mentions the tool `get_weather`.
    """
    question_words = set(re.findall(r"\w+", text.lower()))
    for tool in tools:
        # Words like "get" and "for" are in half of all names and questions.
        name_words = {word for word in re.split(r"[\W_]+", tool.name.lower()) if len(word) > 3}
        if name_words & question_words:
            return tool
    return None


def _sample_value(schema: dict[str, Any], text: str) -> Any:
    """Return a value for a JSON Schema: the first choice, or the last word of the question."""
    if choices := schema.get("enum"):
        return choices[0]
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            required = schema.get("required", ())
            return {name: _sample_value(properties.get(name, {}), text) for name in required}
        case "array":
            return []
        case "number" | "integer":
            return 1
        case "boolean":
            return True
        case _:
            return (re.findall(r"\w+", text) or [""])[-1]
