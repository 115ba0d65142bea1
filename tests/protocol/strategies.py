"""Hypothesis strategies for this protocol: JSON, chunks, legal logs, assistant messages.

`logs()` makes complete legal logs with every kind of chunk. A prefix of one is what a client has
read when the connection is cut. `logs(message)` continues a message and answers its open calls.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from ui_message_stream import chunks as c
from ui_message_stream.chunks import Chunk
from ui_message_stream.messages import ToolPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.schema import UNSET

__all__ = ["FOREIGN", "chunks_of", "json_values", "logs", "messages", "provider_metadata"]

#: Numbers that JavaScript reads and writes without loss.
_NUMBERS = st.one_of(st.integers(-(2**53) + 1, 2**53 - 1), st.floats(-1e15, 1e15))
#: Without the keys on which clients throw or which their merge leaves out.
_KEYS = st.text(max_size=4).filter(lambda key: key not in ("__proto__", "constructor", "prototype"))

json_values: SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), _NUMBERS, st.text(max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)),
    max_leaves=4,
)
_OBJECTS = st.dictionaries(_KEYS, json_values, max_size=3)
provider_metadata = st.dictionaries(st.sampled_from(["anthropic", "other"]), _OBJECTS, max_size=2)
_TEXTS = st.text(max_size=8)
_INDEX = st.integers(0, 99)
_CITATIONS = st.lists(
    st.builds(
        lambda url, text, start: {
            "source": {"type": "source", "sourceType": "url", "id": "s", "url": url},
            "citedText": text,
            "startIndex": start,
        },
        _TEXTS,
        _TEXTS,
        _INDEX,
    ),
    max_size=2,
)
_STEERING = st.lists(
    st.one_of(
        st.builds(lambda text: {"type": "text", "text": text}, _TEXTS),
        st.just({"type": "file", "mediaType": "image/png", "url": "data:,", "filename": "a.png"}),
    ),
    max_size=2,
)


def _optional(strategy: SearchStrategy[Any], absent: Any = None) -> SearchStrategy[Any]:
    return st.one_of(st.just(absent), strategy)


#: Field name -> values of optional fields. Required fields are in `_REQUIRED` or given by the log.
_OPTIONAL: dict[str, SearchStrategy[Any]] = {
    "extra": st.sampled_from([None] * 9 + [{"unknownKey": 1}]),
    "provider_metadata": _optional(provider_metadata),
    "tool_metadata": _optional(_OBJECTS),
    "title": _optional(_TEXTS),
    "filename": _optional(_TEXTS),
    "provider_executed": _optional(st.booleans()),
    "preliminary": _optional(st.booleans()),
    "input_encoding": _optional(st.sampled_from(["json", "text"])),
    "approval_descriptor": _optional(json_values, UNSET),
    "input_schema_input": _optional(json_values, UNSET),
    "reason": _optional(_TEXTS),
    "is_automatic": _optional(st.booleans()),
    "signature": _optional(_TEXTS),
    "citations": _optional(_CITATIONS),
    "message_metadata": _optional(_OBJECTS, UNSET),
    "finish_reason": _optional(
        st.sampled_from(["stop", "length", "content-filter", "tool-calls", "error", "other"])
    ),
}
_REQUIRED: dict[str, SearchStrategy[Any]] = {
    "delta": _TEXTS,
    "error_text": _TEXTS,
    "input": json_values,
    "output": json_values,
    "data": json_values,
    "approved": st.booleans(),
    "url": _TEXTS,
    "media_type": st.sampled_from(["image/png", "text/csv"]),
    "source_id": _TEXTS,
    "kind": st.just("anthropic.fallback"),
    "parts": _STEERING,
}
#: Chunk class -> its fields with other values.
_CLASS_FIELDS: dict[type[Chunk], dict[str, SearchStrategy[Any]]] = {
    c.SourceDocument: {"title": _TEXTS}
}


def chunks_of(cls: type[Chunk], **fixed: Any) -> SearchStrategy[Any]:
    """Return a strategy for chunks of a class: any sensible fields, except for the fixed ones."""
    return _fields_of(cls, frozenset(fixed)).map(lambda fields: cls(**fields, **fixed))


@cache
def _fields_of(cls: type[Chunk], without: frozenset[str]) -> SearchStrategy[dict[str, Any]]:
    known = {**_OPTIONAL, **_REQUIRED, **_CLASS_FIELDS.get(cls, {})}
    names = [name for name in cls.__struct_fields__ if name in known and name not in without]
    return st.fixed_dictionaries({name: known[name] for name in names})


@dataclass
class _Call:
    id: str
    name: str
    dynamic: bool | None
    state: str
    approval: str | None = None

    @property
    def identity(self) -> dict[str, Any]:
        return {"tool_call_id": self.id, "tool_name": self.name, "dynamic": self.dynamic}


@dataclass
class _Log:
    """Builds a log, and tracks what the next chunks can refer to."""

    draw: Callable[[SearchStrategy[Any]], Any]
    chunks: list[Chunk] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    reasonings: list[str] = field(default_factory=list)
    calls: list[_Call] = field(default_factory=list)
    #: how many of `calls` belong to earlier steps
    earlier_calls: int = 0
    #: distinguishes the ids of a continuation
    prefix: str = ""
    count: int = 0

    def add(self, cls: type[Chunk], **fixed: Any) -> None:
        fields = self.draw(_fields_of(cls, frozenset(fixed)))
        self.chunks.append(cls(**fields, **fixed))

    def pick(self, items: list[Any]) -> Any:
        return self.draw(st.sampled_from(items))

    def in_state(self, *states: str) -> list[_Call]:
        return [call for call in self.calls if call.state in states]

    def new_id(self, kind: str) -> str:
        self.count += 1
        return f"{self.prefix}{kind}-{self.count}"

    # Each action adds a chunk, or nothing if there is nothing to refer to.

    def text(self) -> None:
        self._block(self.texts, c.TextStart, c.TextDelta, c.TextEnd)

    def reasoning(self) -> None:
        self._block(self.reasonings, c.ReasoningStart, c.ReasoningDelta, c.ReasoningEnd)

    def _block(
        self, ids: list[str], start: type[Chunk], delta: type[Chunk], end: type[Chunk]
    ) -> None:
        free = [name for name in ("0", "1", "__proto__") if name not in ids]
        kind = self.pick([start] * bool(free) + [delta, delta, end] * bool(ids))
        if kind is start:
            block = self.pick(free)
            ids.append(block)
        else:
            block = self.pick(ids)
            if kind is end:
                ids.remove(block)
        self.add(kind, id=block)

    def begin_call(self) -> None:
        call = _Call(
            self.new_id("call"),
            self.pick(["weather", "mcp-search"]),
            self.pick([None, None, True]),
            "streaming",
        )
        if self.draw(st.booleans()):
            self.add(c.ToolInputStart, **call.identity)
        else:
            call.state = "available"
            self.add(c.ToolInputAvailable, **call.identity)
        self.calls.append(call)

    def stream_input(self) -> None:
        if not (calls := self.in_state("streaming")):
            return
        call = self.pick(calls)
        text = json.dumps(self.draw(json_values), ensure_ascii=self.draw(st.booleans()))
        if self.draw(st.integers(0, 9)) == 0:
            text = self.draw(st.text('{}[]",:\\u0012-.truefalsn \n', max_size=8))
        cut = self.draw(st.integers(0, len(text)))
        for piece in (text[:cut], text[cut:])[: self.draw(st.integers(1, 2))]:
            self.chunks.append(c.ToolInputDelta(tool_call_id=call.id, input_text_delta=piece))

    def end_input(self) -> None:
        if calls := self.in_state("streaming"):
            self._end_input(self.pick(calls))

    def _end_input(self, call: _Call) -> None:
        if self.draw(st.integers(0, 3)):
            call.state = "available"
            self.add(c.ToolInputAvailable, **call.identity)
        else:
            call.state = "done"
            self.add(c.ToolInputError, **call.identity)

    def request_approval(self) -> None:
        if calls := self.in_state("available"):
            call = self.pick(calls)
            call.state = "requested"
            call.approval = self.new_id("approval")
            self.add(c.ToolApprovalRequest, tool_call_id=call.id, approval_id=call.approval)

    def respond(self) -> None:
        if calls := self.in_state("requested"):
            call = self.pick(calls)
            call.state = "responded"
            self.add(c.ToolApprovalResponse, approval_id=call.approval)

    def output(self) -> None:
        if not (calls := self.in_state("available", "responded", "running")):
            return
        call = self.pick(calls)
        kinds = [c.ToolOutputAvailable, c.ToolOutputError]
        kind = self.pick(kinds if call.state == "running" else [*kinds, c.ToolOutputDenied])
        dynamic = {} if kind is c.ToolOutputDenied else {"dynamic": call.dynamic}
        self.add(kind, tool_call_id=call.id, **dynamic)
        call.state = "running" if getattr(self.chunks[-1], "preliminary", None) else "done"

    def add_part(self) -> None:
        kinds = [c.File, c.SourceUrl, c.SourceDocument, c.Custom, c.ReasoningFile]
        self.add(self.pick(kinds))

    def add_data(self) -> None:
        kind = self.pick([c.Data, c.Data, c.MessageMetadata, c.SteeringMessage])
        if kind is c.Data:
            part_id = self.draw(_optional(st.sampled_from(["a", "b"])))
            transient = self.draw(_optional(st.booleans()))
            self.add(c.Data, name=self.pick(["weather", "x"]), id=part_id, transient=transient)
        elif kind is c.MessageMetadata:
            self.add(kind, message_metadata=self.draw(_OBJECTS))
        else:
            self.add(kind, id=self.new_id("steering"))

    def reset_step(self) -> None:
        if self.draw(st.integers(0, 3)) == 0:
            self.chunks.append(c.ResetStep())
            self.texts.clear()
            self.reasonings.clear()
            del self.calls[self.earlier_calls :]

    def _actions(self) -> list[Callable[[], None]]:
        """Return the actions that can follow in a step, weighted by repetition."""
        actions = [self.text, self.text, self.reasoning, self.begin_call, self.begin_call]
        actions += [self.add_part, self.add_data, self.reset_step]
        if self.in_state("streaming"):
            actions += [self.stream_input] * 3 + [self.end_input] * 2
        if self.in_state("available", "responded", "running"):
            actions += [self.output] * 4
        if self.in_state("available"):
            actions += [self.request_approval] * 2
        if self.in_state("requested"):
            actions += [self.respond] * 3
        return actions

    def step(self, size: int) -> None:
        self.chunks.append(c.StartStep())
        self.earlier_calls = len(self.calls)
        for _ in range(size):
            self.pick(self._actions())()
        self.chunks += [c.TextEnd(id=block) for block in self.texts]
        self.chunks += [c.ReasoningEnd(id=block) for block in self.reasonings]
        self.texts.clear()
        self.reasonings.clear()
        for call in self.in_state("streaming"):
            self._end_input(call)
        self.chunks.append(c.FinishStep())

    def end(self) -> None:
        if self.calls:
            # A client that continues automatically must not do so after this.
            ends: list[Chunk] = [c.TextStart(id="end"), c.TextEnd(id="end")]
            self.chunks += [c.StartStep(), *ends, c.FinishStep()]
        self.add(self.pick([c.Finish, c.Finish, c.Abort, c.Error]))


@st.composite
def logs(
    draw: st.DrawFn, message: UIMessage | None = None, *, max_actions: int = 12
) -> list[Chunk]:
    """Draw a legal log, from `start` to its end; with `message`, a continuation of it."""
    log = _Log(draw)
    message_id = "message" if message is None else message.id
    log.add(c.Start, message_id=draw(st.sampled_from([message_id, None])))
    if message is not None:
        log.prefix = f"after-{len(message.parts)}-"
        log.calls = [_open_call(part) for part in message.parts if isinstance(part, ToolPart)]
        log.earlier_calls = 0
    for _ in range(draw(st.integers(0, 3))):
        draw(st.sampled_from([log.output, log.respond, log.add_data]))()
    for _ in range(draw(st.integers(0, 3))):
        log.step(draw(st.integers(0, max_actions)))
    log.end()
    return log.chunks


def _open_call(part: ToolPart) -> _Call:
    states = {
        "input-available": "available",
        "approval-requested": "requested",
        "approval-responded": "responded",
    }
    state = "running" if part.preliminary else states.get(part.state, "done")
    if state == "requested" and part.approval is None:
        state = "done"
    approval = part.approval.id if part.approval is not None else None
    return _Call(part.tool_call_id, part.tool_name, part.dynamic or None, state, approval)


@st.composite
def messages(draw: st.DrawFn, *, interrupted: bool = True) -> UIMessage:
    """Draw an assistant message as a client holds it, after a complete log or a cut one."""
    log = draw(logs())
    cut = draw(st.integers(1, len(log))) if interrupted else len(log)
    start = UIMessage(id="message", role="assistant", parts=[])
    return reduce(log[:cut], start)


#: A message with what other servers, older clients and newer releases write.
FOREIGN = UIMessage.from_object(
    {
        "id": "m",
        "role": "assistant",
        "metadata": None,
        "model": "an unknown key",
        "parts": [
            {"type": "data-weather", "data": None, "note": 1},
            {"type": "text", "text": "no step, no state"},
            {"type": "reasoning", "text": "", "providerMetadata": {"anthropic": {"redacted": 1}}},
            {"type": "hologram", "x": 1},
            {"type": "step-start"},
            {"type": "step-start"},
            {"type": "file", "url": "data:,", "mediaType": "text/csv", "filename": "a.csv"},
            {
                "type": "tool-a",
                "toolCallId": "1",
                "state": "input-streaming",
                "rawInput": '{"a',
                "input": {},
                "title": "A",
                "callProviderMetadata": {"anthropic": {"caller": "direct"}},
            },
            {
                "type": "dynamic-tool",
                "toolName": "b",
                "toolCallId": "2",
                "state": "output-error",
                "rawInput": "{",
                "errorText": "bad",
                "callProviderMetadata": {"anthropic": {"serverName": "s"}},
                "resultProviderMetadata": {"anthropic": {"is": "error"}},
            },
            {"type": "tool-a", "toolCallId": "3", "state": "approval-requested", "input": None},
            {"type": "tool-a", "toolCallId": "4", "state": "input-available"},
            {"type": "text", "text": "half", "state": "streaming"},
        ],
    }
)
