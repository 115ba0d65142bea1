"""`Ownership`: where it is decided who owns a run, if there is a store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ui_message_stream.messages import UIMessage

from usechat_server.results import Outcome

__all__ = [
    "LEASE",
    "Orphan",
    "Owner",
    "Ownership",
    "Progress",
    "Renewal",
    "RunEnd",
    "RunningRuns",
    "TakenOverTurn",
]

#: Seconds after its last renewal until another process may take over the runs of a process.
LEASE = 5.0


class RunEnd(NamedTuple):
    """How a run ended, according to the store."""

    #: None: its chat was deleted
    outcome: Outcome | None
    #: up to where its process had written the log; None: it did not say
    log_position: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run has written so far, as it is stored.

    Attributes:
        run_id: Id of the run.
        epoch: The epoch that its process owns it under.
        message: The assistant message, with all of its parts so far.
        log_id: Id of the log that the message was read from.
        log_position: Up to where the log was read.
        ended_calls: Ids of the tool calls that have ended.
    """

    run_id: str
    epoch: int
    message: UIMessage
    log_id: str
    log_position: str
    ended_calls: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Orphan:
    """An open turn that no process runs, as of an epoch: its process has not renewed its lease, or
    does not know that it owns it, since the reply to a transaction was lost."""

    user: str | None
    chat_id: str
    run_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a process learns when it renews its lease.

    Attributes:
        owned: Ids and epochs of the open turns that it owns.
        orphans: Open turns of processes whose lease has expired, and those of this process that it
            does not run.
    """

    owned: Collection[tuple[str, int]]
    orphans: Sequence[Orphan]


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that began or took over the open turn of a chat.

    Attributes:
        run_id: Id of the run.
        process: Id of the process.
        expires_at: When its lease expires; only to be compared with an earlier one.
        is_alive: Whether it is another process, whose lease is valid.
    """

    run_id: str
    process: str
    expires_at: int
    is_alive: bool


@dataclass(frozen=True, slots=True)
class TakenOverTurn:
    """An open turn that another process has left, and that this one owns now.

    Attributes:
        epoch: The epoch that this process owns it under.
        message_id: Id of the assistant message that it writes.
        request: The turn as JSON, without its history; None: a former release began it.
        request_digest: Digest of the request that it responds to.
        history: The messages before the assistant message.
        message: The assistant message as it is stored; None: nothing of it is.
        log_id: Id of the log that it was read from; None: nothing is stored.
        log_position: Up to where.
        begun_calls: Ids of the tool calls that began and must not run again; None: it is unknown.
        earlier_takeovers: How often it was taken over before.
        idle_seconds: How long ago the lease of its process expired.
    """

    epoch: int
    message_id: str
    request: str | None
    request_digest: str
    history: Sequence[UIMessage]
    message: UIMessage | None
    log_id: str | None
    log_position: str | None
    begun_calls: Collection[str] | None
    earlier_takeovers: int
    idle_seconds: float


class RunningRuns(Protocol):
    """The runs of one app in this process."""

    @property
    def ids(self) -> Collection[str]:
        """The ids of the runs that are not done, and of those that are about to begin."""
        ...


class Ownership(Protocol):
    """Decides who owns a run. Each async method is one transaction, and raises StoreUnavailable.

    Several apps may share it. In one event loop they are one process, with one lease.
    """

    def add_runs(self, runs: RunningRuns) -> None:
        """Count the runs of an app as runs of this process, as long as the object exists."""
        ...

    @property
    def running(self) -> Collection[str]:
        """The ids of all runs of this process, also of those that it is about to begin."""
        ...

    async def renew(self, progress: Sequence[Progress]) -> Renewal:
        """Renew the lease of this process, and store what its runs have written.

        Of a run that this process does not own under the given epoch, nothing is stored.

        Args:
            progress: What they have written.
        """
        ...

    async def orphans(self) -> Sequence[Orphan]:
        """Return open turns of processes whose lease has expired."""
        ...

    async def owner(self, user: str | None, chat_id: str) -> Owner | None:
        """Return the owner of a chat's open turn; None: there is none."""
        ...

    async def begin_calls(self, run: Progress, call_ids: Collection[str]) -> bool:
        """Record that tool calls begin, together with the message that has them. Idempotent.

        Returns:
            Whether this process owns the run. Otherwise they must not run.
        """
        ...

    async def take_over(self, orphan: Orphan) -> TakenOverTurn | None:
        """Take an open turn over, which may be this process's own; None: its process is back, or
        another one was faster."""
        ...

    async def end_of(self, run_id: str) -> RunEnd | None:
        """Return how a run ended; None: it has not."""
        ...

    async def leave(self) -> None:
        """Give the lease of this process up: it has no open turns any more."""
        ...
