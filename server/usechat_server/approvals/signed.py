"""Approvals without a store: the approval id itself proves the call, the user and the expiry.

Every client from AI SDK 6 on sends the id back as it is.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from functools import partial
from time import time
from typing import Any

from ui_message_stream import json_codec
from ui_message_stream.chunks import ToolInputAvailable

from usechat_server.approvals.base import LIFETIME, ApprovalRequest
from usechat_server.approvals.decisions import DecidedCall, approval_error, decided_calls
from usechat_server.approvals.digest import base64url, digest, proof_of_id, sign
from usechat_server.approvals.nonces import Nonces
from usechat_server.errors import ChatConflict, Forbidden
from usechat_server.turn import Decision, Turn

__all__ = ["SignedApprovals", "check_secret"]

_NONCE = 16
_EXPIRES = 8
_MAC = 32


class SignedApprovals:
    """Approvals whose ids are signed.

    An id is base64url of a nonce (16 bytes), the second in which it expires (8 bytes, big endian)
    and an HMAC-SHA256 over both, the user, the chat, the call, its tool and its input.
    """

    def __init__(
        self, secret: str | None, nonces: Nonces, *, clock: Callable[[], float] = time
    ) -> None:
        """Sign with `secret`, or with a random key that lasts as long as this process.

        Args:
            secret: The app's secret; without one no other server can check the AI SDK's signature,
                so none is sent.
            nonces: Where used approvals are remembered.
            clock: Returns the seconds since 1970.
        """
        self._secret = secret
        self._key = secret.encode() if secret else secrets.token_bytes(32)
        self._nonces = nonces
        self._clock = clock

    async def request(self, turn: Turn, call: ToolInputAvailable) -> ApprovalRequest:
        """Issue an id that only this server can make, and only for this call."""
        # As the client receives it, and so sends it back.
        value = json_codec.decode(json_codec.encode(json_codec.sanitize(call.input)))
        head = secrets.token_bytes(_NONCE) + int(self._clock() + LIFETIME).to_bytes(_EXPIRES, "big")
        proof = self._proof(head, turn, call.tool_call_id, call.tool_name, value)
        approval_id = base64url(head + proof)
        if self._secret is None:
            return ApprovalRequest(approval_id)
        signature = sign(self._secret, approval_id, call.tool_call_id, call.tool_name, value)
        return ApprovalRequest(approval_id, signature)

    async def redeem(self, turn: Turn) -> Mapping[str, Decision]:
        """See `Approvals`. Raises ChatError (400, 403 or 409)."""
        calls = decided_calls(turn)
        # All are checked before the first is used up.
        nonces = [self._nonce(turn, call) for call in calls]
        for call, nonce in zip(calls, nonces, strict=True):
            if not await self._nonces.consume(nonce, LIFETIME):
                raise approval_error(call.tool_name, "it was already used", ChatConflict)
        return {call.tool_call_id: call.decision for call in calls}

    def prover(self, turn: Turn) -> Callable[[str], str] | None:
        """See `Approvals`. A proof is valid as long as the key."""
        return partial(proof_of_id, self._key, turn.user, turn.chat_id)

    def _nonce(self, turn: Turn, call: DecidedCall) -> str:
        """Return the nonce of a valid approval, which may have been used before."""
        forged = approval_error(
            call.tool_name,
            "it was not given for this call in this chat, or the call was changed, or the server "
            "was restarted since",
            Forbidden,
        )
        try:
            raw = urlsafe_b64decode(f"{call.approval_id}=")
            proof = self._proof(raw[:-_MAC], turn, call.tool_call_id, call.tool_name, call.input)
        except (ValueError, binascii.Error, RecursionError):
            raise forged from None
        if base64url(raw) != call.approval_id or len(raw) != _NONCE + _EXPIRES + _MAC:
            raise forged
        if not hmac.compare_digest(proof, raw[-_MAC:]):
            raise forged
        if int.from_bytes(raw[_NONCE:-_MAC], "big") <= self._clock():
            raise approval_error(call.tool_name, "it has expired", ChatConflict)
        return base64url(raw[:_NONCE])

    def _proof(
        self, head: bytes, turn: Turn, tool_call_id: str, tool_name: str, value: Any
    ) -> bytes:
        # JSON, so that no two lists of fields have the same text.
        fields = [
            "usechat-approval-v1",
            base64url(head),
            base64url(self._nonces.scope),
            turn.user,
            turn.chat_id,
            tool_call_id,
            tool_name,
            digest(value, exact=True),
        ]
        return hmac.digest(self._key, json_codec.encode(fields), hashlib.sha256)


def check_secret(
    *, may_require_approval: bool, has_store: bool, is_shared: bool, secret: object | None
) -> None:
    """Check that every process can check the approvals that another one issues.

    Args:
        may_require_approval: Whether a tool of the agent may need approval.
        has_store: Whether the app has a store, which then keeps the approvals.
        is_shared: Whether several processes serve the app.
        secret: The app's secret.

    Raises:
        ValueError: It needs a secret and has none.
    """
    if may_require_approval and is_shared and not has_store and secret is None:
        raise ValueError(
            "tools with needs_approval require a store, or the same USECHAT_SECRET in all processes"
        )
