"""Where the active turns of all processes are known: one a chat, whose it is, how to read it.

Everything here is asked once a request, a run or a reader. Nothing is ever awaited for a chunk:
what a board does with a run's chunks, it does as one more reader of the run's log.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from usechat_server.results import Outcome
from usechat_server.run_log.log import Log
from usechat_server.turn import Turn

__all__ = [
    "Adopt",
    "ChatKey",
    "Coordinator",
    "Lease",
    "LeasedRun",
    "LogSubscription",
    "OrphanedRun",
    "RunHandle",
]

#: Seconds that a log is kept whose end nobody has got.
UNDELIVERED_SECONDS = 60.0


class ChatKey(NamedTuple):
    """Whose chat. Chats of different users have nothing in common, whatever their ids."""

    user: str | None
    chat_id: str


class Coordinator(Protocol):
    """One an event loop."""

    async def claim(self, key: ChatKey, run_id: str, digest: str) -> Lease | None:
        """The chat for a new turn, atomically. None: another lease has not ended, or the turn of
        the same request (by its digest) has just ended complete and nobody got its end: `find` it.
        May raise ServiceUnavailable."""
        ...

    async def find(self, key: ChatKey) -> RunHandle | None:
        """The turn that a page can still follow: its lease has not ended, or less than a minute ago
        and nobody got the log's end."""
        ...

    async def running(self, keys: Collection[ChatKey]) -> Mapping[ChatKey, str]:
        """Which of these chats have a turn whose log has no end yet, and the ids of their runs."""
        ...

    async def stop(
        self, key: ChatKey, *, run_id: str | None = None, message_id: str | None = None
    ) -> None:
        """Ends the chat's active turn wherever it runs; returns when its log has its end, or after
        some seconds. Nothing if there is none, or not that run, or one that neither writes nor
        answers that message. A turn that was claimed and has not begun ends as it begins."""
        ...

    async def delivered(self, key: ChatKey, run_id: str) -> None:
        """Somebody has the end of that run. It goes through although its caller is cancelled, and
        before it returns, the same request is a new turn for every process."""
        ...

    async def promised(self, key: ChatKey) -> str | None:
        """A page was given the chat without the message that is being written, so it will come to
        read it: until then the end counts as not delivered for `find`, whoever else got it. The
        run's id; None if there is nothing to follow."""
        ...

    async def aclose(self) -> None: ...


class RunHandle(Protocol):
    """A turn that was claimed, by this process or another."""

    run_id: str
    digest: str

    @property
    def ended(self) -> bool:
        """Whether its log has its end; it may have to be stored yet."""
        ...

    @property
    def delivered(self) -> bool:
        """Whether somebody got its end."""
        ...

    async def open(self) -> LogSubscription | None:
        """Its log, as soon as it begins; None if its claim was given back, or it is gone."""
        ...

    async def over(self, seconds: float) -> bool:
        """Waits until its chat is free: its lease ended or was given back; False after so long."""
        ...


class LogSubscription(Protocol):
    """A log to read: that of a run here, or a copy which follows a run elsewhere. From `open` to
    `close` there is a reader."""

    run_id: str
    log: Log

    def cut(self) -> None:
        """This process goes down: a run here ends (see `Run.interrupt`), one elsewhere goes on."""
        ...

    def wrote(self) -> None:
        """A piece of it was sent. Called for each write, so it must cost nothing."""
        ...

    def close(self) -> None:
        """The reader leaves. Idempotent; never waits."""
        ...


class LeasedRun(Protocol):
    """A run, as a lease sees it. None of these waits."""

    turn: Turn
    log: Log

    def stop(self) -> None:
        """Somebody asked for it."""
        ...

    def lose(self) -> None:
        """Another process has the chat now: this run ends here, and nothing of it is kept."""
        ...

    def read_elsewhere(self, readers: int) -> None:
        """So many readers follow it in other processes; told whenever that changes."""
        ...

    def open(self) -> LogSubscription:
        """One more reader of its log here."""
        ...


class Lease(Protocol):
    """A chat that is this process's, until `end` or `release`; kept up by the board itself."""

    run_id: str
    #: how often the run was taken over: what is written under a lower one comes from the dead
    epoch: int

    async def begin(self, run: LeasedRun) -> None:
        """The turn is known and its log has begun: from now on it can be read, stopped and taken
        over from anywhere. Called once, before a model is asked; never fails."""
        ...

    async def durable(self) -> bool:
        """Waits until all that was appended so far is where a takeover finds it. False if the lease
        is lost; True also if that cannot be known for now."""
        ...

    async def release(self) -> None:
        """The turn was refused before it began."""
        ...

    async def end(self, outcome: Outcome) -> None:
        """The log has its end and the answer is stored, so the chat is free. Waits for nothing but,
        for a while, to tell other processes."""
        ...


@dataclass(frozen=True, slots=True)
class OrphanedRun:
    """A run whose process is gone, as its last lease left it."""

    turn: Turn
    log: Log
    #: a new one, which has not begun
    lease: Lease
    #: whether the model may go on with it; else it only needs a legal end
    go_on: bool


#: Takes a run over; what a board that knows of other processes calls.
Adopt = Callable[[OrphanedRun], Awaitable[None]]
