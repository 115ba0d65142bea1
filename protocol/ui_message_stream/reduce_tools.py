"""Reduce the chunks of tool calls: what `Reducer` does for tool parts."""

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

__all__ = ["TOOL_HANDLERS", "ReduceError", "ToolReducer", "join_pieces"]


class ReduceError(WireError):
    """A chunk that refers to something that does not exist: the client stops with this error."""


def join_pieces(pieces: list[str]) -> str:
    """Join the pieces of a text into one, in place, and return it. Surrogate pairs are joined."""
    text = "".join(pieces)
    if json_codec.has_surrogate(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    pieces[:] = [text]
    return text


class _OpenInput:
    """A tool input that is streamed in deltas."""

    __slots__ = ("_json", "call", "pieces")

    def __init__(self, call: c.ToolInputStart, text: str = "") -> None:
        self.call = call
        self.pieces = [text]
        self._json = PartialJSON()

    def flush(self, part: ToolPart) -> None:
        part.raw_input = text = join_pieces(self.pieces)
        part.input = text if self.call.input_encoding == "text" else self._json.value(text)
        if "\ud800" <= text[-1:] <= "\udbff":
            # The next piece may turn this last character into another one.
            self._json = PartialJSON()


class ToolReducer:
    """The tool parts of a message and their open inputs. `Reducer` has the same list `parts`."""

    def __init__(self, parts: list[Part], step_start: int) -> None:
        self._parts = parts
        self._inputs: dict[str, _OpenInput] = {}
        #: tool call id -> the part that does not have the latest pieces of its input yet
        self._outdated: dict[str, ToolPart] = {}
        self._calls: dict[str, ToolPart] = {}
        self.begin_step()
        for part in parts[:step_start]:
            if isinstance(part, ToolPart):
                self._calls[part.tool_call_id] = part
        for part in parts[step_start:]:
            if isinstance(part, ToolPart):
                self._index(part)
                if part.state == "input-streaming":
                    self._inputs[part.tool_call_id] = _continue_input(part)

    def begin_step(self) -> None:
        self.flush()
        self._in_step: dict[str, ToolPart] = {}
        self._in_step_by_kind: dict[tuple[bool, str], ToolPart] = {}

    def flush(self) -> None:
        """Update all parts with what has arrived."""
        for call_id in list(self._outdated):
            self._flush(call_id)

    def _flush(self, call_id: str) -> None:
        if part := self._outdated.pop(call_id, None):
            self._inputs[call_id].flush(part)

    def _index(self, part: ToolPart) -> None:
        self._calls[part.tool_call_id] = part
        self._in_step.setdefault(part.tool_call_id, part)
        self._in_step_by_kind.setdefault((part.dynamic, part.tool_call_id), part)

    def input_start(self, chunk: c.ToolInputStart) -> None:
        self._flush(chunk.tool_call_id)
        self._inputs[chunk.tool_call_id] = _OpenInput(chunk)
        self._set_input(chunk, "input-streaming", dynamic=bool(chunk.dynamic))

    def input_delta(self, chunk: c.ToolInputDelta) -> None:
        call_id = chunk.tool_call_id
        open_input = self._inputs.get(call_id)
        if open_input is None:
            raise ReduceError(f"tool-input-delta for tool call {call_id!r}, which was not started")
        open_input.pieces.append(chunk.input_text_delta)
        if call_id not in self._outdated:
            call = open_input.call
            part = self._get_or_create_part(call, dynamic=bool(call.dynamic))
            _set_state(part, "input-streaming")
            part.tool_name = call.tool_name
            part.input_encoding = call.input_encoding
            _set_title_and_metadata(part, call)
            self._outdated[call_id] = part

    def input_available(self, chunk: c.ToolInputAvailable) -> None:
        part = self._set_input(chunk, "input-available", dynamic=bool(chunk.dynamic))
        part.input = chunk.input

    def input_error(self, chunk: c.ToolInputError) -> None:
        # An existing part keeps its kind, whatever this chunk says.
        existing = self._in_step.get(chunk.tool_call_id)
        dynamic = existing.dynamic if existing else bool(chunk.dynamic)
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
        part = self._get_or_create_part(chunk, dynamic=dynamic)
        if self._outdated.get(chunk.tool_call_id) is part:
            del self._outdated[chunk.tool_call_id]
            join_pieces(self._inputs[chunk.tool_call_id].pieces)
        _set_state(part, state)
        part.tool_name = chunk.tool_name
        part.input = UNSET
        if isinstance(chunk, c.ToolInputStart):
            part.input_encoding = chunk.input_encoding
        if not isinstance(chunk, c.ToolInputError):
            _set_title_and_metadata(part, chunk)
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
        part = self._find_part(chunk.tool_call_id)
        self._set_output(part, chunk, "output-available")
        part.output = chunk.output
        part.preliminary = chunk.preliminary

    def output_error(self, chunk: c.ToolOutputError) -> None:
        part = self._find_part(chunk.tool_call_id)
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
        self._find_part(chunk.tool_call_id).state = "output-denied"

    def approval_request(self, chunk: c.ToolApprovalRequest) -> None:
        part = self._find_part(chunk.tool_call_id)
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
            raise ReduceError(f"tool-approval-response for unknown approval {chunk.approval_id!r}")
        self._flush(part.tool_call_id)
        part.state = "approval-responded"
        part.approval = copy(part.approval)
        part.approval.approved = chunk.approved
        if chunk.reason is not None:
            part.approval.reason = chunk.reason
        if chunk.provider_executed is not None:
            part.provider_executed = chunk.provider_executed
        if chunk.provider_metadata is not None:
            part.call_provider_metadata = chunk.provider_metadata

    def _get_or_create_part(
        self, chunk: c.ToolInputStart | c.ToolInputAvailable | c.ToolInputError, *, dynamic: bool
    ) -> ToolPart:
        """Return the part of this call and kind in the current step; create it if there is none."""
        part = self._in_step_by_kind.get((dynamic, chunk.tool_call_id))
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

    def _find_part(self, tool_call_id: str) -> ToolPart:
        """Return the part of a call: that of the current step, or the newest one.

        Raises:
            ReduceError: The message has no such call.
        """
        part = self._in_step.get(tool_call_id) or self._calls.get(tool_call_id)
        if part is None:
            raise ReduceError(f"unknown tool call {tool_call_id!r}")
        self._flush(tool_call_id)
        return part


def _continue_input(part: ToolPart) -> _OpenInput:
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
    """Set the state and remove what belonged to the last one, except for the input."""
    part.state = state
    part.raw_input = UNSET
    part.input_encoding = None
    part.output = UNSET
    part.error_text = None
    part.preliminary = None


def _set_title_and_metadata(part: ToolPart, chunk: c.ToolInputStart | c.ToolInputAvailable) -> None:
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
