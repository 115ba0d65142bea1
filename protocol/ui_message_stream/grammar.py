"""The grammar of a stream as data: the rules, and three tables of which chunk may follow which.

One table is for the stream as a whole, one for a block (text or reasoning) and one for a tool call.
Each cell is the next state, or the rule that the chunk breaks. `state.StreamState` walks them.

Source: `ai/src/ui/process-ui-message-stream.ts`, the conditions for automatic requests in
`last-assistant-message-is-complete-with-*.ts`, and what the reference server sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ui_message_stream.versions import ClientVersion

EVERY_RELEASE = "every release"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that a chunk can break."""

    name: str
    text: str
    #: the releases whose client throws; None: no client throws, but the result is wrong
    fatal: str | None = None


START_FIRST = Rule("start-first", "`start` comes first; only transient data may come before it")
START_ONCE = Rule(
    "start-once",
    "one `start` per response, before all that is shown: with a second id, the message is shown "
    "twice",
)
SAME_MESSAGE = Rule(
    "same-message",
    "a continuation has the id of the message it continues, or the message is shown twice",
)
IN_STEP = Rule("in-step", "content belongs between `start-step` and `finish-step`")
NO_STEP = Rule("no-step", "no step is open")
STEP_OPEN = Rule("step-open", "`finish-step` comes before the next `start-step` and `finish`")
PART_OPEN = Rule(
    "part-open",
    "text, reasoning and tool inputs end before their step, or the part stays in its streaming "
    "state",
)
AFTER_END = Rule("after-end", "nothing follows `finish`, `abort` and `error`")
REQUEST_LOOP = Rule(
    "request-loop",
    "the last visible step has only completed tool calls: a client that continues automatically "
    "repeats the request forever. End with a step that has text",
)
BLOCK_UNKNOWN = Rule("block-unknown", "no such block is open", EVERY_RELEASE)
BLOCK_LEFT_OPEN = Rule(
    "block-left-open",
    "the step of the block has finished: these clients no longer know the block",
    "5.x, 6.x, 7.x before 7.0.79",
)
BLOCK_TWICE = Rule("block-twice", "a block with this id is open: its first part would never end")
CALL_UNKNOWN = Rule("call-unknown", "the message has no such tool call", EVERY_RELEASE)
CALL_TWICE = Rule(
    "call-twice",
    "tool call ids are unique in a message, or the older part is lost; the input of a call that "
    "the user has decided on may be repeated, before the next step",
)
CALL_CHANGED = Rule(
    "call-changed",
    "a call keeps its name and its `dynamic` flag, or it is shown twice",
)
INPUT_MISSING = Rule("input-missing", "the tool call has no complete input yet")
INPUT_UNSTARTED = Rule(
    "input-unstarted", "the tool call did not begin with `tool-input-start`", EVERY_RELEASE
)
INPUT_DONE = Rule("input-done", "the tool call already has its complete input")
OUTPUT_DONE = Rule(
    "output-done",
    "the tool call already has its output, which would be overwritten; one that the continued "
    "message brought may be replaced, once",
)
OUTPUT_DYNAMIC = Rule(
    "output-dynamic",
    "an output has the `dynamic` flag of its call, or the client does not find the call",
    "5.x",
)
APPROVAL_TWICE = Rule("approval-twice", "approval ids are unique in a message")
APPROVAL_UNKNOWN = Rule(
    "approval-unknown", "the message has no such approval request", EVERY_RELEASE
)

#: Every rule by its name.
RULES: Mapping[str, Rule] = {v.name: v for v in list(globals().values()) if isinstance(v, Rule)}

State = Literal["before `start`", "between steps", "in a step", "after the end"]
BEFORE: State = "before `start`"
BETWEEN: State = "between steps"
STEP: State = "in a step"
ENDED: State = "after the end"

#: Row -> current state -> next state, or the broken rule. A row is a chunk type, or a group:
#:   content  text, reasoning, tool inputs, files, sources, custom
#:   outcome  tool outputs, approvals and repeated inputs, also of calls in earlier steps, as in a
#:            continuation
#:   data     data, metadata and steering messages, which belong to no step
#:   transient data  data that no client shows
STREAM: Mapping[str, Mapping[State, State | Rule]] = {
    "start": {BEFORE: BETWEEN, BETWEEN: START_ONCE, STEP: START_ONCE, ENDED: AFTER_END},
    "start-step": {BEFORE: START_FIRST, BETWEEN: STEP, STEP: STEP_OPEN, ENDED: AFTER_END},
    "content": {BEFORE: START_FIRST, BETWEEN: IN_STEP, STEP: STEP, ENDED: AFTER_END},
    "outcome": {BEFORE: START_FIRST, BETWEEN: BETWEEN, STEP: STEP, ENDED: AFTER_END},
    "data": {BEFORE: START_FIRST, BETWEEN: BETWEEN, STEP: STEP, ENDED: AFTER_END},
    "transient data": {BEFORE: BEFORE, BETWEEN: BETWEEN, STEP: STEP, ENDED: AFTER_END},
    "reset-step": {BEFORE: NO_STEP, BETWEEN: NO_STEP, STEP: STEP, ENDED: AFTER_END},
    "finish-step": {BEFORE: NO_STEP, BETWEEN: NO_STEP, STEP: BETWEEN, ENDED: AFTER_END},
    "finish": {BEFORE: START_FIRST, BETWEEN: ENDED, STEP: STEP_OPEN, ENDED: AFTER_END},
    "abort": {BEFORE: START_FIRST, BETWEEN: ENDED, STEP: ENDED, ENDED: AFTER_END},
    "error": {BEFORE: START_FIRST, BETWEEN: ENDED, STEP: ENDED, ENDED: AFTER_END},
}

BlockState = Literal["closed", "open", "left open"]

#: Event of a block -> current state -> next state, or the broken rule. A block is "left open" when
#: its step has finished before it.
BLOCK: Mapping[str, Mapping[BlockState, BlockState | Rule]] = {
    "start": {"closed": "open", "open": BLOCK_TWICE, "left open": BLOCK_TWICE},
    "delta": {"closed": BLOCK_UNKNOWN, "open": "open", "left open": BLOCK_LEFT_OPEN},
    "end": {"closed": BLOCK_UNKNOWN, "open": "closed", "left open": BLOCK_LEFT_OPEN},
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


def _output_row(state: CallState) -> Mapping[str, CallState | Rule]:
    return {
        "no call": CALL_UNKNOWN,
        "input-streaming": INPUT_MISSING,
        "input-available": state,
        # AI SDK 5 and 6 servers let an output follow the error.
        "input-error": state,
        "approval-requested": state,
        "approval-responded": state,
        "preliminary output": state,
        OTHERWISE: OUTPUT_DONE,
    }


#: Chunk type -> current state of the tool call -> next state, or the broken rule.
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
        # Some servers announce the call again that they run now. Clients update its part, if it is
        # in the last step.
        "approval-responded": "input-available",
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
    "tool-output-available": _output_row("output-available"),
    # It stands for `tool-input-error` before 5.0.7.
    "tool-output-error": {**_output_row("output-error"), "input-streaming": "output-error"},
    "tool-output-denied": _output_row("output-denied"),
}

#: States that an automatically continuing client counts as an output; the preliminary one in AI
#: SDK 5 only.
OUTPUTS = frozenset({"preliminary output", "output-available"})
#: States that such a client counts as completed. A denial reaches AI SDK 5 as an error.
COMPLETED = OUTPUTS | {"output-error", "input-error", "output-denied", "approval-responded"}
#: Before this release, such a client also continued after calls that the provider executed.
SKIPS_PROVIDER_EXECUTED_SINCE = ClientVersion(5, 0, 86)
#: Before this release, such a client also continued after an `error`.
ERROR_STOPS_SINCE = ClientVersion(5, 0, 31)
#: Before this release, a client forgot the open blocks at `finish-step`.
KEEPS_BLOCKS_SINCE = ClientVersion(7, 0, 79)
#: Before this release, a client searched only the dynamic, or only the static, calls.
FINDS_CALL_OF_OUTPUT_SINCE = ClientVersion(6)
