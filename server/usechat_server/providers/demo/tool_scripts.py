"""Scripts with the demo's tools: call them, then describe their results."""

from __future__ import annotations

import re
from typing import Any

from ui_message_stream import json_codec
from ui_message_stream.messages import ToolPart

from usechat_server.providers.demo import texts
from usechat_server.providers.demo.question import Question
from usechat_server.providers.demo.script_events import CallTool, Say, ScriptEvent, Source, Think

__all__ = [
    "describe_result",
    "dice_script",
    "library_script",
    "plan_script",
    "postcard_script",
    "weather_script",
]

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def dice_script(question: Question) -> list[ScriptEvent]:
    """A tool that streams its output."""
    if question.step == 0:
        words = re.findall(r"\w+", question.text.lower())
        count = next((_NUMBERS.index(word) for word in words if word in _NUMBERS[1:]), 2)
        return [Think(texts.DICE_THOUGHT), CallTool("roll_dice", {"count": count, "sides": 6})]
    call = question.calls_of("roll_dice")[-1]
    if call.state != "output-available":
        return [Say(describe_result(call))]
    fields = {name: _plain_text(value) for name, value in _output_fields(call).items()}
    return [Say(texts.DICE.format_map(fields))]


def weather_script(question: Question) -> list[ScriptEvent]:
    """Parallel calls, one of which may fail."""
    if question.step == 0:
        cities = re.findall(r"(?<!^)\b[A-Z]\w+", question.text) or ["Lisbon"]
        calls = [CallTool("weather", {"city": city}) for city in cities[:4]]
        return [Think(texts.WEATHER_THOUGHT), *calls]
    rows = [_weather_row(call) for call in question.calls_of("weather")]
    return [Say("\n".join([texts.WEATHER_TABLE, *rows]))]


def plan_script(question: Question) -> list[ScriptEvent]:
    """Several steps: the second call depends on the result of the first."""
    match question.step:
        case 0:
            return [Think(texts.PLAN_THOUGHT), CallTool("weather", {"city": "Lisbon"})]
        case 1:
            calls = question.calls_of("weather")
            is_sunny = bool(calls) and _output_fields(calls[-1]).get("sky") == "sunny"
            text = texts.PLAN_SUNNY if is_sunny else texts.PLAN_OTHERWISE
            return [Say(text), CallTool("look_up", {"query": "Lisbon on foot"})]
        case _:
            return [Say(texts.PLAN), *_cited_sentences(question, texts.PLAN_CITED)]


def library_script(question: Question) -> list[ScriptEvent]:
    """A tool that reports progress, and a text with citations."""
    if question.step == 0:
        query = re.sub(r"(?i)^.*?\b(look up|search( for)?|cite)\b", "", question.text).strip(" .?!")
        return [Think(texts.LIBRARY_THOUGHT), CallTool("look_up", {"query": query or "tea"})]
    call = question.calls_of("look_up")[-1]
    if call.state != "output-available":
        return [Say(describe_result(call))]
    return [Say(texts.LIBRARY), *_cited_sentences(question, texts.LIBRARY_CITED)]


def postcard_script(question: Question) -> list[ScriptEvent]:
    """A call that needs the user's approval."""
    if question.step == 0:
        to = next(iter(re.findall(r"\bto (\w+)", question.text)), "Ada")
        postcard = CallTool("send_postcard", {"to": to, "text": texts.POSTCARD_TEXT})
        return [Think(texts.POSTCARD_THOUGHT), Say(texts.POSTCARD), postcard]
    call = question.calls_of("send_postcard")[-1]
    if call.state == "output-available":
        return [Say(texts.POSTCARD_SENT)]
    reason = call.approval.reason if call.approval else None
    quote = f" You said: “{reason}”." if reason else ""
    return [Say(texts.POSTCARD_DENIED + quote)]


def describe_result(call: ToolPart) -> str:
    """Return the result of a tool call as Markdown."""
    if call.state != "output-available":
        return f"`{call.tool_name}` failed: {call.error_text or 'it was not approved.'}"
    output = call.output
    if not isinstance(output, dict):
        return f"`{call.tool_name}` returned **{_plain_text(output)}**."
    items = [f"- {key}: **{_plain_text(value)}**" for key, value in output.items()]
    return "\n".join([f"`{call.tool_name}` returned:\n", *items])


def _output_fields(call: ToolPart) -> dict[str, Any]:
    return call.output if isinstance(call.output, dict) else {}


def _cited_sentences(question: Question, sentences: tuple[str, ...]) -> list[ScriptEvent]:
    """Return the sentences, each citing a page of the library, as far as there are pages."""
    pages = question.calls_of("look_up")[-1].output
    sources = [Source(page["title"], page["url"]) for page in pages] if pages else []
    return [Say(sentence, source) for sentence, source in zip(sentences, sources, strict=False)]


def _weather_row(call: ToolPart) -> str:
    city = call.input.get("city", "?") if isinstance(call.input, dict) else "?"
    if call.state != "output-available":
        return f"| {city} | – | {call.error_text} |"
    celsius, sky, wind = map(_output_fields(call).get, ("celsius", "sky", "wind"))
    return f"| {city} | {celsius}\N{NO-BREAK SPACE}°C | {sky}, wind: {wind} |"


def _plain_text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain_text, value))
    return value if isinstance(value, str) else json_codec.encode(value).decode()
