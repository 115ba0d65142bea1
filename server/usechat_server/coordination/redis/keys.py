"""The keys in Redis, which `scripts` describes, and for how long they are valid."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from ui_message_stream import json_codec

from usechat_server.coordination.base import ChatKey

__all__ = [
    "HEARTBEAT",
    "KEY_EXPIRY",
    "LEASE",
    "LEASES",
    "SETTLE",
    "SINCE",
    "HeldLease",
    "chat_key",
    "folded_key",
    "hash_chat_key",
    "log_key",
    "milliseconds",
    "readers_key",
    "resumes_key",
    "wake_key",
]

#: Seconds between two renewals of a lease.
HEARTBEAT = 1.0
#: Seconds without a renewal after which a lease has expired.
LEASE = 5.0
#: Seconds in which owners write their runs again after Redis was emptied.
SETTLE = 1.5 * HEARTBEAT
#: Seconds until keys that are not renewed expire.
KEY_EXPIRY = 3600.0

LEASES = "usechat:leases"
SINCE = "usechat:since"


class HeldLease(NamedTuple):
    """A lease of this process: a chat belongs to one of its runs, under an epoch."""

    chat_digest: str
    run_id: str
    epoch: int
    #: the log that belongs to it
    log_id: str


def hash_chat_key(key: ChatKey) -> str:
    """Return the digest that names a chat in Redis keys: ids may hold any character."""
    return hashlib.sha256(json_codec.encode(list(key))).hexdigest()[:32]


def chat_key(chat_digest: str) -> str:
    return f"usechat:chat:{chat_digest}"


def log_key(log_id: str) -> str:
    return f"usechat:log:{log_id}"


def folded_key(log_id: str) -> str:
    return f"usechat:folded:{log_id}"


def readers_key(log_id: str) -> str:
    return f"usechat:readers:{log_id}"


def resumes_key(chat_digest: str) -> str:
    return f"usechat:resumes:{chat_digest}"


def wake_key(process: str) -> str:
    return f"usechat:wake:{process}"


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
