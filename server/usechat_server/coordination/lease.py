"""A lease of a chat, and what it needs of the run that holds it."""

from __future__ import annotations

from typing import Protocol

from usechat_server.coordination.subscription import LogSubscription
from usechat_server.results import Outcome
from usechat_server.run_log.log import Log
from usechat_server.turn import Turn

__all__ = ["COMPLETE_OUTCOMES", "Lease", "LeasedRun"]

#: Outcomes of a complete response. After any other one, the same request starts a new run.
COMPLETE_OUTCOMES: frozenset[Outcome] = frozenset({"finished", "waiting"})


class LeasedRun(Protocol):
    """A run, as its lease sees it. No method waits."""

    turn: Turn
    log: Log

    def stop(self) -> None:
        """End it, as a client asked for."""
        ...

    def abandon(self) -> None:
        """End it without storing anything: another process owns the run now."""
        ...

    def set_remote_readers(self, readers: int) -> None:
        """Set how many other processes read its log; called whenever that changes."""
        ...

    @property
    def readers(self) -> int:
        """How many clients in this process, and other processes, read its log."""
        ...

    @property
    def is_proven_owner(self) -> bool:
        """Whether no other process can own the run now."""
        ...

    def subscribe(self) -> LogSubscription:
        """Add a reader of its log in this process."""
        ...


class Lease(Protocol):
    """A chat that this process owns, until it ends, is released or dropped. The coordinator renews
    it."""

    run_id: str
    #: raised by every takeover: what is written under a lower one comes from a former owner
    epoch: int
    request_digest: str
    #: the log that this process writes: the run's id, unless an earlier log of the run was lost
    log_id: str

    @property
    def is_valid(self) -> bool:
        """Whether no other process can own the chat now, as far as it depends on this lease."""
        ...

    async def begin(self, run: LeasedRun) -> None:
        """Publish the run: from now on any process can read it, stop it and take it over.

        Called once, when the turn is known and the log has begun, before a model is called. Never
        fails.
        """
        ...

    async def wait_until_durable(self) -> bool:
        """Wait until a takeover would find everything that was appended so far.

        Returns:
            Whether this process owns the run. If the shared state is unavailable: True as long as
            the lease is valid or the outage began while it was, since then no other process can
            take the run over.
        """
        ...

    async def release(self) -> None:
        """Free the chat: the turn was refused before it began."""
        ...

    def drop(self) -> None:
        """Renew and publish nothing more: another process owns the run. Idempotent."""
        ...

    async def end(self, outcome: Outcome) -> None:
        """Free the chat: the log has its end and the message is stored.

        Waits a moment until other processes know, and for nothing else.
        """
        ...
