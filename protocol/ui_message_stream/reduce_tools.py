"""The tool calls of a message that is being reduced: `reduce` hands their chunks over to here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

from ui_message_stream import chunks as c
from ui_message_stream import json_codec
from ui_message_stream.chunks import Chunk
from ui_message_stream.errors import WireError
from ui_message_stream.messages import Approval, Part, ToolPart, ToolState
from ui_message_stream.partial_json import PartialJSON
from ui_message_stream.schema import UNSET

__all__ = ["TOOL_HANDLERS", "ReduceError", "ToolReducer", "joined"]


class ReduceError(WireError):
    """A chunk about something that is not there: the client ends the stream with this error."""


def joined(pieces: list[str]) -> str:
    """The text of the pieces, which become one. Halves of a surrogate pair are joined."""
    text = "".join(pieces)
    if json_codec.has_surrogate(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    pieces[:] = [text]
    return text


class _OpenInput:
    """A tool input whose text arrives in deltas."""

    __slots__ = ("_json", "call", "pieces")

    def __init__(self, call: c.ToolInputStart, text: str = "") -> None:
        self.call = call
        self.pieces = [text]
        self._json = PartialJSON()

    def settle(self, part: ToolPart) -> None:
        part.raw_input = text = joined(self.pieces)
        part.input = text if self.call.input_encoding == "text" else self._json.value(text)
        if "\ud800" <= text[-1:] <= "\udbff":
            # The next piece may turn this last character into another one.
            self._json = PartialJSON()


class ToolReducer:
    """The tool parts within `parts`, which is shared with the reducer, and their open inputs."""

    def __init__(self, parts: list[Part], step_start: int) -> None:
        self._parts = parts
        self._inputs: dict[str, _OpenInput] = {}
        #: by call id, the parts that do not show the latest pieces of their input yet
        self._behind: dict[str, ToolPart] = {}
        self._calls: dict[str, ToolPart] = {}
        self.begin_step()
        for part in parts[:step_start]:
            if isinstance(part, ToolPart):
                self._calls[part.tool_call_id] = part
        for part in parts[step_start:]:
            if isinstance(part, ToolPart):
                self._index(part)
                if part.state == "input-streaming":
                    self._inputs[part.tool_call_id] = _continued_input(part)

    def begin_step(self) -> None:
        self.settle()
        self._in_step: dict[str, ToolPart] = {}
        self._in_step_of_kind: dict[tuple[bool, str], ToolPart] = {}

    def settle(self) -> None:
        """Makes all parts show what arrived."""
        for call_id in list(self._behind):
            self._settle(call_id)

    def _settle(self, call_id: str) -> None:
        if part := self._behind.pop(call_id, None):
            self._inputs[call_id].settle(part)

    def _index(self, part: ToolPart) -> None:
        self._calls[part.tool_call_id] = part
        self._in_step.setdefault(part.tool_call_id, part)
        self._in_step_of_kind.setdefault((part.dynamic, part.tool_call_id), part)

    def input_start(self, chunk: c.ToolInputStart) -> None:
        self._settle(chunk.tool_call_id)
        self._inputs[chunk.tool_call_id] = _OpenInput(chunk)
        self._set_input(chunk, "input-streaming", dynamic=bool(chunk.dynamic))

    def input_delta(self, chunk: c.ToolInputDelta) -> None:
        call_id = chunk.tool_call_id
        opened = self._inputs.get(call_id)
        if opened is None:
            raise ReduceError(f"tool-input-delta for tool call {call_id!r}, which was not started")
        opened.pieces.append(chunk.input_text_delta)
        if call_id not in self._behind:
            call = opened.call
            part = self._part_in_step(call, dynamic=bool(call.dynamic))
            _set_state(part, "input-streaming")
            part.tool_name = call.tool_name
            part.input_encoding = call.input_encoding
            _describe(part, call)
            self._behind[call_id] = part

    def input_available(self, chunk: c.ToolInputAvailable) -> None:
        part = self._set_input(chunk, "input-available", dynamic=bool(chunk.dynamic))
        part.input = chunk.input

    def input_error(self, chunk: c.ToolInputError) -> None:
        # The kind of a part that is there already counts, not what this chunk says.
        there = self._in_step.get(chunk.tool_call_id)
        dynamic = there.dynamic if there else bool(chunk.dynamic)
        part = self._set_input(chunk, "output-error", dynamic=dynamic)
        part.input = chunk.input
        part.error_text = chunk.error_text

    def _set_input(
        self,
        chunk: c.ToolInputStart | c.ToolInputAvailable | c.ToolInputError,
        state: ToolState,
        *,
        dynamic: bool,
    ) -> ToolPart:
        part = self._part_in_step(chunk, dynamic=dynamic)
        if self._behind.get(chunk.tool_call_id) is part:
            del self._behind[chunk.tool_call_id]
            joined(self._inputs[chunk.tool_call_id].pieces)
        _set_state(part, state)
        part.tool_name = chunk.tool_name
        part.input = UNSET
        if isinstance(chunk, c.ToolInputStart):
            part.input_encoding = chunk.input_encoding
        if not isinstance(chunk, c.ToolInputError):
            _describe(part, chunk)
        elif chunk.tool_metadata is not None:
            part.tool_metadata = chunk.tool_metadata
        if chunk.provider_executed is not None:
            part.provider_executed = chunk.provider_executed
        if chunk.provider_metadata is not None:
            if state == "output-error":
                part.result_provider_metadata = chunk.provider_metadata
            else:
                part.call_provider_metadata = chunk.provider_metadata
        return part

    def output_available(self, chunk: c.ToolOutputAvailable) -> None:
        part = self._part(chunk.tool_call_id)
        self._set_output(part, chunk, "output-available")
        part.output = chunk.output
        part.preliminary = chunk.preliminary

    def output_error(self, chunk: c.ToolOutputError) -> None:
        part = self._part(chunk.tool_call_id)
        raw_input = UNSET if part.dynamic else part.raw_input
        self._set_output(part, chunk, "output-error")
        part.raw_input = raw_input
        part.error_text = chunk.error_text

    def _set_output(
        self,
        part: ToolPart,
        chunk: c.ToolOutputAvailable | c.ToolOutputError,
        state: ToolState,
    ) -> None:
        _set_state(part, state)
        if chunk.tool_metadata is not None:
            part.tool_metadata = chunk.tool_metadata
        if chunk.provider_executed is not None:
            part.provider_executed = chunk.provider_executed
        if chunk.provider_metadata is not None:
            part.result_provider_metadata = chunk.provider_metadata

    def output_denied(self, chunk: c.ToolOutputDenied) -> None:
        self._part(chunk.tool_call_id).state = "output-denied"

    def approval_request(self, chunk: c.ToolApprovalRequest) -> None:
        part = self._part(chunk.tool_call_id)
        part.state = "approval-requested"
        part.approval = Approval(
            id=chunk.approval_id,
            descriptor=UNSET if chunk.approval_descriptor is None else chunk.approval_descriptor,
            input_schema_input=chunk.input_schema_input,
            request_reason=chunk.reason,
            is_automatic=chunk.is_automatic or None,
            signature=chunk.signature,
        )

    def approval_response(self, chunk: c.ToolApprovalResponse) -> None:
        part = next((p for p in self._parts if _has_approval(p, chunk.approval_id)), None)
        if not isinstance(part, ToolPart) or part.approval is None:
            raise ReduceError(f"tool-approval-response to unknown approval {chunk.approval_id!r}")
        self._settle(part.tool_call_id)
        part.state = "approval-responded"
        part.approval = copy(part.approval)
        part.approval.approved = chunk.approved
        if chunk.reason is not None:
            part.approval.reason = chunk.reason
        if chunk.provider_executed is not None:
            part.provider_executed = chunk.provider_executed
        if chunk.provider_metadata is not None:
            part.call_provider_metadata = chunk.provider_metadata

    def _part_in_step(
        self, chunk: c.ToolInputStart | c.ToolInputAvailable | c.ToolInputError, *, dynamic: bool
    ) -> ToolPart:
        """The current step's part of this call and kind, made if there is none."""
        part = self._in_step_of_kind.get((dynamic, chunk.tool_call_id))
        if part is None:
            part = ToolPart(
                tool_name=chunk.tool_name,
                dynamic=dynamic,
                tool_call_id=chunk.tool_call_id,
                state="input-streaming",
            )
            self._parts.append(part)
            self._index(part)
        return part

    def _part(self, tool_call_id: str) -> ToolPart:
        """The call's part in the current step, else its newest anywhere. Raises ReduceError."""
        part = self._in_step.get(tool_call_id) or self._calls.get(tool_call_id)
        if part is None:
            raise ReduceError(f"there is no tool call {tool_call_id!r}")
        self._settle(tool_call_id)
        return part


def _continued_input(part: ToolPart) -> _OpenInput:
    call = c.ToolInputStart(
        tool_call_id=part.tool_call_id,
        tool_name=part.tool_name,
        dynamic=part.dynamic,
        title=part.title,
        tool_metadata=part.tool_metadata,
        input_encoding=part.input_encoding,
    )
    return _OpenInput(call, part.raw_input if isinstance(part.raw_input, str) else "")


def _set_state(part: ToolPart, state: ToolState) -> None:
    """A new state starts without what belonged to the last one; the input is the caller's."""
    part.state = state
    part.raw_input = UNSET
    part.input_encoding = None
    part.output = UNSET
    part.error_text = None
    part.preliminary = None


def _describe(part: ToolPart, chunk: c.ToolInputStart | c.ToolInputAvailable) -> None:
    if chunk.title is not None:
        part.title = chunk.title
    if chunk.tool_metadata is not None:
        part.tool_metadata = chunk.tool_metadata


def _has_approval(part: Part, approval_id: str) -> bool:
    return (
        isinstance(part, ToolPart) and part.approval is not None and part.approval.id == approval_id
    )


TOOL_HANDLERS: Mapping[type[Chunk], Callable[[ToolReducer, Any], None]] = {
    c.ToolInputStart: ToolReducer.input_start,
    c.ToolInputDelta: ToolReducer.input_delta,
    c.ToolInputAvailable: ToolReducer.input_available,
    c.ToolInputError: ToolReducer.input_error,
    c.ToolApprovalRequest: ToolReducer.approval_request,
    c.ToolApprovalResponse: ToolReducer.approval_response,
    c.ToolOutputAvailable: ToolReducer.output_available,
    c.ToolOutputError: ToolReducer.output_error,
    c.ToolOutputDenied: ToolReducer.output_denied,
}
