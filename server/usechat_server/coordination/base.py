"""Registry of active runs across processes: owner, state and log of the one run per chat.

A chat has at most one run that has not ended. A process owns it through a lease: the run's id and
an epoch, a number that grows with every claim and every takeover of the chat.

| state   | entered by                 | the owner may                | others find            |
|---------|----------------------------|------------------------------|------------------------|
| free    | `Lease.release`, forgotten | –                            | nothing                |
| claimed | `Coordinator.acquire`      | decide on the turn           | its state, no log yet  |
| active  | `Lease.begin`, a takeover  | append to the log, run tools | its state and the log  |
| ended   | `Lease.end`                | –                            | the log                |

The chat of an ended run can be acquired again. The run is forgotten when its end was
acknowledged, or after `UNACKNOWLEDGED_SECONDS`.

Who owns a run, and what its owner may do, is decided in one place. With a store these are its
transactions (see `Ownership`): a claim only keeps two requests from doing the same work,
a coordinator carries logs, requests to stop and readers, and what it has lost it is given again.
Without a store it is the coordinator, which keeps these rules:

- *Claim.* `acquire` is atomic: of any number of processes, one gets a chat that is free.
- *Epoch.* Every write of an owner carries its epoch and is refused once there is a higher one.
  A takeover keeps the run's id and raises the epoch. It is possible as soon as a lease was not
  renewed in time; a claim that was not renewed has no log yet, so it is just dropped.
- *Tool began, tool ended.* The log says so: the chunks of a tool call are durable before a tool
  runs that must not run twice, and the output is a chunk of its own. A new owner that finds a call
  without an output does not know whether the tool ran, and does not run it again. (A store records
  which calls began.)
- *Finish.* A process shows the end of a log only while it knows that it owns the run. First
  everything in the log is durable, then the message is stored, then readers see the end, then the
  chat is free.

Methods here are called once for a request, a run or a reader. Nothing is awaited for a chunk: a
coordinator that publishes a log does so as one more reader of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple, Protocol

from usechat_server.coordination.lease import Lease
from usechat_server.coordination.orphans import FormerLog
from usechat_server.coordination.subscription import LogSubscription

__all__ = [
    "UNACKNOWLEDGED_SECONDS",
    "ChatKey",
    "Coordinator",
    "RunState",
]

#: Seconds that a log is kept whose end no client has received.
UNACKNOWLEDGED_SECONDS = 60.0


class ChatKey(NamedTuple):
    """A chat of a user. Chats of different users are unrelated, whatever their ids."""

    user: str | None
    chat_id: str


class RunState(NamedTuple):
    """The last run of a chat, of this process or another, as it was when it was looked up."""

    run_id: str
    request_digest: str
    #: whether the lease was claimed, has begun, or has ended and so freed the chat
    state: Literal["claimed", "active", "ended"]
    #: whether the log has its end; the message may not be stored yet
    has_ended: bool
    #: whether a client has received the end
    is_acknowledged: bool
    #: whether the lease has ended after a complete response
    is_complete: bool = False
    #: the ids of the message that the run writes, and of the one that it responds to; none before
    #: it has begun
    message_ids: tuple[str, ...] = ()
    #: how many clients read the log, as far as this process knows
    readers: int = 1


class Coordinator(Protocol):
    """Knows the runs of all processes. One per event loop."""

    # Claiming a chat

    async def acquire(self, key: ChatKey, run_id: str, request_digest: str) -> Lease | None:
        """Claim a chat for a new run, atomically.

        Args:
            key: The chat.
            run_id: Id of the new run.
            request_digest: Digest of the request, the same whenever a client repeats it.

        Returns:
            The lease. None if another lease has not ended, or if the run of the same request has
            completed but its end was not yet delivered: use `get`.

        Raises:
            ServiceUnavailable: If it is unknown whether the chat is free.
        """
        ...

    async def adopt(self, key: ChatKey, run_id: str) -> Lease | None:
        """Claim a chat for a run whose process is gone, according to the store.

        Returns:
            The lease, whose epoch, request digest and log the caller sets. None while another run
            of this process has the chat.
        """
        ...

    async def former_log(self, key: ChatKey, run_id: str) -> FormerLog | None:
        """Return what the former process of a run has published; None: nothing is left of
        it, or it is unknown."""
        ...

    # Finding, reading and stopping a run, in whichever process it is

    async def get(self, key: ChatKey) -> RunState | None:
        """Return the run that a client can still follow.

        Returns:
            A run whose lease has not ended, or ended less than `UNACKNOWLEDGED_SECONDS` ago without
            its end having been acknowledged. None if there is none.
        """
        ...

    async def active_run_ids(self, keys: Collection[ChatKey]) -> Mapping[ChatKey, str]:
        """Return the ids of the runs whose log has no end yet, by chat; other chats are left out.

        Args:
            keys: The chats to look at.
        """
        ...

    async def subscribe(self, key: ChatKey, run_id: str) -> LogSubscription | None:
        """Wait until the log of a run begins, and read it; None if it was released, or is gone."""
        ...

    async def wait_until_free(self, key: ChatKey, run_id: str, seconds: float) -> bool:
        """Wait until a run has freed its chat; False after so many seconds."""
        ...

    async def stop(
        self, key: ChatKey, *, run_id: str | None = None, message_id: str | None = None
    ) -> None:
        """End the chat's active run, in whichever process it is.

        Returns when its log has its end, or after `STOP_SECONDS`. A run that was claimed and has
        not begun ends as soon as it begins. Does nothing if no run matches.

        Args:
            key: The chat.
            run_id: Stop only this run.
            message_id: Stop only the run that writes this message, or responds to it.
        """
        ...

    # What clients have received, and will ask for

    async def mark_acknowledged(self, key: ChatKey, run_id: str) -> None:
        """Record that a client has received the end of a run.

        It completes even if the caller is cancelled. Once it returns, the same request starts a new
        run in every process.
        """
        ...

    async def expect_reader(self, key: ChatKey) -> str | None:
        """Keep the run's end for a client that was sent the chat without the message in progress.

        Until that client subscribes, the end counts as not acknowledged for `get`, even if other
        clients have received it.

        Returns:
            The id of the run; None if there is nothing to follow.
        """
        ...

    async def record_resumption(self, key: ChatKey) -> None:
        """Record that a client of the chat asks for its run when it comes back."""
        ...

    async def is_resumed(self, key: ChatKey) -> bool:
        """Return whether a client of the chat has asked for its run before, or it is unknown."""
        ...

    async def aclose(self) -> None: ...
