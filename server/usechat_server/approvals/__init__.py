"""Tool calls that wait until a person has allowed them."""

from __future__ import annotations

from usechat_server.approvals.base import Approvals, Approve, Ask, Deny, Issued, policy
from usechat_server.approvals.chunks import asked, automatic, denied, settled, with_answers
from usechat_server.approvals.decisions import DecidedCall, responses
from usechat_server.approvals.nonces import MemoryNonces, Nonces
from usechat_server.approvals.signed import SignedApprovals, check_secret

__all__ = [
    "Approvals",
    "Approve",
    "Ask",
    "DecidedCall",
    "Deny",
    "Issued",
    "MemoryNonces",
    "Nonces",
    "SignedApprovals",
    "asked",
    "automatic",
    "check_secret",
    "denied",
    "policy",
    "responses",
    "settled",
    "with_answers",
]
