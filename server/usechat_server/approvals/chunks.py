"""What the page is told of approvals, and how a page before AI SDK 6 answers.

Those clients have no chunk for an approval. The call stays open there, with a data part beside it,
which every release keeps and sends back, and the page answers the call itself: `addToolOutput` with
`{approved: true}` or `{approved: false, reason: "…"}`.
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
from ui_message_stream.versions import DENIED_TEXT, accepts

from usechat_server.approvals.base import ApprovalRequest, Approve, Deny
from usechat_server.turn import Turn

__all__ = [
    "DATA",
    "acknowledgement_chunks",
    "approval_request_chunks",
    "automatic_approval_chunks",
    "denial_chunks",
    "normalize_legacy_approvals",
]

#: `data-usechat-approval`; its id is that of the tool call.
DATA = "usechat-approval"


def approval_request_chunks(
    turn: Turn, call: ToolInputAvailable, issued: ApprovalRequest, reason: str | None = None
) -> list[Chunk]:
    """What asks the person."""
    request = ToolApprovalRequest(
        approval_id=issued.approval_id,
        tool_call_id=call.tool_call_id,
        signature=issued.signature,
        reason=reason,
    )
    if accepts(turn.client_version, "tool-approval-request"):
        return [request]
    said = {"approvalId": issued.approval_id} | ({"reason": reason} if reason else {})
    return [request, _data(call.tool_call_id, call.tool_name, said)]


def automatic_approval_chunks(call: ToolInputAvailable, answer: Approve | Deny) -> list[Chunk]:
    """What shows an answer of the app's own (AI SDK 7; older clients are told nothing)."""
    approval_id = secrets.token_urlsafe(16)
    return [
        ToolApprovalRequest(
            approval_id=approval_id, tool_call_id=call.tool_call_id, is_automatic=True
        ),
        ToolApprovalResponse(
            approval_id=approval_id, approved=isinstance(answer, Approve), reason=answer.reason
        ),
    ]


def denial_chunks(turn: Turn, tool_call_id: str, reason: str | None) -> list[Chunk]:
    """What ends a call that was denied, by a person or by the app."""
    if accepts(turn.client_version, "tool-output-denied"):
        return [ToolOutputDenied(tool_call_id=tool_call_id)]
    text = f"{DENIED_TEXT} {reason}" if reason else DENIED_TEXT
    return [ToolOutputError(tool_call_id=tool_call_id, error_text=text)]


def acknowledgement_chunks(turn: Turn) -> list[Chunk]:
    """What a continuation begins with: a page before AI SDK 6 learns that its answers arrived."""
    if turn.continued is None:
        return []
    return [
        _data(call_id, data.get("toolName"), {"approved": turn.decisions[call_id].approved})
        for call_id, data in _questions(turn.continued).items()
        if call_id in turn.decisions
    ]


def normalize_legacy_approvals(message: UIMessage) -> UIMessage:
    """The message as a page of AI SDK 6 would have sent it: a call that waits for an approval says
    so, and an answer to it is no output of the tool."""
    questions = _questions(message)
    if not questions:
        return message
    return msgspec.structs.replace(
        message,
        parts=[
            _waiting(part, questions[part.tool_call_id]["approvalId"])
            if isinstance(part, ToolPart) and part.tool_call_id in questions
            else part
            for part in message.parts
        ],
    )


def _waiting(part: ToolPart, approval_id: str) -> ToolPart:
    waits = msgspec.structs.replace(
        part, state="approval-requested", approval=Approval(id=approval_id)
    )
    if part.state == "input-available":
        return waits
    if part.state != "output-available" or part.approval is not None:
        return part
    said = part.output if isinstance(part.output, Mapping) else {}
    approved, reason = said.get("approved"), said.get("reason")
    return msgspec.structs.replace(
        waits,
        state="approval-responded",
        output=UNSET,
        approval=Approval(
            id=approval_id,
            approved=approved if isinstance(approved, bool) else None,
            reason=reason if isinstance(reason, str) else None,
        ),
    )


def _data(tool_call_id: str, tool_name: Any, said: Mapping[str, Any]) -> Data:
    data = {"toolCallId": tool_call_id, "toolName": tool_name, **said}
    return Data(name=DATA, id=tool_call_id, data=data)


def _questions(message: UIMessage) -> dict[str, JSONObject]:
    """Tool call id → the data part that says that the call waits for an approval."""
    return {
        part.id: part.data
        for part in message.parts
        if isinstance(part, DataPart) and part.name == DATA and part.id is not None
        if isinstance(part.data, dict) and isinstance(part.data.get("approvalId"), str)
    }
