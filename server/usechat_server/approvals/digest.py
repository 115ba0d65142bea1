"""Digests of tool inputs, and the AI SDK's own signature of an approval.

The rules are those of `ai/src/util/canonical-hash.ts` and
`ai/src/generate-text/tool-approval-signature.ts` (AI SDK 7).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from base64 import urlsafe_b64encode
from decimal import Decimal
from typing import Any

from ui_message_stream import json_codec

__all__ = ["base64url", "canonical_json", "digest", "proof_of_id", "sign"]

#: Up to here JavaScript holds every integer exactly.
_MAX_SAFE_INTEGER = 2**53


def sign(secret: str, approval_id: str, tool_call_id: str, tool_name: str, value: Any) -> str:
    """Return the signature of a call, in the format of the AI SDK from 7.0.36 on."""
    fields = [approval_id, tool_call_id, tool_name, digest(value)]
    payload = json.dumps(
        ["ai-sdk-tool-approval-v1", *fields], ensure_ascii=False, separators=(",", ":")
    )
    return base64url(hmac.digest(secret.encode(), payload.encode(), hashlib.sha256))


def digest(value: Any, *, exact: bool = False) -> str:
    """Return the SHA-256 of the canonical JSON of a value, as base64url."""
    return base64url(hashlib.sha256(canonical_json(value, exact=exact).encode()).digest())


def proof_of_id(key: bytes, user: str | None, chat_id: str, value: str) -> str:
    """Return the proof that the provider gave an id in a user's chat."""
    fields = json_codec.encode(["usechat-id-v1", user, chat_id, value])
    return base64url(hmac.digest(key, fields, hashlib.sha256))


def base64url(data: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def canonical_json(value: Any, *, exact: bool = False) -> str:
    """Return the JSON that JavaScript writes, keys in the order of their UTF-16 code units.

    The text is the same before and after a value went through a browser, numbers too: 1.0 is 1.
    With `exact`, integers that a browser rounds keep all their digits, so that the text of the
    rounded integer is a different one.
    """
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        items = (f"{_string(key)}:{canonical_json(value[key], exact=exact)}" for key in keys)
        return f"{{{','.join(items)}}}"
    if isinstance(value, list):
        return f"[{','.join(canonical_json(item, exact=exact) for item in value)}]"
    if isinstance(value, str):
        return _string(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if exact or abs(value) <= _MAX_SAFE_INTEGER else _number(_float(value))
    return _number(value)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _float(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _number(value: float) -> str:
    """Return what ECMAScript's Number::toString writes; null where JSON has no such number."""
    if not math.isfinite(value):
        return "null"
    if value == 0:
        return "0"  # of -0 too
    # The shortest digits that mean this number, as in JavaScript; only the notation differs.
    number = Decimal(repr(value)).normalize()
    minus = "-" if number < 0 else ""
    digits = "".join(map(str, number.as_tuple().digits))
    point = number.adjusted() + 1  # digits before the decimal point
    if len(digits) <= point <= 21:
        return f"{minus}{digits.ljust(point, '0')}"
    if 0 < point <= 21:
        return f"{minus}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{minus}0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if digits[1:] else ""
    return f"{minus}{digits[0]}{fraction}e{point - 1:+d}"
