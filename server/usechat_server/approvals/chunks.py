"""The chunks of approvals, and the approvals of clients before AI SDK 6.

Those clients have no chunk for an approval. The call stays open there, with a data part beside it,
which every release keeps and sends back, and the frontend resolves the call itself: `addToolOutput`
with `{approved: true}` or `{approved: false, reason: "…"}`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec
from ui_message_stream.chunks import (
    Chunk,
    Data,
    ToolApprovalRequest,
    ToolApprovalResponse,
    ToolInputAvailable,
    ToolOutputDenied,
    ToolOutputError,
)
from ui_message_stream.messages import Approval, DataPart, ToolPart, UIMessage
from ui_message_stream.schema import UNSET, JSONObject
from ui_message_stream.versions import (
    DENIED_TEXT,
    ChunkVariant,
    ClientVersion,
    VersionedChunk,
    accepts,
)

from usechat_server.approvals.base import ApprovalRequest, Approve, Deny
from usechat_server.turn import Turn

__all__ = [
    "acknowledgement_chunks",
    "approval_request_chunks",
    "automatic_approval_chunks",
    "automatic_denial_chunks",
    "denial_chunks",
    "normalize_legacy_approvals",
]

#: Name of the data part `data-usechat-approval`; its id is the tool call's.
_DATA_NAME = "usechat-approval"


def approval_request_chunks(
    turn: Turn, call: ToolInputAvailable, request: ApprovalRequest, reason: str | None = None
) -> list[ChunkVariant]:
    """Return the chunks that ask the user to approve a call."""
    chunk = ToolApprovalRequest(
        approval_id=request.approval_id,
        tool_call_id=call.tool_call_id,
        signature=request.signature,
        reason=reason,
    )
    if accepts(turn.client_version, "tool-approval-request"):
        return [chunk]
    fields = {"approvalId": request.approval_id} | ({"reason": reason} if reason else {})
    return [
        # Another reader may be newer. One that gives no sign is not: it gets the data part only.
        VersionedChunk(chunk, since=ClientVersion(6)),
        _approval_data(call.tool_call_id, call.tool_name, fields),
    ]


def automatic_approval_chunks(call: ToolInputAvailable, decision: Approve | Deny) -> list[Chunk]:
    """Return the chunks that show the app's own decision (AI SDK 7; older clients get nothing)."""
    approval_id = secrets.token_urlsafe(16)
    return [
        ToolApprovalRequest(
            approval_id=approval_id, tool_call_id=call.tool_call_id, is_automatic=True
        ),
        ToolApprovalResponse(
            approval_id=approval_id, approved=isinstance(decision, Approve), reason=decision.reason
        ),
    ]


def denial_chunks(turn: Turn, tool_call_id: str, reason: str | None) -> list[Chunk]:
    """Return the chunks that end a call which the user denied."""
    if accepts(turn.client_version, "tool-output-denied"):
        return [ToolOutputDenied(tool_call_id=tool_call_id)]
    text = f"{DENIED_TEXT} {reason}" if reason else DENIED_TEXT
    return [ToolOutputError(tool_call_id=tool_call_id, error_text=text)]


def automatic_denial_chunks(tool_call_id: str, reason: str | None) -> list[ChunkVariant]:
    """Return the chunks that end a call which the app denied.

    A denied part has the approval that was denied. Before AI SDK 7 a client has none of the app's
    own decisions, so it gets an error, with the text that the model gets.
    """
    error = ToolOutputError(tool_call_id=tool_call_id, error_text=reason or DENIED_TEXT)
    return [
        VersionedChunk(ToolOutputDenied(tool_call_id=tool_call_id), since=ClientVersion(7)),
        VersionedChunk(error, until=ClientVersion(7)),
    ]


def acknowledgement_chunks(turn: Turn) -> list[Chunk]:
    """Return the first chunks of a continuation: they tell clients before AI SDK 6 that their
    decisions arrived."""
    if turn.continued is None:
        return []
    return [
        _approval_data(
            call_id, data.get("toolName"), {"approved": turn.decisions[call_id].approved}
        )
        for call_id, data in _pending_approvals(turn.continued).items()
        if call_id in turn.decisions
    ]


def normalize_legacy_approvals(message: UIMessage) -> UIMessage:
    """Return the message as an AI SDK 6 client would have sent it: a call that waits for an
    approval has that state, and a decision is not an output of the tool."""
    pending = _pending_approvals(message)
    if not pending:
        return message
    return msgspec.structs.replace(
        message,
        parts=[
            _with_approval(part, pending[part.tool_call_id]["approvalId"])
            if isinstance(part, ToolPart) and part.tool_call_id in pending
            else part
            for part in message.parts
        ],
    )


def _with_approval(part: ToolPart, approval_id: str) -> ToolPart:
    requested = msgspec.structs.replace(
        part, state="approval-requested", approval=Approval(id=approval_id)
    )
    if part.state == "input-available":
        return requested
    if part.state != "output-available" or part.approval is not None:
        return part
    output = part.output if isinstance(part.output, Mapping) else {}
    approved, reason = output.get("approved"), output.get("reason")
    return msgspec.structs.replace(
        requested,
        state="approval-responded",
        output=UNSET,
        approval=Approval(
            id=approval_id,
            approved=approved if isinstance(approved, bool) else None,
            reason=reason if isinstance(reason, str) else None,
        ),
    )


def _approval_data(tool_call_id: str, tool_name: Any, fields: Mapping[str, Any]) -> Data:
    data = {"toolCallId": tool_call_id, "toolName": tool_name, **fields}
    return Data(name=_DATA_NAME, id=tool_call_id, data=data)


def _pending_approvals(message: UIMessage) -> dict[str, JSONObject]:
    """Return tool call id → data of the part that marks the call as waiting for an approval."""
    return {
        part.id: part.data
        for part in message.parts
        if isinstance(part, DataPart) and part.name == _DATA_NAME and part.id is not None
        if isinstance(part.data, dict) and isinstance(part.data.get("approvalId"), str)
    }
