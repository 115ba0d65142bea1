"""NDJSON: the life of a turn, one JSON object a line, in the words of Vercel's Eve.

Source: `protocol/message.d.ts` and `docs/concepts/sessions-runs-and-streaming.md` of the npm
package `eve`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from ui_message_stream import chunks as c
from ui_message_stream import json_codec
from ui_message_stream.versions import ChunkVariant, ClientVersion, downgrade

from usechat_server.doors.text_blocks import TextBlocks

__all__ = ["NDJSON", "NDJSON_TYPE", "LifecycleEvents"]

NDJSON_TYPE = "application/x-ndjson"

#: Knows all chunks that become events, and not `reset-step`, which could take events back.
NDJSON = ClientVersion(7, 0, 69)

_DENIED = "The user did not allow this tool call."
_DECISIONS = [{"id": "approve", "label": "Approve"}, {"id": "deny", "label": "Deny"}]


class LifecycleEvents:
    """What happens in a turn. See `Encoding`.

    The end of a step is written when it is known why it ended: with the next step, or the end of
    the turn.
    """

    headers: Mapping[str, str] = MappingProxyType(
        {
            "content-type": f"{NDJSON_TYPE}; charset=utf-8",
            "cache-control": "no-cache, no-transform",
            "x-accel-buffering": "no",
        }
    )
    opening = b""
    keep_alive = b"\n"
    is_broken = False

    def __init__(self, client_version: ClientVersion = NDJSON) -> None:
        self.client_version = client_version
        self.cursor: str | None = ""
        self._events: list[tuple[str, dict[str, Any]]] = []
        self._turn: dict[str, Any] = {}
        self._step_index = -1
        self._is_in_step = False
        self._blocks = TextBlocks()
        #: the text of the step that is not part of a complete message
        self._message: list[str] = []
        self._reasoning: dict[str, list[str]] = {}
        #: the calls that have begun, by id: what an action consists of
        self._calls: dict[str, dict[str, Any]] = {}
        #: those of the step that were not requested yet
        self._actions: list[dict[str, Any]] = []
        self._has_actions = False
        #: calls that wait for the client or the user
        self._open: set[str] = set()

    def encode(self, chunks: Sequence[ChunkVariant]) -> bytes:
        for variant in chunks:
            chunk = downgrade(variant, self.client_version)
            if chunk is not None:
                self._read(chunk)
        events, self._events = self._events, []
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        lines: list[bytes] = []
        for index, (kind, data) in enumerate(events):
            # Only the last event of a chunk is a place to come back to.
            part = "" if index == len(events) - 1 else f".{index}"
            meta = {"id": f"evt_{self.cursor}{part}", "at": at} if self.cursor else {"at": at}
            lines.append(json_codec.encode({"type": kind, "data": data, "meta": meta}))
        return b"".join(line + b"\n" for line in lines)

    def end(self) -> bytes:
        return b""

    def _read(self, chunk: c.Chunk) -> None:
        match chunk:
            case c.TextDelta() | c.TextStart() | c.TextEnd():
                if text := self._blocks.read(chunk):
                    self._message.append(text)
                    self._add("message.appended", messageDelta=text)
            case c.ReasoningStart():
                self._reasoning[chunk.id] = []
            case c.ReasoningDelta():
                self._reasoning[chunk.id].append(chunk.delta)
                if chunk.delta:
                    self._add("reasoning.appended", reasoningDelta=chunk.delta)
            case c.ReasoningEnd():
                reasoning = "".join(self._reasoning.pop(chunk.id))
                self._add("reasoning.completed", reasoning=reasoning)
            case c.Start():
                self._turn = {"turnId": chunk.message_id}
                self._events.append(("turn.started", dict(self._turn)))
            case c.StartStep():
                self._end_step("tool-calls" if self._has_actions else "other")
                self._step_index += 1
                self._is_in_step, self._has_actions = True, False
                self._add("step.started")
            case c.Finish() | c.Abort() | c.Error():
                self._end_turn(chunk)
            case _:
                self._read_call(chunk)

    def _read_call(self, chunk: c.Chunk) -> None:
        match chunk:
            case c.ToolInputStart():
                if not self._blocks.is_open:
                    self._end_message("tool-calls")
                self._calls[chunk.tool_call_id] = _action(chunk)
            case c.ToolInputDelta():
                call = self._call(chunk.tool_call_id)
                self._add("action.input.appended", **call, inputTextDelta=chunk.input_text_delta)
            case c.ToolInputAvailable() | c.ToolInputError():
                action = self._calls[chunk.tool_call_id] = {**_action(chunk), "input": chunk.input}
                self._actions.append(action)
                self._has_actions = True
                self._open.add(chunk.tool_call_id)
                if isinstance(chunk, c.ToolInputError):
                    self._fail(chunk.tool_call_id, "failed", chunk.error_text)
            case c.ToolOutputAvailable():
                self._request_actions()
                result = {**self._result(chunk.tool_call_id), "output": chunk.output}
                if chunk.preliminary:
                    self._add("action.partial", result=result)
                else:
                    self._open.discard(chunk.tool_call_id)
                    self._add("action.result", status="completed", result=result)
            case c.ToolOutputError():
                self._fail(chunk.tool_call_id, "failed", chunk.error_text)
            case c.ToolOutputDenied():
                self._fail(chunk.tool_call_id, "rejected", _DENIED)
            case c.ToolApprovalRequest() if not chunk.is_automatic:
                self._request_actions()
                call = self._calls.get(chunk.tool_call_id, {"callId": chunk.tool_call_id})
                request = {
                    "requestId": chunk.approval_id,
                    "kind": "tool-approval",
                    "prompt": chunk.reason or f"Allow {call.get('toolName', 'this call')}?",
                    "action": call,
                    "options": _DECISIONS,
                }
                self._add("input.requested", requests=[request])

    def _end_turn(self, chunk: c.Finish | c.Abort | c.Error) -> None:
        if isinstance(chunk, c.Error):
            self._request_actions()
            failure = {"code": "error", "message": chunk.error_text}
            if self._is_in_step:
                self._add("step.failed", **failure)
            self._events.append(("turn.failed", {**self._turn, **failure}))
        elif isinstance(chunk, c.Abort):
            self._end_step("other")
            self._events.append(("turn.cancelled", dict(self._turn)))
        else:
            reason = "other" if chunk.finish_reason == "interrupted" else chunk.finish_reason
            self._end_step(reason or ("tool-calls" if self._open else "other"))
            if self._open:
                self._events.append(("turn.waiting", {**self._turn, "on": "input"}))
                return
            self._events.append(("turn.completed", dict(self._turn)))
        self._events.append(("session.waiting", {"wait": "next-user-message"}))

    def _end_step(self, reason: str) -> None:
        if self._is_in_step:
            self._end_message(reason)
            self._request_actions()
            self._add("step.completed", finishReason=reason)
            self._is_in_step = False

    def _end_message(self, reason: str) -> None:
        if self._message:
            self._add("message.completed", message="".join(self._message), finishReason=reason)
            self._message = []

    def _request_actions(self) -> None:
        """Write the calls whose input is complete, before what is known of their outputs."""
        if self._actions:
            actions, self._actions = self._actions, []
            self._add("actions.requested", actions=actions)

    def _fail(self, call_id: str, status: str, text: str) -> None:
        self._request_actions()
        self._open.discard(call_id)
        result = {**self._result(call_id), "output": text, "isError": True}
        error = {"code": status, "message": text}
        self._add("action.result", status=status, result=result, error=error)

    def _call(self, call_id: str) -> dict[str, Any]:
        """Return what names a call. The name of a tool is unknown if an earlier run called it."""
        call = self._calls.get(call_id, {})
        name = {"toolName": call["toolName"]} if call else {}
        return {"callId": call_id, **name}

    def _result(self, call_id: str) -> dict[str, Any]:
        return {"kind": "tool-result", **self._call(call_id)}

    def _add(self, kind: str, **data: Any) -> None:
        self._events.append((kind, {**self._turn, "stepIndex": max(self._step_index, 0), **data}))


def _action(chunk: c.ToolInputStart | c.ToolInputAvailable | c.ToolInputError) -> dict[str, Any]:
    return {"kind": "tool-call", "callId": chunk.tool_call_id, "toolName": chunk.tool_name}
