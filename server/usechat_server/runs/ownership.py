"""Who decides whether this process owns a run: the store if there is one, else the lease."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ui_message_stream.messages import UIMessage

from usechat_server.coordination.lease import Lease
from usechat_server.results import Outcome, Step

__all__ = ["LeaseOwnership", "RunOwnership"]


class RunOwnership(Protocol):
    """What a run asks, and records, where it is decided who owns it."""

    #: whether there is a store, which gets the message
    has_store: bool

    @property
    def is_proven(self) -> bool:
        """Whether no other process can own the run now."""
        ...

    async def begin_call(self, call_id: str) -> bool:
        """Record that a tool call begins.

        Returns:
            Whether this process owns the run. Otherwise the call must not run.

        Raises:
            StoreUnavailable: The call must not run, since it is unknown who owns the run.
        """
        ...

    def end_call(self, call_id: str) -> None:
        """Record that a tool call has ended, without waiting."""
        ...

    async def store_end(self, message: UIMessage, outcome: Outcome, steps: Sequence[Step]) -> bool:
        """Store the whole message, and wait for a store that is unavailable.

        Args:
            message: The message.
            outcome: How the run ended.
            steps: Its model calls.

        Returns:
            Whether it is stored. False: another process has the run, or its chat was deleted.

        Raises:
            Exception: The store did not take it.
        """
        ...

    def close(self) -> None:
        """Record nothing more. Idempotent."""
        ...


class LeaseOwnership:
    """Without a store: what is in the log is all that another process would find."""

    has_store = False

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    @property
    def is_proven(self) -> bool:
        return self._lease.is_valid

    async def begin_call(self, call_id: str) -> bool:
        return await self._lease.wait_until_durable()

    def end_call(self, call_id: str) -> None:
        pass

    async def store_end(self, message: UIMessage, outcome: Outcome, steps: Sequence[Step]) -> bool:
        return True

    def close(self) -> None:
        pass
