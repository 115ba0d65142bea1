"""A chat that is this process's, and what other processes are told of its run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from usechat_server.coordination.base import COMPLETE_OUTCOMES, ChatKey, LeasedRun
from usechat_server.coordination.redis.commands import UNAVAILABLE, Claimed, HeldLease, Kept
from usechat_server.coordination.redis.published_log import PublishedLog
from usechat_server.coordination.redis.publisher import LogPublisher
from usechat_server.results import Outcome

__all__ = ["RedisLease"]

#: Seconds that a run waits, at most, for what it said to be in Redis: at its begin, at its end, and
#: before a tool runs that must not run twice. While Redis is away it does not wait.
_PATIENCE = 2.0


class RedisLease:
    """A lease, see `runs.board.Lease`. `forget` is called when there is nothing left to keep up."""

    def __init__(
        self,
        key: ChatKey,
        held: HeldLease,
        digest: str,
        publisher: LogPublisher,
        forget: Callable[[RedisLease], None],
    ) -> None:
        self.key = key
        self.held = held
        self.run_id = held.run_id
        self.epoch = held.epoch
        self.digest = digest
        self.run: LeasedRun | None = None
        #: whether somebody in this process got the end
        self.delivered = False
        self._shared = publisher.shared
        self._publisher = publisher
        self._forget = forget
        self._copy: PublishedLog | None = None
        self._stop = ""
        #: processes that read the log elsewhere, as the run was told
        self._readers: int | None = None

    @property
    def is_lost(self) -> bool:
        """Whether another process has the chat."""
        return self._copy is not None and self._copy.is_lost

    async def begin(self, run: LeasedRun) -> None:
        turn = run.turn
        self.run = run
        fields: dict[str, str | bytes] = {
            "run": self.run_id,
            "digest": self.digest,
            "owner": self._shared.process,
            "message": turn.message_id,
            "question": turn.messages[-1].id,
            "turn": turn.to_json(),
        }
        self._copy = PublishedLog(self.held, run.log, fields, self._lose)
        self._publisher.follow(self._copy)
        await self._publisher.wait(self._copy, _PATIENCE)
        self._heed(run)

    async def wait_until_durable(self) -> bool:
        copy = self._copy
        if copy is None:
            return True
        if copy.is_doubtful:
            # This process was stopped for a while.
            with suppress(*UNAVAILABLE):
                _, (kept,) = await self._shared.renew([self.held])
                self.told(kept)
        await self._publisher.wait(copy, _PATIENCE)
        return not copy.is_lost

    async def release(self) -> None:
        self._forget(self)
        with suppress(*UNAVAILABLE):  # else it expires
            await self._shared.release(self.held)

    async def end(self, outcome: Outcome) -> None:
        copy = self._copy
        if copy is None or copy.is_lost:
            return
        copy.owed = outcome in COMPLETE_OUTCOMES and not self.delivered
        copy.over = lambda: self._forget(self)
        self._publisher.end(copy)
        await self._publisher.wait(copy, _PATIENCE, end=True)

    def as_claimed(self) -> Claimed | None:
        """What is known of its run without Redis; None if it has not begun."""
        if self.run is None:
            return None
        closed = self.run.log.has_ended
        return Claimed(self.run_id, self.digest, "active", closed, self.delivered)

    def stop(self, run_id: str | None, message_id: str | None) -> bool:
        """Asks its run to end, if it is the one that was meant; whether it has begun."""
        if self.run is None:
            return False
        if run_id in {None, self.run_id}:
            self._stop = message_id or "*"
            self._heed(self.run)
        return True

    def told(self, kept: Kept) -> None:
        """How it was found at its renewal."""
        copy, run = self._copy, self.run
        if kept.word == "held":
            if copy is not None:
                copy.confirmed()
        elif copy is not None:
            self._publisher.refuse(copy, kept.word)
        self._stop = kept.stop
        if run is not None:
            self._heed(run)
            if kept.readers != self._readers:
                self._readers = kept.readers
                run.set_remote_readers(kept.readers)

    def unreachable(self) -> None:
        """Redis is away."""
        if self._copy is not None:
            self._copy.unreachable()

    def _heed(self, run: LeasedRun) -> None:
        turn = run.turn
        if self._stop in {"*", turn.message_id, turn.messages[-1].id}:
            run.stop()

    def _lose(self) -> None:
        self._forget(self)
        if self.run is not None:
            self.run.abandon()
