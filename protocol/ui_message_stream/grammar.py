"""The grammar as data: the rules, and three tables of which chunk may follow which.

The tables are for the stream as a whole, for a block (text or reasoning) and for a tool call. A
cell holds the next state, or the rule that the chunk breaks there. Sources: what the clients do
with each chunk (`ai/src/ui/process-ui-message-stream.ts`), their conditions for continuing by
themselves (`last-assistant-message-is-complete-with-*.ts`), and what the reference server sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ui_message_stream.versions import ClientVersion

EVERY_RELEASE = "every release"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a chunk must not do."""

    name: str
    text: str
    #: the releases whose client throws; None: every client accepts it, and it does harm
    fatal: str | None = None


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
    "text, reasoning and tool inputs end before their step does: else the part stays in its "
    "streaming state",
)
AFTER_END = Rule("after-end", "nothing follows `finish`, `abort` and `error`")
REQUEST_LOOP = Rule(
    "request-loop",
    "the last step that the page shows has only completed tool calls: a page that continues "
    "automatically sends the same request again and again. End with a step that has text",
)
BLOCK_UNKNOWN = Rule("block-unknown", "no such block is open", EVERY_RELEASE)
BLOCK_LEFT_OPEN = Rule(
    "block-left-open",
    "the step of the block has finished, and with it these clients forgot the block",
    "5.x, 6.x, 7.x before 7.0.79",
)
BLOCK_TWICE = Rule("block-twice", "a block of this id is open: its first part would never end")
CALL_UNKNOWN = Rule("call-unknown", "the message has no such tool call", EVERY_RELEASE)
CALL_TWICE = Rule("call-twice", "tool call ids are unique in a message: the older part is lost")
CALL_CHANGED = Rule(
    "call-changed",
    "a call keeps the name and the `dynamic` flag it began with: else it shows twice",
)
INPUT_MISSING = Rule("input-missing", "the tool call has no complete input yet")
INPUT_UNSTARTED = Rule(
    "input-unstarted", "the tool call did not begin with `tool-input-start`", EVERY_RELEASE
)
INPUT_DONE = Rule("input-done", "the tool call's input is complete: it would stream again")
OUTPUT_DONE = Rule("output-done", "the tool call has its output: it would be overwritten")
OUTPUT_DYNAMIC = Rule(
    "output-dynamic", "an output has the `dynamic` flag of its call, else it finds none", "5.x"
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

BlockState = Literal["closed", "open", "left open"]

#: What happens to a block -> what it is -> what it is then. Its step left it open if it finished
#: before the block did.
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
    # Before 5.0.7 there is no `tool-input-error`.
    "tool-output-error": {**_output("output-error"), "input-streaming": "output-error"},
    "tool-output-denied": _output("output-denied"),
}

#: What a page that continues automatically takes for an output; a preliminary one in AI SDK 5 only.
OUTPUTS = frozenset({"preliminary output", "output-available"})
#: What it takes for done. A denial reaches AI SDK 5 as an error.
SETTLED = OUTPUTS | {"output-error", "input-error", "output-denied", "approval-responded"}
#: Before, it continued after the calls that the provider ran, too.
SKIPS_PROVIDER_EXECUTED_SINCE = ClientVersion(5, 0, 86)
#: Before, it continued after an `error`, too.
ERROR_STOPS_SINCE = ClientVersion(5, 0, 31)
#: Before, `finish-step` made a client forget the blocks that were open.
KEEPS_BLOCKS_SINCE = ClientVersion(7, 0, 79)
#: Before, a client looked for it among the dynamic calls, or among the others.
OUTPUT_FINDS_ITS_CALL_SINCE = ClientVersion(6)
