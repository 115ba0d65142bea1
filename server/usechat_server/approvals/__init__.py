"""Human-in-the-loop approval of tool calls."""

from __future__ import annotations

from usechat_server.approvals.base import (
    ApprovalRequest,
    Approvals,
    Approve,
    Ask,
    Deny,
    evaluate_policy,
)
from usechat_server.approvals.chunks import (
    acknowledgement_chunks,
    approval_request_chunks,
    automatic_approval_chunks,
    automatic_denial_chunks,
    denial_chunks,
    normalize_legacy_approvals,
)
from usechat_server.approvals.decisions import DecidedCall, decided_calls
from usechat_server.approvals.digest import proof_of_id
from usechat_server.approvals.nonces import MemoryNonces, Nonces
from usechat_server.approvals.signed import SignedApprovals, check_secret

__all__ = [
    "ApprovalRequest",
    "Approvals",
    "Approve",
    "Ask",
    "DecidedCall",
    "Deny",
    "MemoryNonces",
    "Nonces",
    "SignedApprovals",
    "acknowledgement_chunks",
    "approval_request_chunks",
    "automatic_approval_chunks",
    "automatic_denial_chunks",
    "check_secret",
    "decided_calls",
    "denial_chunks",
    "evaluate_policy",
    "normalize_legacy_approvals",
    "proof_of_id",
]
