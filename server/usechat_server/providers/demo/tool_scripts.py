"""What the demo model does with the demo's tools: it calls them, and tells what they brought."""

from __future__ import annotations

import re
from typing import Any

from ui_message_stream import json_codec
from ui_message_stream.messages import ToolPart

from usechat_server.providers.demo import texts
from usechat_server.providers.demo.question import Question
from usechat_server.providers.demo.script_events import Call, Say, ScriptEvent, Source, Think

__all__ = [
    "dice_scene",
    "library_scene",
    "plan_scene",
    "postcard_scene",
    "retell",
    "weather_scene",
]

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def dice_scene(question: Question) -> list[ScriptEvent]:
    """A tool whose output grows while it runs."""
    if question.step == 0:
        words = re.findall(r"\w+", question.text.lower())
        count = next((_NUMBERS.index(word) for word in words if word in _NUMBERS[1:]), 2)
        return [Think(texts.DICE_THOUGHT), Call("roll_dice", {"count": count, "sides": 6})]
    return [Say(_told(question, "roll_dice", texts.DICE))]


def weather_scene(question: Question) -> list[ScriptEvent]:
    """Calls side by side, of which one may fail."""
    if question.step == 0:
        cities = re.findall(r"(?<!^)\b[A-Z]\w+", question.text) or ["Lisbon"]
        calls = [Call("weather", {"city": city}) for city in cities[:4]]
        return [Think(texts.WEATHER_THOUGHT), *calls]
    rows = [_weather_row(call) for call in question.outputs("weather")]
    return [Say("\n".join([texts.WEATHER_TABLE, *rows]))]


def plan_scene(question: Question) -> list[ScriptEvent]:
    """Several steps: what the second one asks depends on what the first one brought."""
    match question.step:
        case 0:
            return [Think(texts.PLAN_THOUGHT), Call("weather", {"city": "Lisbon"})]
        case 1:
            dry = _facts(question.outputs("weather")).get("sky") == "sunny"
            said = texts.PLAN_SUNNY if dry else texts.PLAN_OTHERWISE
            return [Say(said), Call("look_up", {"query": "Lisbon on foot"})]
        case _:
            return [Say(texts.PLAN), *_cited(question, texts.PLAN_CITED)]


def library_scene(question: Question) -> list[ScriptEvent]:
    """A tool that tells of its progress, and an answer with its sources."""
    if question.step == 0:
        query = re.sub(r"(?i)^.*?\b(look up|search( for)?|cite)\b", "", question.text).strip(" .?!")
        return [Think(texts.LIBRARY_THOUGHT), Call("look_up", {"query": query or "tea"})]
    call = question.outputs("look_up")[-1]
    if call.state != "output-available":
        return [Say(retell(call))]
    return [Say(texts.LIBRARY), *_cited(question, texts.LIBRARY_CITED)]


def postcard_scene(question: Question) -> list[ScriptEvent]:
    """A call that a person has to allow."""
    if question.step == 0:
        to = next(iter(re.findall(r"\bto (\w+)", question.text)), "Ada")
        card = {"to": to, "text": texts.POSTCARD_TEXT}
        return [Think(texts.POSTCARD_THOUGHT), Say(texts.POSTCARD), Call("send_postcard", card)]
    call = question.outputs("send_postcard")[-1]
    if call.state == "output-available":
        return [Say(texts.POSTCARD_SENT)]
    reason = call.approval.reason if call.approval else None
    told = f" You said: “{reason}”." if reason else ""
    return [Say(texts.POSTCARD_DENIED + told)]


def retell(call: ToolPart) -> str:
    """A call's output in words."""
    if call.state != "output-available":
        return f"`{call.tool_name}` did not work: {call.error_text or 'it was not allowed.'}"
    output = call.output
    if not isinstance(output, dict):
        return f"`{call.tool_name}` says: **{_plain(output)}**"
    facts = [f"- {key}: **{_plain(value)}**" for key, value in output.items()]
    return "\n".join([f"`{call.tool_name}` answered:\n", *facts])


def _told(question: Question, tool: str, template: str) -> str:
    call = question.outputs(tool)[-1]
    if call.state != "output-available":
        return retell(call)
    facts = {name: _plain(value) for name, value in _facts([call]).items()}
    return template.format_map(facts)


def _facts(calls: list[ToolPart]) -> dict[str, Any]:
    output = calls[-1].output if calls else None
    return output if isinstance(output, dict) else {}


def _cited(question: Question, sentences: tuple[str, ...]) -> list[ScriptEvent]:
    """Sentences, each with the page it is from, as far as pages were found."""
    pages = question.outputs("look_up")[-1].output
    found = [Source(page["title"], page["url"]) for page in pages] if pages else []
    return [Say(said, source) for said, source in zip(sentences, found, strict=False)]


def _weather_row(call: ToolPart) -> str:
    asked = call.input.get("city", "?") if isinstance(call.input, dict) else "?"
    if call.state != "output-available":
        return f"| {asked} | – | {call.error_text} |"
    celsius, sky, wind = map(_facts([call]).get, ("celsius", "sky", "wind"))
    return f"| {asked} | {celsius}\N{NO-BREAK SPACE}°C | {sky}, wind: {wind} |"


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return value if isinstance(value, str) else json_codec.encode(value).decode()
