"""Approvals without a store: the approval id itself proves what was asked, of whom, and until when.

Every client from AI SDK 6 on sends the id back as it is.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from time import time
from typing import Any

from ui_message_stream import json_codec
from ui_message_stream.chunks import ToolInputAvailable

from usechat_server.approvals.base import LIFETIME, ApprovalRequest
from usechat_server.approvals.decisions import DecidedCall, refusal, responses
from usechat_server.approvals.digest import base64url, digest, sign
from usechat_server.approvals.nonces import Nonces
from usechat_server.errors import ChatConflict, Forbidden
from usechat_server.turn import Decision, Turn

__all__ = ["SignedApprovals", "check_secret"]

_NONCE = 16
_EXPIRES = 8
_MAC = 32


class SignedApprovals:
    """The id is base64url of a nonce (16 bytes), the second in which it expires (8 bytes, big
    endian) and an HMAC-SHA256 over both, the user, the chat, the call, its tool and its input.

    `secret` is the app's; without one nothing else can check the AI SDK's signature, so that none
    is sent. `clock` gives the seconds since 1970.
    """

    def __init__(
        self, secret: str | None, nonces: Nonces, *, clock: Callable[[], float] = time
    ) -> None:
        self._secret = secret
        self._key = secret.encode() if secret else secrets.token_bytes(32)
        self._nonces = nonces
        self._clock = clock

    async def request(self, turn: Turn, call: ToolInputAvailable) -> ApprovalRequest:
        """An id that only this server could have made, and only for this call."""
        # As the client gets it, and so sends it back.
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
        answered = responses(turn)
        # All are checked before one is used up.
        nonces = [self._nonce(turn, call) for call in answered]
        for call, nonce in zip(answered, nonces, strict=True):
            if not await self._nonces.use(nonce, LIFETIME):
                raise refusal(call.tool_name, "it was answered before", ChatConflict)
        return {call.tool_call_id: call.decision for call in answered}

    def _nonce(self, turn: Turn, call: DecidedCall) -> str:
        """The nonce of an approval that counts, if it is the first time."""
        forged = refusal(
            call.tool_name,
            "it was not given for this call in this chat, or the call was changed, or the server "
            "was restarted since",
            Forbidden,
        )
        try:
            made = urlsafe_b64decode(f"{call.approval_id}=")
            proof = self._proof(made[:-_MAC], turn, call.tool_call_id, call.tool_name, call.input)
        except (ValueError, binascii.Error, RecursionError):
            raise forged from None
        if base64url(made) != call.approval_id or len(made) != _NONCE + _EXPIRES + _MAC:
            raise forged
        if not hmac.compare_digest(proof, made[-_MAC:]):
            raise forged
        if int.from_bytes(made[_NONCE:-_MAC], "big") <= self._clock():
            raise refusal(call.tool_name, "too much time has passed", ChatConflict)
        return base64url(made[:_NONCE])

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


def check_secret(*, asks: bool, stored: bool, several: bool, secret: object | None) -> None:
    """Raises ValueError if approvals that one process issues could not be checked by another."""
    if asks and several and not stored and secret is None:
        raise ValueError(
            "Tools of this agent need approval, and without a store several processes have to sign "
            "it alike: set USECHAT_SECRET to the same text in all of them"
        )
