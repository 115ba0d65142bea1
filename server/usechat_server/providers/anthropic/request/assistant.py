"""The assistant's messages → the blocks that they came in, a turn for each model call."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ui_message_stream.messages import (
    CustomPart,
    Part,
    ReasoningPart,
    SteeringMessagePart,
    StepStartPart,
    TextPart,
    ToolPart,
    UIMessage,
)

from usechat_server.providers.anthropic.message_record import (
    ResponseRecord,
    calls_with_results,
    read_record,
)
from usechat_server.providers.anthropic.request.server_calls import server_call, server_result
from usechat_server.providers.anthropic.request.tool_blocks import CallIds, tool_result, tool_use
from usechat_server.tools import DeclaredTool

__all__ = ["Step", "steps"]

Content = list[dict[str, Any]]


def steps(
    message: UIMessage, ids: CallIds, tools: Mapping[str, DeclaredTool], *, newest: bool
) -> Iterator[Step]:
    """The model calls that a message consists of. `tools`, by name, say what the model is shown of
    their outputs.

    With the `newest` message, the provider may still be at work on calls of its own.
    """
    split = list(_split(message.parts))
    turns = _matching(split, list(read_record(message).turns.values()))
    calls = _Calls(ids, tools, calls_with_results(turn for turn in turns if turn), newest)
    for parts, turn in zip(split, turns, strict=True):
        yield Step(parts, turn, calls)


def _split(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """The parts of each model call, and each message that a person put in between by itself."""
    # Servers that mark no steps put an answer right behind the call that it is based on.
    marked = any(isinstance(part, StepStartPart) for part in parts)
    step: list[Part] = []
    for part in parts:
        answer = not marked and step and _is_answered(step[-1])
        if isinstance(part, StepStartPart | SteeringMessagePart) or (
            answer and isinstance(part, TextPart | ReasoningPart)
        ):
            yield step
            step = []
        step.append(part)
        if isinstance(part, SteeringMessagePart):
            yield step
            step = []
    yield step


def _is_answered(part: Part) -> bool:
    return isinstance(part, ToolPart) and not part.provider_executed


def _matching(split: list[list[Part]], kept: list[ResponseRecord]) -> list[ResponseRecord | None]:
    """What was kept of each step: it consists of the same parts. Those that are alike come in the
    same order; any other order is not relied on, since databases sort the keys of an object. A step
    that was cut has nothing kept, and an app may have changed what it likes."""
    alike: dict[tuple[_Holder, ...], deque[ResponseRecord]] = {}
    for turn in kept:
        alike.setdefault(_holders(turn), deque()).append(turn)
    made: list[ResponseRecord | None] = []
    for parts in split:
        held = tuple(_held_in(part) for part in parts if isinstance(part, _HOLDERS))
        turns = alike.get(held)
        made.append(turns.popleft() if turns else None)
    return made


_HOLDERS = (TextPart, ReasoningPart, ToolPart)
#: A kind of part, and of a call its id.
_Holder = tuple[str | None, str | None]


def _held_in(part: Part) -> _Holder:
    if isinstance(part, ToolPart):
        return "call", part.tool_call_id
    return "text" if isinstance(part, TextPart) else "reasoning", None


def _holders(turn: ResponseRecord) -> tuple[_Holder, ...]:
    return tuple(
        (place.part, place.id)
        for place in turn.places
        if place.part in ("text", "reasoning", "call")
    )


class _Calls:
    """The tool calls of a message."""

    def __init__(
        self, ids: CallIds, tools: Mapping[str, DeclaredTool], placed: set[str], newest: bool
    ) -> None:
        self._ids = ids
        self._tools = tools
        self._placed = placed
        self._newest = newest
        #: the provider's calls that are in the history, and whose results are not yet
        self._called: dict[str, ToolPart] = {}

    def by_app(self, part: ToolPart) -> tuple[dict[str, Any], dict[str, Any]]:
        """The call of a tool of the app or the page, and its result."""
        call_id = self._ids.take(part.tool_call_id)
        return (
            tool_use(part, call_id),
            tool_result(part, call_id, self._tools.get(part.tool_name)),
        )

    def by_provider(self, part: ToolPart, turn: ResponseRecord | None) -> Content:
        """The call of a provider's tool, with its result unless that has a place of its own."""
        call, result = server_call(part), server_result(part)
        pending = result is None and turn is not None and self._newest
        if call is None or (result is None and not pending):
            # Nobody but the provider can say what came of it.
            return []
        if result is not None and part.tool_call_id not in self._placed:
            return [call, result]
        self._called[part.tool_call_id] = part
        return [call]

    def result(self, call_id: str | None) -> dict[str, Any] | None:
        """The result of a provider's call."""
        part = self._called.pop(call_id or "", None)
        return None if part is None else server_result(part)


class Step:
    """One model call: what the assistant said, and what came of its tool calls."""

    def __init__(self, parts: list[Part], turn: ResponseRecord | None, calls: _Calls) -> None:
        #: a message of a person that stands here instead
        self.steering = next((p for p in parts if isinstance(p, SteeringMessagePart)), None)
        #: whether the provider goes on with it when it is called again
        self.paused = turn is not None and turn.paused
        self.content: Content = []
        #: of the calls of the app's and the page's tools
        self.results: Content = []
        self._calls = calls
        self._turn = turn
        if turn is None:
            for part in parts:
                if translate := _PARTS.get(type(part)):
                    translate(self, part, {})
        else:
            self._in_order(parts, turn)
        # Thinking that led to nothing (a stop came) is refused at the end.
        while not self.paused and self.content and self.content[-1]["type"] in _THINKING:
            self.content.pop()

    def _in_order(self, parts: list[Part], turn: ResponseRecord) -> None:
        held = [part for part in parts if isinstance(part, _HOLDERS)]
        waiting = iter(held)
        for place in turn.places:
            more = place.block or {}
            if place.part is None:
                self.content.append(more)
            elif place.part == "result":
                if (result := self._calls.result(place.id)) is not None:
                    self.content.append({**result, **more})
            else:
                part = next(waiting)
                _PARTS[type(part)](self, part, more)

    def text(self, part: TextPart, more: dict[str, Any]) -> None:
        known = (part.provider_metadata or {}).get("anthropic", {})
        if known.get("type") == "compaction":
            signature = known.get("signature")
            signed = {"signature": signature} if signature else {}
            block = {"type": "compaction", "content": part.text or None, **signed, **more}
            self.content.append(block)
        elif part.text.strip():
            citations = known.get("citations")
            cited = {"citations": citations} if isinstance(citations, list) and citations else {}
            self.content.append({"type": "text", "text": part.text, **cited, **more})

    def reasoning(self, part: ReasoningPart, _: dict[str, Any]) -> None:
        """Thinking goes back as it was signed or encrypted; unsigned, the API refuses it."""
        known = (part.provider_metadata or {}).get("anthropic", {})
        signature, redacted = known.get("signature"), known.get("redactedData")
        if isinstance(redacted, str) and redacted:
            self.content.append({"type": "redacted_thinking", "data": redacted})
        elif isinstance(signature, str) and signature:
            block = {"type": "thinking", "thinking": part.text, "signature": signature}
            self.content.append(block)

    def tool(self, part: ToolPart, _: dict[str, Any]) -> None:
        if part.provider_executed:
            self.content += self._calls.by_provider(part, self._turn)
            return
        call, result = self._calls.by_app(part)
        self.content.append(call)
        self.results.append(result)

    def custom(self, part: CustomPart, _: dict[str, Any]) -> None:
        """Where another model took over, as servers of AI SDK 7 tell it."""
        known = (part.provider_metadata or {}).get("anthropic", {})
        if part.kind == "anthropic.fallback" and {"from", "to"} <= known.keys():
            self.content.append({"type": "fallback", "from": known["from"], "to": known["to"]})


_THINKING = ("thinking", "redacted_thinking")

#: Part → what it adds to its step, with what no part holds. Parts that are not here never go to the
#: model.
_PARTS: Mapping[type[Part], Callable[[Step, Any, dict[str, Any]], None]] = {
    TextPart: Step.text,
    ReasoningPart: Step.reasoning,
    ToolPart: Step.tool,
    CustomPart: Step.custom,
}
