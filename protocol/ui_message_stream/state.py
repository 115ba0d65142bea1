"""The state of a stream, which walks the tables of `grammar`: what may follow, what is open."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from ui_message_stream import chunks as c
from ui_message_stream import grammar
from ui_message_stream.chunks import Chunk
from ui_message_stream.grammar import BLOCK, ENDED, STREAM, TOOL, BlockState, CallState, Rule, State
from ui_message_stream.messages import StepStartPart, ToolPart, UIMessage
from ui_message_stream.schema import UNSET
from ui_message_stream.versions import OLDEST_CLIENT_VERSION, ClientVersion, downgrade

__all__ = ["BlockChunk", "Call", "IllegalChunk", "StreamState", "is_visible", "label"]


class IllegalChunk(ValueError):
    """A chunk that must not come here. The text names the chunk, the state and the rule.

    Attributes:
        state: The state of the stream, such as "in a step".
        chunk: The chunk.
        rule: The rule that it breaks.
    """

    def __init__(self, state: str, chunk: Chunk, rule: Rule) -> None:
        super().__init__(f"{label(chunk)} is illegal {state}: {rule.text} ({rule.name})")
        self.state = state
        self.chunk = chunk
        self.rule = rule


#: Chunk type -> its row of STREAM. Every other type is content, `data-NAME` is data.
_STREAM_ROWS: Mapping[str, str] = {
    **{name: name for name in STREAM},
    **dict.fromkeys(["message-metadata", "steering-message"], "data"),
    **dict.fromkeys([name for name in TOOL if not name.startswith("tool-input-")], "outcome"),
}
#: Rows before which every open part must have ended, and those that end the stream.
_STEP_ENDS = ("start-step", "finish-step", "finish", "abort", "error")
_STREAM_ENDS = ("finish", "abort", "error")
#: Chunk type -> the state of the tool call after it, even if the chunk was illegal.
_CALL_STATE_AFTER: Mapping[str, CallState] = {
    name: next(cell for cell in row.values() if not isinstance(cell, Rule))
    for name, row in TOOL.items()
}

_OUTPUT_CHUNKS = (c.ToolOutputAvailable, c.ToolOutputError)

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
    #: whether its input is sent in deltas
    streamed: bool = False
    #: whether its output came with the continued message: the client may have added it
    has_earlier_output: bool = False


class StreamState:
    """What may follow in a stream. Each chunk takes constant time, however long the stream is.

    Args:
        message: The assistant message that the stream continues, if any: its tool calls can get
            outputs, its ids are in use.
        client_version: The oldest client that reads the stream. It decides after which streams a
            client that continues automatically would repeat the request.
    """

    def __init__(
        self,
        message: UIMessage | None = None,
        *,
        client_version: ClientVersion = OLDEST_CLIENT_VERSION,
    ) -> None:
        self.client_version = client_version
        self.state: State = grammar.BEFORE
        #: ids of the open blocks, in the order in which they were opened
        self.open_text: dict[str, BlockState] = {}
        self.open_reasoning: dict[str, BlockState] = {}
        #: the tool calls of this response with incomplete input
        self.open_inputs: dict[str, Call] = {}
        #: every tool call of the message
        self.calls: dict[str, Call] = {}
        self._message_id: str | None = None
        self._approvals: dict[str, Call] = {}
        #: tool calls after the last `start-step`
        self._step_calls: list[Call] = []
        #: tool calls of the last visible step: a step becomes visible with its first part
        self._visible_calls = self._step_calls
        if message is not None and message.role == "assistant":
            self._load(message)

    def check(self, chunk: Chunk) -> None:
        """Take the next chunk.

        Raises:
            IllegalChunk: The chunk must not come here; the state has not changed.
        """
        if isinstance(chunk, c.TextDelta) and chunk.id in self.open_text:
            return
        if isinstance(chunk, c.ToolInputDelta) and chunk.tool_call_id in self.open_inputs:
            return
        for rule in self.broken_by(chunk):
            raise IllegalChunk(self.state, chunk, rule)
        self.advance(chunk)

    def broken_by(self, chunk: Chunk) -> Iterator[Rule]:
        """Yield the rules that the chunk would break here; the state does not change."""
        if self.state == ENDED:
            yield grammar.AFTER_END
            return
        if rule := self._broken_part_rule(chunk):
            yield rule
        row = self._row_of(chunk)
        if rule := _rule_in(STREAM[row][self.state]):
            yield rule
        if isinstance(chunk, c.Start) and chunk.message_id and self._message_id:
            if chunk.message_id != self._message_id:
                yield grammar.SAME_MESSAGE
        elif row in _STEP_ENDS and self.open_parts:
            yield grammar.PART_OPEN
        stops = row == "error" and self.client_version >= grammar.ERROR_STOPS_SINCE
        if row in _STREAM_ENDS and not stops and self.would_continue(chunk):
            yield grammar.REQUEST_LOOP

    def advance(self, chunk: Chunk) -> None:
        """Take the next chunk even if it is illegal, as a lenient client does."""
        row = STREAM[self._row_of(chunk)]
        if isinstance(chunk, (c.TextStart, c.ReasoningStart)):
            self._open_blocks(chunk)[chunk.id] = "open"
        elif isinstance(chunk, (c.TextEnd, c.ReasoningEnd)):
            self._open_blocks(chunk).pop(chunk.id, None)
        elif isinstance(chunk, _CallChunk):
            self._advance_call(chunk)
        elif isinstance(chunk, c.StartStep):
            self._step_calls = []
        elif isinstance(chunk, c.FinishStep) and self.client_version < grammar.KEEPS_BLOCKS_SINCE:
            for blocks in (self.open_text, self.open_reasoning):
                blocks.update(dict.fromkeys(blocks, "left open"))
        elif isinstance(chunk, c.ResetStep):
            self._reset_step()
        if is_visible(chunk) and downgrade(chunk, self.client_version) is not None:
            self._visible_calls = self._step_calls
        cell = row[self.state]
        if not isinstance(cell, Rule):
            self.state = cell
        elif self.state != ENDED and not isinstance(chunk, c.Start):
            # As if the missing chunks had come before.
            self.state = next(cell for cell in row.values() if not isinstance(cell, Rule))

    @property
    def open_parts(self) -> bool:
        """Whether text, reasoning or a tool input of this response is still open."""
        return bool(self.open_text or self.open_reasoning or self.open_inputs)

    def would_continue(self, last: Chunk | None = None) -> bool:
        """Whether a client that continues automatically would do so if the stream ended here.

        It would then repeat the request forever, since the next request is the same as this one.

        Args:
            last: The chunk that would end the stream, if it is not yet taken.
        """
        calls = self._step_calls if last is not None and is_visible(last) else self._visible_calls
        if _all_completed([call for call in calls if not call.provider_executed]):
            return True
        if _all_completed(calls) and any(call.state == "approval-responded" for call in calls):
            return True
        if self.client_version >= grammar.SKIPS_PROVIDER_EXECUTED_SINCE:
            return False
        # 5.0.0 and 5.0.1 check static calls only, and do not count an error as an output.
        static = [call.state in grammar.OUTPUTS for call in calls if not call.dynamic]
        return _all_completed(calls) or (bool(static) and all(static))

    def _broken_part_rule(self, chunk: Chunk) -> Rule | None:
        """Return the rule of a block, a tool call or an approval that the chunk breaks."""
        if isinstance(chunk, BlockChunk):
            event = chunk.type.rpartition("-")[2]
            return _rule_in(BLOCK[event][self._open_blocks(chunk).get(chunk.id, "closed")])
        if not isinstance(chunk, _ToolChunk):
            return None
        call = self._find_call(chunk)
        row = TOOL[chunk.type]
        if isinstance(chunk, c.ToolInputDelta) and call is not None and not call.streamed:
            return grammar.INPUT_UNSTARTED
        rule = _rule_in(row.get(call.state if call else "no call", row[grammar.OTHERWISE]))
        if isinstance(chunk, _OUTPUT_CHUNKS) and call is not None and call.has_earlier_output:
            rule = None  # such as the user's consent, which the tool's own output replaces
        if rule is not None:
            return rule
        if self._repeats_input(chunk) and not any(each is call for each in self._step_calls):
            return grammar.CALL_TWICE
        if isinstance(chunk, c.ToolApprovalRequest) and chunk.approval_id in self._approvals:
            return grammar.APPROVAL_TWICE
        if isinstance(chunk, (c.ToolInputAvailable, c.ToolInputError)) and call is not None:
            same = chunk.tool_name == call.name and bool(chunk.dynamic) == call.dynamic
            return None if same else grammar.CALL_CHANGED
        if isinstance(chunk, _OUTPUT_CHUNKS) and call is not None:
            same_flag = bool(chunk.dynamic) == call.dynamic
            if not same_flag and self.client_version < grammar.FINDS_CALL_OF_OUTPUT_SINCE:
                return grammar.OUTPUT_DYNAMIC
        return None

    def _row_of(self, chunk: Chunk) -> str:
        return "outcome" if self._repeats_input(chunk) else _row_of(chunk)

    def _repeats_input(self, chunk: Chunk) -> bool:
        """Whether the chunk is the input of a call that the user has decided on, once more."""
        if not isinstance(chunk, c.ToolInputAvailable):
            return False
        call = self.calls.get(chunk.tool_call_id)
        return call is not None and call.state == "approval-responded"

    def _advance_call(self, chunk: _CallChunk) -> None:
        call = self._find_call(chunk)
        if isinstance(chunk, (c.ToolInputStart, c.ToolInputAvailable, c.ToolInputError)) and (
            call is None or isinstance(chunk, c.ToolInputStart)
        ):
            call = Call(chunk.tool_call_id, chunk.tool_name, bool(chunk.dynamic))
            self.calls[call.id] = call
            self._step_calls.append(call)
        if call is None:
            return
        call.state = _CALL_STATE_AFTER[chunk.type]
        call.has_earlier_output = False
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

    def _reset_step(self) -> None:
        """Forget the parts of the step, which `reset-step` removes."""
        self.open_text.clear()
        self.open_reasoning.clear()
        self.open_inputs.clear()
        removed = {call.id for call in self._step_calls}
        self._step_calls.clear()
        for call_id in removed:
            del self.calls[call_id]
        for approval_id in [a for a, call in self._approvals.items() if call.id in removed]:
            del self._approvals[approval_id]

    def _load(self, message: UIMessage) -> None:
        self._message_id = message.id
        for part in message.parts:
            if isinstance(part, StepStartPart):
                self._step_calls = self._visible_calls = []
            elif isinstance(part, ToolPart):
                executed = bool(part.provider_executed)
                state = _call_state(part)
                call = Call(part.tool_call_id, part.tool_name, part.dynamic, executed, state)
                self.calls[call.id] = call
                self._step_calls.append(call)
                if part.approval is not None:
                    self._approvals[part.approval.id] = call
        for call in self._step_calls:
            is_done = call.state in ("output-available", "output-error")
            call.has_earlier_output = is_done and not call.provider_executed

    def _open_blocks(self, chunk: BlockChunk) -> dict[str, BlockState]:
        text = isinstance(chunk, (c.TextStart, c.TextDelta, c.TextEnd))
        return self.open_text if text else self.open_reasoning

    def _find_call(self, chunk: _ToolChunk) -> Call | None:
        if isinstance(chunk, c.ToolApprovalResponse):
            return self._approvals.get(chunk.approval_id)
        return self.calls.get(chunk.tool_call_id)


def is_visible(chunk: Chunk) -> bool:
    """Whether a client updates the visible message when it reads the chunk."""
    if isinstance(chunk, (c.MessageMetadata, c.Finish)):
        return chunk.message_metadata is not None and chunk.message_metadata is not UNSET
    return _row_of(chunk) in ("content", "outcome", "data")


def label(chunk: Chunk) -> str:
    """Return the type and the ids of a chunk, for error texts: `text-delta '1'`."""
    names = ("id", "tool_call_id", "approval_id")
    ids = [repr(value) for name in names if (value := getattr(chunk, name, None)) is not None]
    return " ".join([chunk.type, *ids])


def _row_of(chunk: Chunk) -> str:
    if isinstance(chunk, c.Data):
        return "transient data" if chunk.transient else "data"
    return _STREAM_ROWS.get(chunk.type, "content")


def _rule_in(cell: str | Rule) -> Rule | None:
    return cell if isinstance(cell, Rule) else None


def _all_completed(calls: Collection[Call]) -> bool:
    return bool(calls) and all(call.state in grammar.COMPLETED for call in calls)


def _call_state(part: ToolPart) -> CallState:
    if part.state == "input-streaming":
        # A stop cut it. It can get an output, but before AI SDK 7 its input cannot continue.
        return "input-available"
    if part.state == "output-available" and part.preliminary:
        return "preliminary output"
    return part.state
