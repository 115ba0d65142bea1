"""Which answer a question gets, chosen by its words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from usechat_server.providers.demo import texts
from usechat_server.providers.demo.question import Question, describe
from usechat_server.providers.demo.script_events import BreakOff, Call, Say, ScriptEvent, Think
from usechat_server.providers.demo.texts import lighthouse
from usechat_server.providers.demo.tool_scripts import (
    dice_scene,
    library_scene,
    plan_scene,
    postcard_scene,
    retell,
    weather_scene,
)
from usechat_server.tools import DeclaredTool

__all__ = ["asks_for_error", "choose"]

Script = Callable[[Question], list[ScriptEvent]]

_ERROR = re.compile(r"/error|\ban error\b", re.IGNORECASE)

#: Scenes with tools: a word, the tools without which they cannot be played, the scene.
_TOOL_SCENES: list[tuple[str, set[str], Script]] = [
    (r"dice|die|roll", {"roll_dice"}, dice_scene),
    (r"plan", {"weather", "look_up"}, plan_scene),
    (r"weather", {"weather"}, weather_scene),
    (r"look up|search|history|sources?", {"look_up"}, library_scene),
    (r"postcard", {"send_postcard"}, postcard_scene),
]


def asks_for_error(question: Question) -> bool:
    """Whether the question wants to see how a failure looks."""
    return _ERROR.search(question.text) is not None


def choose(question: Question, *, fail: bool) -> list[ScriptEvent]:
    """The beats of one step."""
    text = question.text
    if fail:
        return [Think(texts.ERROR_THOUGHT), Say(texts.BEFORE_ERROR), BreakOff()]
    if asks_for_error(question):
        return [Say(texts.AFTER_RETRY)]
    if question.files:
        return [Think(texts.FILES_THOUGHT), Say(describe(question.files))]
    for words, tools, scene in _TOOL_SCENES:
        if _mentions(text, words) and tools <= question.tools.keys():
            return scene(question)
    if question.calls:
        return [Say(retell(question.calls[-1]))]
    if tool := _wanted(question.tools.values(), text):
        thought = texts.TOOL_THOUGHT.format(name=tool.name)
        return [Think(thought), Call(tool.name, _sample(tool.input_schema, text))]
    if _mentions(text, "draw|picture|image"):
        return [Think(texts.PICTURE_THOUGHT), Say(texts.PICTURE), lighthouse()]
    if _mentions(text, "long"):
        return [Think(texts.LONG_THOUGHT), Say(texts.long_answer())]
    if _mentions(text, "markdown|table|code|maths?"):
        return [Think(texts.MARKDOWN_THOUGHT), Say(texts.MARKDOWN)]
    quoted = "\n> ".join(text.strip().splitlines()) or "…"
    return [Think(texts.OTHER_THOUGHT), Say(texts.INTRODUCTION.format(question=quoted))]


def _mentions(text: str, words: str) -> bool:
    return re.search(rf"\b({words})\b", text, re.IGNORECASE) is not None


def _wanted(tools: Iterable[DeclaredTool], text: str) -> DeclaredTool | None:
    """The tool with a word of its name in the question ("get_weather": "…the weather in Rome")."""
    asked = set(re.findall(r"\w+", text.lower()))
    for tool in tools:
        # Words like "get" and "for" are in half of all names and questions.
        words = {word for word in re.split(r"[\W_]+", tool.name.lower()) if len(word) > 3}
        if words & asked:
            return tool
    return None


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
