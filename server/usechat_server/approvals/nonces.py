"""Which approvals were used: remembered until they could not be used anyway."""

from __future__ import annotations

import os
import secrets
import threading
from time import monotonic
from typing import Protocol

__all__ = ["MemoryNonces", "Nonces"]


class Nonces(Protocol):
    """Where used approvals are remembered."""

    @property
    def scope(self) -> bytes:
        """The same wherever the same is remembered. An approval counts only within its scope: else
        it would count once in each."""
        ...

    async def use(self, nonce: str, seconds: float) -> bool:
        """Takes a nonce, for that long at least; False if it was taken before. Of any number of
        calls at once, one is first."""
        ...


class MemoryNonces:
    """Remembers in this process: what was issued by another one, or before a restart, is unknown
    here and does not count."""

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

    async def use(self, nonce: str, seconds: float) -> bool:
        now = monotonic()
        with self._lock:
            while self._used and (oldest := next(iter(self._used.items())))[1] <= now:
                del self._used[oldest[0]]
            if nonce in self._used:
                return False
            self._used[nonce] = now + seconds
            return True
