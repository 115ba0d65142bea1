"""Which chunk may follow which, as tables, and the state that walks them.

Three tables: the stream as a whole, a block (text or reasoning), a tool call. A cell holds the next
state, or the rule that the chunk breaks there. Sources: what the clients do with each chunk
(`ai/src/ui/process-ui-message-stream.ts`, its conditions for sending by itself in
`last-assistant-message-is-complete-with-*.ts`) and what the reference server sends.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from ui_message_stream.chunks import (
    Chunk,
    Data,
    Finish,
    MessageMetadata,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    ResetStep,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputError,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputDenied,
    ToolOutputError,
)
from ui_message_stream.messages import StepStartPart, ToolPart, UIMessage
from ui_message_stream.versions import Floor
from ui_message_stream.wire import UNSET

__all__ = [
    "BLOCK",
    "ERROR_STOPS_SINCE",
    "RULES",
    "SKIPS_PROVIDER_EXECUTED_SINCE",
    "STREAM",
    "TOOL",
    "Call",
    "Grammar",
    "IllegalChunk",
    "Rule",
    "shows",
]

#: The oldest release there is of this protocol.
EVERY = Floor(5, 0, 0)
#: Before, a page continued automatically after the calls that the provider ran, too.
SKIPS_PROVIDER_EXECUTED_SINCE = Floor(5, 0, 86)
#: Before, a page continued automatically after an `error`, too.
ERROR_STOPS_SINCE = Floor(5, 0, 31)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a chunk must not do."""

    name: str
    text: str
    #: the first release whose client throws; None: every client accepts it, and it does harm
    fatal_since: Floor | None = None


class IllegalChunk(ValueError):
    """A chunk that must not come here. The text names the state, the chunk and the rule."""

    def __init__(self, state: str, chunk: Chunk, rule: Rule) -> None:
        super().__init__(f"{_describe(chunk)} is illegal {state}: {rule.text} ({rule.name})")
        self.state = state
        self.chunk = chunk
        self.rule = rule


START_FIRST = Rule("start-first", "`start` comes first")
START_ONCE = Rule("start-once", "one `start` per response: another id shows the message twice")
SAME_MESSAGE = Rule(
    "same-message",
    "a continuation has the id of the message that it continues, else it shows twice",
)
IN_STEP = Rule("in-step", "content belongs between `start-step` and `finish-step`")
NO_STEP = Rule("no-step", "no step is open")
STEP_OPEN = Rule("step-open", "`finish-step` comes before the next `start-step` and `finish`")
PART_OPEN = Rule(
    "part-open",
    "text, reasoning and tool inputs end before their step does: before 7.0.79 "
    "clients throw on the next delta, and the part stays in its streaming state",
)
AFTER_END = Rule("after-end", "nothing follows `finish`, `abort` and `error`")
REQUEST_LOOP = Rule(
    "request-loop",
    "the last step that the page shows has only completed tool calls: a page that continues "
    "automatically sends the same request again and again. End with a step that has text",
)
BLOCK_UNKNOWN = Rule("block-unknown", "no such block is open", EVERY)
BLOCK_TWICE = Rule("block-twice", "a block of this id is open: its first part would never end")
CALL_UNKNOWN = Rule("call-unknown", "the message has no such tool call", EVERY)
CALL_TWICE = Rule("call-twice", "tool call ids are unique in a message: the older part is lost")
CALL_CHANGED = Rule(
    "call-changed",
    "a call keeps the name and the `dynamic` flag it began with: else it shows twice",
)
INPUT_MISSING = Rule("input-missing", "the tool call has no complete input yet")
INPUT_DONE = Rule("input-done", "the tool call's input is complete: it would stream again")
OUTPUT_DONE = Rule("output-done", "the tool call has its output: it would be overwritten")
APPROVAL_TWICE = Rule("approval-twice", "approval ids are unique in a message")
APPROVAL_UNKNOWN = Rule("approval-unknown", "the message has no such approval request", EVERY)

#: Every rule by its name.
RULES: Mapping[str, Rule] = {v.name: v for v in list(globals().values()) if isinstance(v, Rule)}

State = Literal["before `start`", "between steps", "in a step", "after the end"]
BEFORE: State = "before `start`"
BETWEEN: State = "between steps"
STEP: State = "in a step"
ENDED: State = "after the end"

#: Chunk -> where the stream is -> where it is then. Rows that are no chunk types:
#:   content  text, reasoning, tool inputs, files, sources, custom
#:   answer   tool outputs and approvals: for calls of earlier steps too, as a continuation does
#:   note     data, metadata, steering messages: they belong to no step
STREAM: Mapping[str, Mapping[State, State | Rule]] = {
    "start": {BEFORE: BETWEEN, BETWEEN: START_ONCE, STEP: START_ONCE, ENDED: AFTER_END},
    "start-step": {BEFORE: START_FIRST, BETWEEN: STEP, STEP: STEP_OPEN, ENDED: AFTER_END},
    "content": {BEFORE: START_FIRST, BETWEEN: IN_STEP, STEP: STEP, ENDED: AFTER_END},
    "answer": {BEFORE: START_FIRST, BETWEEN: BETWEEN, STEP: STEP, ENDED: AFTER_END},
    "note": {BEFORE: START_FIRST, BETWEEN: BETWEEN, STEP: STEP, ENDED: AFTER_END},
    "reset-step": {BEFORE: NO_STEP, BETWEEN: NO_STEP, STEP: STEP, ENDED: AFTER_END},
    "finish-step": {BEFORE: NO_STEP, BETWEEN: NO_STEP, STEP: BETWEEN, ENDED: AFTER_END},
    "finish": {BEFORE: START_FIRST, BETWEEN: ENDED, STEP: STEP_OPEN, ENDED: AFTER_END},
    "abort": {BEFORE: START_FIRST, BETWEEN: ENDED, STEP: ENDED, ENDED: AFTER_END},
    "error": {BEFORE: START_FIRST, BETWEEN: ENDED, STEP: ENDED, ENDED: AFTER_END},
}

#: What happens to a block -> whether it is open -> what it is then.
BLOCK: Mapping[str, Mapping[str, str | Rule]] = {
    "start": {"closed": "open", "open": BLOCK_TWICE},
    "delta": {"closed": BLOCK_UNKNOWN, "open": "open"},
    "end": {"closed": BLOCK_UNKNOWN, "open": "closed"},
}

CallState = Literal[
    "no call",
    "input-streaming",
    "input-available",
    "input-error",
    "approval-requested",
    "approval-responded",
    "preliminary output",
    "output-available",
    "output-error",
    "output-denied",
]
OTHERWISE = "otherwise"


def _output(done: CallState) -> Mapping[str, CallState | Rule]:
    return {
        "no call": CALL_UNKNOWN,
        "input-streaming": INPUT_MISSING,
        "input-available": done,
        # AI SDK 5 and 6 servers let an output follow the error.
        "input-error": done,
        "approval-requested": done,
        "approval-responded": done,
        "preliminary output": done,
        OTHERWISE: OUTPUT_DONE,
    }


#: Chunk type -> what the tool call is -> what it is then.
TOOL: Mapping[str, Mapping[str, CallState | Rule]] = {
    "tool-input-start": {"no call": "input-streaming", OTHERWISE: CALL_TWICE},
    "tool-input-delta": {
        "no call": CALL_UNKNOWN,
        "input-streaming": "input-streaming",
        OTHERWISE: INPUT_DONE,
    },
    "tool-input-available": {
        "no call": "input-available",
        "input-streaming": "input-available",
        OTHERWISE: CALL_TWICE,
    },
    "tool-input-error": {
        "no call": "input-error",
        "input-streaming": "input-error",
        OTHERWISE: CALL_TWICE,
    },
    "tool-approval-request": {
        "no call": CALL_UNKNOWN,
        "input-streaming": INPUT_MISSING,
        "input-available": "approval-requested",
        "approval-requested": APPROVAL_TWICE,
        "approval-responded": APPROVAL_TWICE,
        OTHERWISE: OUTPUT_DONE,
    },
    "tool-approval-response": {
        "no call": APPROVAL_UNKNOWN,
        "approval-requested": "approval-responded",
        OTHERWISE: APPROVAL_TWICE,
    },
    "tool-output-available": _output("output-available"),
    "tool-output-error": _output("output-error"),
    "tool-output-denied": _output("output-denied"),
}

_ROWS = {
    **{name: name for name in STREAM},
    **dict.fromkeys(["message-metadata", "steering-message"], "note"),
    **dict.fromkeys([name for name in TOOL if not name.startswith("tool-input-")], "answer"),
}
_GOALS: Mapping[str, CallState] = {
    name: next(cell for cell in row.values() if not isinstance(cell, Rule))
    for name, row in TOOL.items()
}
_BlockChunk = TextStart | TextDelta | TextEnd | ReasoningStart | ReasoningDelta | ReasoningEnd
_CallChunk = (
    ToolInputStart
    | ToolInputAvailable
    | ToolInputError
    | ToolApprovalRequest
    | ToolApprovalResponse
    | ToolOutputAvailable
    | ToolOutputError
    | ToolOutputDenied
)
_ToolChunk = _CallChunk | ToolInputDelta
_OUTPUTS = frozenset({"preliminary output", "output-available"})
#: What a page that continues automatically takes for done. `output-denied` reaches AI SDK 5 as an
#: error; a preliminary output is as good as a final one to AI SDK 5.
_SETTLED = _OUTPUTS | {"output-error", "input-error", "output-denied", "approval-responded"}


@dataclass(slots=True)
class Call:
    """A tool call of the message."""

    id: str
    name: str
    dynamic: bool
    provider_executed: bool = False
    state: CallState = "no call"


class Grammar:
    """Walks the tables. Every step takes constant time, whatever was sent before.

    `message` is the message that is continued: its tool calls may be answered, its ids are taken.
    `floor` is the oldest client release that reads the stream: whether it would continue
    automatically, and so again and again, depends on it.
    """

    def __init__(self, message: UIMessage | None = None, *, floor: Floor = EVERY) -> None:
        self.floor = floor
        self.state: State = BEFORE
        #: ids of the open blocks, in the order they were opened
        self.open_text: dict[str, None] = {}
        self.open_reasoning: dict[str, None] = {}
        #: the tool calls of this response whose input is not complete
        self.streaming: dict[str, Call] = {}
        self._message_id: str | None = None
        self._calls: dict[str, Call] = {}
        self._approvals: dict[str, Call] = {}
        #: calls after the last `start-step`
        self._step: list[Call] = []
        #: calls of the last step that the page shows: a new step shows with its first part
        self._shown = self._step
        if message is not None and message.role == "assistant":
            self._seed(message)

    def check(self, chunk: Chunk) -> None:
        """Takes the next chunk. Raises IllegalChunk, and then nothing has changed."""
        if isinstance(chunk, TextDelta) and chunk.id in self.open_text:
            return
        if isinstance(chunk, ToolInputDelta) and chunk.tool_call_id in self.streaming:
            return
        rule = self.broken_by(chunk)
        if rule is not None:
            raise IllegalChunk(self.state, chunk, rule)
        self.advance(chunk)

    def broken_by(self, chunk: Chunk) -> Rule | None:
        """The rule that the chunk would break here, or None. Changes nothing."""
        if self.state == ENDED:
            return AFTER_END
        return self._part_rule(chunk) or self._stream_rule(chunk)

    def advance(self, chunk: Chunk) -> None:
        """Takes the next chunk even if it is illegal, as a lenient client does."""
        self._advance_part(chunk)
        cell = STREAM[_row(chunk)][self.state]
        if not isinstance(cell, Rule):
            self.state = cell
        if isinstance(chunk, StartStep):
            self._step = []
        elif isinstance(chunk, ResetStep):
            self._reset()
        elif shows(chunk):
            self._shown = self._step

    @property
    def open_parts(self) -> bool:
        """Whether text, reasoning or a tool input of this response has not ended."""
        return bool(self.open_text or self.open_reasoning or self.streaming)

    def continues(self, last: Chunk | None = None) -> bool:
        """Whether a page that continues automatically would, if the stream ended here with `last`.

        If it would, it does so forever: the next answer's history is this one's.
        """
        calls = self._step if last is not None and shows(last) else self._shown
        own = [call for call in calls if not call.provider_executed]
        if _settled(own):
            return True
        if _settled(calls) and any(call.state == "approval-responded" for call in calls):
            return True
        if self.floor >= SKIPS_PROVIDER_EXECUTED_SINCE:
            return False
        # 5.0.0 and 5.0.1 did not look at dynamic calls, and at errors not before 5.0.31.
        static = [call for call in calls if not call.dynamic]
        return _settled(calls) or (bool(static) and all(call.state in _OUTPUTS for call in static))

    def _part_rule(self, chunk: Chunk) -> Rule | None:
        """The rule of a block, a tool call or an approval that the chunk breaks."""
        if isinstance(chunk, _BlockChunk):
            happens = chunk.type.rpartition("-")[2]
            return _rule(BLOCK[happens]["open" if chunk.id in self._open(chunk) else "closed"])
        if isinstance(chunk, _ToolChunk):
            call = self._call(chunk)
            row = TOOL[chunk.type]
            state = "no call" if call is None else call.state
            return _rule(row.get(state, row[OTHERWISE])) or self._call_rule(chunk, call)
        return None

    def _call_rule(self, chunk: _ToolChunk, call: Call | None) -> Rule | None:
        """The rule beyond the table that the chunk breaks."""
        if isinstance(chunk, ToolApprovalRequest) and chunk.approval_id in self._approvals:
            return APPROVAL_TWICE
        if isinstance(chunk, (ToolInputAvailable, ToolInputError)) and call is not None:
            same = chunk.tool_name == call.name and bool(chunk.dynamic) == call.dynamic
            return None if same else CALL_CHANGED
        return None

    def _stream_rule(self, chunk: Chunk) -> Rule | None:
        """The rule of the stream as a whole that the chunk breaks."""
        row = _row(chunk)
        if rule := _rule(STREAM[row][self.state]):
            return rule
        if isinstance(chunk, Start) and chunk.message_id and self._message_id:
            return SAME_MESSAGE if chunk.message_id != self._message_id else None
        if row in ("finish-step", "abort", "error") and self.open_parts:
            return PART_OPEN
        stops = row == "error" and self.floor >= ERROR_STOPS_SINCE
        if STREAM[row][self.state] == ENDED and not stops and self.continues(chunk):
            return REQUEST_LOOP
        return None

    def _advance_part(self, chunk: Chunk) -> None:
        if isinstance(chunk, (TextStart, ReasoningStart)):
            self._open(chunk)[chunk.id] = None
        elif isinstance(chunk, (TextEnd, ReasoningEnd)):
            self._open(chunk).pop(chunk.id, None)
        elif isinstance(chunk, _ToolChunk) and not isinstance(chunk, ToolInputDelta):
            self._advance_call(chunk)

    def _advance_call(self, chunk: _CallChunk) -> None:
        call = self._call(chunk)
        if isinstance(chunk, ToolInputStart) or (
            call is None and isinstance(chunk, (ToolInputAvailable, ToolInputError))
        ):
            call = Call(chunk.tool_call_id, chunk.tool_name, bool(chunk.dynamic))
            self._calls[call.id] = call
            self._step.append(call)
        if call is None:
            return
        call.state = _GOALS[chunk.type]
        if isinstance(chunk, ToolInputStart):
            self.streaming[call.id] = call
        else:
            self.streaming.pop(call.id, None)
        if isinstance(chunk, ToolOutputAvailable) and chunk.preliminary:
            call.state = "preliminary output"
        if isinstance(chunk, ToolApprovalRequest):
            self._approvals[chunk.approval_id] = call
        elif not isinstance(chunk, ToolOutputDenied) and chunk.provider_executed is not None:
            call.provider_executed = chunk.provider_executed

    def _reset(self) -> None:
        """Forgets the step's parts, as `reset-step` removes them."""
        self.open_text.clear()
        self.open_reasoning.clear()
        self.streaming.clear()
        gone = {call.id for call in self._step}
        self._step.clear()
        for call_id in gone:
            del self._calls[call_id]
        for approval_id in [a for a, call in self._approvals.items() if call.id in gone]:
            del self._approvals[approval_id]

    def _seed(self, message: UIMessage) -> None:
        self._message_id = message.id
        for part in message.parts:
            if isinstance(part, StepStartPart):
                self._step = self._shown = []
            elif isinstance(part, ToolPart):
                call = Call(part.tool_call_id, part.tool_name, part.dynamic, state=_seeded(part))
                call.provider_executed = bool(part.provider_executed)
                self._calls[call.id] = call
                self._step.append(call)
                if part.approval is not None:
                    self._approvals[part.approval.id] = call

    def _open(self, chunk: _BlockChunk) -> dict[str, None]:
        text = isinstance(chunk, (TextStart, TextDelta, TextEnd))
        return self.open_text if text else self.open_reasoning

    def _call(self, chunk: _ToolChunk) -> Call | None:
        if isinstance(chunk, ToolApprovalResponse):
            return self._approvals.get(chunk.approval_id)
        return self._calls.get(chunk.tool_call_id)


def _rule(cell: str | Rule) -> Rule | None:
    return cell if isinstance(cell, Rule) else None


def _row(chunk: Chunk) -> str:
    """The row of STREAM that a chunk belongs to."""
    return _ROWS.get(chunk.type) or ("note" if isinstance(chunk, Data) else "content")


def _settled(calls: Collection[Call]) -> bool:
    return bool(calls) and all(call.state in _SETTLED for call in calls)


def _seeded(part: ToolPart) -> CallState:
    if part.state == "input-streaming":
        # Left half by a stop: it can be answered, but its input goes on with no client before 7.
        return "input-available"
    if part.state == "output-available" and part.preliminary:
        return "preliminary output"
    return part.state


def shows(chunk: Chunk) -> bool:
    """Whether a client publishes the message when it reads the chunk."""
    if isinstance(chunk, Data):
        return not chunk.transient
    if isinstance(chunk, (MessageMetadata, Finish)):
        return chunk.message_metadata is not None and chunk.message_metadata is not UNSET
    return _row(chunk) in ("content", "answer", "note")


def _describe(chunk: Chunk) -> str:
    names = ("id", "tool_call_id", "approval_id")
    ids = [repr(value) for name in names if (value := getattr(chunk, name, None)) is not None]
    return " ".join([chunk.type, *ids])
