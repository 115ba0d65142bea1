"""The state that walks the tables of `rules`: what may come next, and what is still open."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ui_message_stream import chunks as c
from ui_message_stream import grammar as rules
from ui_message_stream.chunks import Chunk
from ui_message_stream.grammar import BLOCK, ENDED, STREAM, TOOL, BlockState, CallState, Rule, State
from ui_message_stream.messages import StepStartPart, ToolPart, UIMessage
from ui_message_stream.schema import UNSET
from ui_message_stream.versions import OLDEST_CLIENT_VERSION, ClientVersion, downgrade

__all__ = ["BlockChunk", "Call", "IllegalChunk", "StreamState", "shows", "subject"]


class IllegalChunk(ValueError):
    """A chunk that must not come here. The text names the state, the chunk and the rule."""

    def __init__(self, state: str, chunk: Chunk, rule: Rule) -> None:
        super().__init__(f"{subject(chunk)} is illegal {state}: {rule.text} ({rule.name})")
        self.state = state
        self.chunk = chunk
        self.rule = rule


#: Chunk type -> its row of STREAM; every other type is content, `data-NAME` a note.
_ROWS: Mapping[str, str] = {
    **{name: name for name in STREAM},
    **dict.fromkeys(["message-metadata", "steering-message"], "note"),
    **dict.fromkeys([name for name in TOOL if not name.startswith("tool-input-")], "answer"),
}
#: Rows that leave a step behind, and those that leave everything behind.
_CLOSING = ("start-step", "finish-step", "finish", "abort", "error")
_ENDING = ("finish", "abort", "error")
#: Chunk type -> what the tool call is after it, legal or not.
_GOALS: Mapping[str, CallState] = {
    name: next(cell for cell in row.values() if not isinstance(cell, Rule))
    for name, row in TOOL.items()
}

BlockChunk = (
    c.TextStart | c.TextDelta | c.TextEnd | c.ReasoningStart | c.ReasoningDelta | c.ReasoningEnd
)
_CallChunk = (
    c.ToolInputStart
    | c.ToolInputAvailable
    | c.ToolInputError
    | c.ToolApprovalRequest
    | c.ToolApprovalResponse
    | c.ToolOutputAvailable
    | c.ToolOutputError
    | c.ToolOutputDenied
)
_ToolChunk = _CallChunk | c.ToolInputDelta


@dataclass(slots=True)
class Call:
    """A tool call of the message."""

    id: str
    name: str
    dynamic: bool
    provider_executed: bool = False
    state: CallState = "no call"
    #: whether its input came in deltas
    streamed: bool = False


class StreamState:
    """What may come next. Every chunk takes constant time, whatever was sent before.

    `message` is the message that is continued: its tool calls may be answered, its ids are taken.
    `client_version` is the oldest client release that reads the stream: whether a page would
    continue
    automatically after the end, and so again and again, depends on it.
    """

    def __init__(
        self,
        message: UIMessage | None = None,
        *,
        client_version: ClientVersion = OLDEST_CLIENT_VERSION,
    ) -> None:
        self.client_version = client_version
        self.state: State = rules.BEFORE
        #: ids of the open blocks, in the order they were opened
        self.open_text: dict[str, BlockState] = {}
        self.open_reasoning: dict[str, BlockState] = {}
        #: the tool calls of this response whose input is not complete
        self.open_inputs: dict[str, Call] = {}
        #: every tool call of the message
        self.calls: dict[str, Call] = {}
        self._message_id: str | None = None
        self._approvals: dict[str, Call] = {}
        #: calls after the last `start-step`
        self._step: list[Call] = []
        #: calls of the last step that the page shows: a new step shows with its first part
        self._shown = self._step
        if message is not None and message.role == "assistant":
            self._seed(message)

    def check(self, chunk: Chunk) -> None:
        """Takes the next chunk. Raises IllegalChunk, and then nothing has changed."""
        if isinstance(chunk, c.TextDelta) and chunk.id in self.open_text:
            return
        if isinstance(chunk, c.ToolInputDelta) and chunk.tool_call_id in self.open_inputs:
            return
        for rule in self.broken_by(chunk):
            raise IllegalChunk(self.state, chunk, rule)
        self.advance(chunk)

    def broken_by(self, chunk: Chunk) -> Iterator[Rule]:
        """The rules that the chunk would break here. Changes nothing."""
        if self.state == ENDED:
            yield rules.AFTER_END
            return
        if rule := self._part_rule(chunk):
            yield rule
        row = _row(chunk)
        if rule := _rule(STREAM[row][self.state]):
            yield rule
        if isinstance(chunk, c.Start) and chunk.message_id and self._message_id:
            if chunk.message_id != self._message_id:
                yield rules.SAME_MESSAGE
        elif row in _CLOSING and self.open_parts:
            yield rules.PART_OPEN
        stops = row == "error" and self.client_version >= rules.ERROR_STOPS_SINCE
        if row in _ENDING and not stops and self.continues(chunk):
            yield rules.REQUEST_LOOP

    def advance(self, chunk: Chunk) -> None:
        """Takes the next chunk even if it is illegal, as a lenient client does."""
        if isinstance(chunk, (c.TextStart, c.ReasoningStart)):
            self._open(chunk)[chunk.id] = "open"
        elif isinstance(chunk, (c.TextEnd, c.ReasoningEnd)):
            self._open(chunk).pop(chunk.id, None)
        elif isinstance(chunk, _CallChunk):
            self._advance_call(chunk)
        elif isinstance(chunk, c.StartStep):
            self._step = []
        elif isinstance(chunk, c.FinishStep) and self.client_version < rules.KEEPS_BLOCKS_SINCE:
            for blocks in (self.open_text, self.open_reasoning):
                blocks.update(dict.fromkeys(blocks, "left open"))
        elif isinstance(chunk, c.ResetStep):
            self._reset()
        if shows(chunk) and downgrade(chunk, self.client_version) is not None:
            self._shown = self._step
        row = STREAM[_row(chunk)]
        cell = row[self.state]
        if not isinstance(cell, Rule):
            self.state = cell
        elif self.state != ENDED and not isinstance(chunk, c.Start):
            # As if what is missing had come before.
            self.state = next(cell for cell in row.values() if not isinstance(cell, Rule))

    @property
    def open_parts(self) -> bool:
        """Whether text, reasoning or a tool input of this response has not ended."""
        return bool(self.open_text or self.open_reasoning or self.open_inputs)

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
        if self.client_version >= rules.SKIPS_PROVIDER_EXECUTED_SINCE:
            return False
        # 5.0.0 and 5.0.1 looked at static calls only, and took no error for an output.
        static = [call.state in rules.OUTPUTS for call in calls if not call.dynamic]
        return _settled(calls) or (bool(static) and all(static))

    def _part_rule(self, chunk: Chunk) -> Rule | None:
        """The rule of a block, a tool call or an approval that the chunk breaks."""
        if isinstance(chunk, BlockChunk):
            happens = chunk.type.rpartition("-")[2]
            return _rule(BLOCK[happens][self._open(chunk).get(chunk.id, "closed")])
        if not isinstance(chunk, _ToolChunk):
            return None
        call = self._call(chunk)
        row = TOOL[chunk.type]
        if isinstance(chunk, c.ToolInputDelta) and call is not None and not call.streamed:
            return rules.INPUT_UNSTARTED
        if rule := _rule(row.get(call.state if call else "no call", row[rules.OTHERWISE])):
            return rule
        if isinstance(chunk, c.ToolApprovalRequest) and chunk.approval_id in self._approvals:
            return rules.APPROVAL_TWICE
        if isinstance(chunk, (c.ToolInputAvailable, c.ToolInputError)) and call is not None:
            same = chunk.tool_name == call.name and bool(chunk.dynamic) == call.dynamic
            return None if same else rules.CALL_CHANGED
        if isinstance(chunk, c.ToolOutputAvailable | c.ToolOutputError) and call is not None:
            finds = bool(chunk.dynamic) == call.dynamic
            if not finds and self.client_version < rules.OUTPUT_FINDS_ITS_CALL_SINCE:
                return rules.OUTPUT_DYNAMIC
        return None

    def _advance_call(self, chunk: _CallChunk) -> None:
        call = self._call(chunk)
        if isinstance(chunk, (c.ToolInputStart, c.ToolInputAvailable, c.ToolInputError)) and (
            call is None or isinstance(chunk, c.ToolInputStart)
        ):
            call = Call(chunk.tool_call_id, chunk.tool_name, bool(chunk.dynamic))
            self.calls[call.id] = call
            self._step.append(call)
        if call is None:
            return
        call.state = _GOALS[chunk.type]
        if isinstance(chunk, c.ToolInputStart):
            call.streamed = True
            self.open_inputs[call.id] = call
        else:
            self.open_inputs.pop(call.id, None)
        if isinstance(chunk, c.ToolOutputAvailable) and chunk.preliminary:
            call.state = "preliminary output"
        if isinstance(chunk, c.ToolApprovalRequest):
            self._approvals[chunk.approval_id] = call
        elif not isinstance(chunk, c.ToolOutputDenied) and chunk.provider_executed is not None:
            call.provider_executed = chunk.provider_executed

    def _reset(self) -> None:
        """Forgets the step's parts, as `reset-step` removes them."""
        self.open_text.clear()
        self.open_reasoning.clear()
        self.open_inputs.clear()
        gone = {call.id for call in self._step}
        self._step.clear()
        for call_id in gone:
            del self.calls[call_id]
        for approval_id in [a for a, call in self._approvals.items() if call.id in gone]:
            del self._approvals[approval_id]

    def _seed(self, message: UIMessage) -> None:
        self._message_id = message.id
        for part in message.parts:
            if isinstance(part, StepStartPart):
                self._step = self._shown = []
            elif isinstance(part, ToolPart):
                run_by_provider = bool(part.provider_executed)
                state = _seeded(part)
                call = Call(part.tool_call_id, part.tool_name, part.dynamic, run_by_provider, state)
                self.calls[call.id] = call
                self._step.append(call)
                if part.approval is not None:
                    self._approvals[part.approval.id] = call

    def _open(self, chunk: BlockChunk) -> dict[str, BlockState]:
        text = isinstance(chunk, (c.TextStart, c.TextDelta, c.TextEnd))
        return self.open_text if text else self.open_reasoning

    def _call(self, chunk: _ToolChunk) -> Call | None:
        if isinstance(chunk, c.ToolApprovalResponse):
            return self._approvals.get(chunk.approval_id)
        return self.calls.get(chunk.tool_call_id)


def shows(chunk: Chunk) -> bool:
    """Whether a client publishes the message when it reads the chunk."""
    if isinstance(chunk, c.Data):
        return not chunk.transient
    if isinstance(chunk, (c.MessageMetadata, c.Finish)):
        return chunk.message_metadata is not None and chunk.message_metadata is not UNSET
    return _row(chunk) in ("content", "answer", "note")


def subject(chunk: Chunk) -> str:
    """The chunk's type and ids, for an error's text."""
    names = ("id", "tool_call_id", "approval_id")
    ids = [repr(value) for name in names if (value := getattr(chunk, name, None)) is not None]
    return " ".join([chunk.type, *ids])


def _row(chunk: Chunk) -> str:
    return _ROWS.get(chunk.type) or ("note" if isinstance(chunk, c.Data) else "content")


def _rule(cell: str | Rule) -> Rule | None:
    return cell if isinstance(cell, Rule) else None


def _settled(calls: Collection[Call]) -> bool:
    return bool(calls) and all(call.state in rules.SETTLED for call in calls)


def _seeded(part: ToolPart) -> CallState:
    if part.state == "input-streaming":
        # Left half by a stop. It can be answered, but before AI SDK 7 its input cannot go on.
        return "input-available"
    if part.state == "output-available" and part.preliminary:
        return "preliminary output"
    return part.state
