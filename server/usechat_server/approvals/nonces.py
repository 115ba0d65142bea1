"""Used approvals, remembered for as long as they would be valid."""

from __future__ import annotations

import os
import secrets
import threading
from time import monotonic
from typing import Protocol

__all__ = ["MemoryNonces", "Nonces"]


class Nonces(Protocol):
    """The nonces of used approvals."""

    @property
    def scope(self) -> bytes:
        """Identifies the set of nonces, and is part of what an approval proves: an approval is
        valid in one scope only, since it could be used once in each of several."""
        ...

    async def consume(self, nonce: str, seconds: float) -> bool:
        """Mark a nonce as used, for at least that many seconds.

        Returns:
            Whether it was unused. Of any number of concurrent calls, one gets True.
        """
        ...


class MemoryNonces:
    """Nonces in this process's memory: approvals that another process issued, or this one before a
    restart, are not valid here."""

    def __init__(self) -> None:
        self._random = secrets.token_bytes(16)
        #: nonce → when it can be forgotten; the oldest first
        self._used: dict[str, float] = {}
        # An app may be served by several event loops, each in a thread of its own.
        self._lock = threading.Lock()

    @property
    def scope(self) -> bytes:
        # The process too: a server may fork after the app was made.
        return self._random + os.getpid().to_bytes(8, "big")

    async def consume(self, nonce: str, seconds: float) -> bool:
        now = monotonic()
        with self._lock:
            while self._used and (oldest := next(iter(self._used.items())))[1] <= now:
                del self._used[oldest[0]]
            if nonce in self._used:
                return False
            self._used[nonce] = now + seconds
            return True
