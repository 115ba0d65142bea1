"""A lease in Redis: a chat that this process owns, and its run as other processes see it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from weakref import ref

from usechat_server.coordination.base import ChatKey, RunState
from usechat_server.coordination.lease import COMPLETE_OUTCOMES, LeasedRun
from usechat_server.coordination.redis.commands import RenewedLease
from usechat_server.coordination.redis.connection import COMMAND_SECONDS, UNAVAILABLE
from usechat_server.coordination.redis.keys import HeldLease
from usechat_server.coordination.redis.published_log import PublishedLog
from usechat_server.coordination.redis.publisher import LogPublisher
from usechat_server.coordination.stop import concerns, message_ids
from usechat_server.results import Outcome

__all__ = ["RedisLease"]

#: Seconds that a run waits, at most, for what was appended to be in Redis: when it begins, when it
#: ends, and before a tool runs that must not run twice. While Redis is unavailable it does not
#: wait.
_DURABLE_SECONDS = 2.0


class RedisLease:
    """See `Lease`."""

    def __init__(
        self,
        key: ChatKey,
        held: HeldLease,
        request_digest: str,
        publisher: LogPublisher,
        forget: Callable[[RedisLease], None],
        *,
        store_decides: bool,
    ) -> None:
        """Hold a lease that Redis, or the store, has granted.

        Args:
            key: The chat.
            held: The lease, as Redis knows it.
            request_digest: Digest of the request that the run responds to.
            publisher: Publishes the log of the run.
            forget: Called when the lease does not have to be renewed any more.
            store_decides: Whether the store decides who owns the run.
        """
        self.key = key
        self.run_id: str = held.run_id
        self.epoch: int = held.epoch
        self.log_id: str = held.log_id
        self.request_digest = request_digest
        self._chat_digest = held.chat_digest
        self._store_decides = store_decides
        self.run: LeasedRun | None = None
        #: whether a client of this process has received the end
        self.is_acknowledged = False
        self._commands = publisher.commands
        self._publisher = publisher
        self._forget = forget
        self._published: PublishedLog | None = None
        self._stop_request = ""
        #: other processes that read the log, as the run knows them
        self._remote_readers: int | None = None

    @property
    def held(self) -> HeldLease:
        """The lease as Redis knows it."""
        return HeldLease(self._chat_digest, self.run_id, self.epoch, self.log_id)

    @property
    def is_valid(self) -> bool:
        published = self._published
        if published is None:
            return True
        return not (published.is_lost or published.lease_may_have_expired)

    @property
    def is_over(self) -> bool:
        """Whether only Redis does not know yet that the run has ended."""
        return self._published is not None and self._published.on_freed is not None

    def drop(self) -> None:
        """See `Lease`; also for a run that has ended, if the chat has a new one."""
        if self._published is not None:
            self._published.is_lost = True
            self._published.progress.set()
        self._forget(self)
        self.run = None

    @property
    def is_lost(self) -> bool:
        """Whether another process owns the run."""
        return self._published is not None and self._published.is_lost

    async def begin(self, run: LeasedRun) -> None:
        turn = run.turn
        self.run = run
        fields: dict[str, str | bytes] = {
            "run": self.run_id,
            "log": self.log_id,
            "digest": self.request_digest,
            "owner": self._commands.process,
            "message": turn.message_id,
            "question": turn.question_id,
            # The history is in the store.
            "turn": turn.to_json(with_history=not self._store_decides),
        }
        # Weak, since the run has this lease: as a cycle, its history would stay in memory.
        owner = ref(run)

        def is_owner() -> bool:
            run = owner()
            return run is not None and run.is_proven_owner

        self._published = PublishedLog(
            *(self.held, run.log, fields, self._abandon),
            is_owner if self._store_decides else None,
        )
        self._publisher.publish(self._published)
        await self._publisher.wait(self._published, _DURABLE_SECONDS)
        self._apply_stop_request(run)

    async def wait_until_durable(self) -> bool:
        published = self._published
        if published is None:
            return True
        await self._publisher.wait(published, _DURABLE_SECONDS)
        if self._store_decides:
            return True
        if published.lease_may_have_expired and not published.is_lost:
            # This process was suspended for a while. Only Redis knows whether it owns the run.
            with suppress(*UNAVAILABLE):
                async with asyncio.timeout(COMMAND_SECONDS):
                    sent_at = monotonic()
                    _, (renewed,) = await self._commands.renew([self.held])
                    self.on_renewed(renewed, sent_at)
            if published.lease_may_have_expired:
                published.abandon()
        return not published.is_lost

    async def release(self) -> None:
        self._forget(self)
        with suppress(*UNAVAILABLE):  # else the lease expires
            await self._commands.release(self.held)

    async def end(self, outcome: Outcome) -> None:
        published = self._published
        if published is None or published.is_lost:
            return
        published.is_unacknowledged = outcome in COMPLETE_OUTCOMES and not self.is_acknowledged
        published.on_freed = self._on_freed
        self._publisher.end_run(published)
        await self._publisher.wait(published, _DURABLE_SECONDS, end=True)

    def local_state(self) -> RunState | None:
        """Return what is known of the run without Redis; None if it has not begun."""
        if self.run is None:
            return None
        has_ended = self.run.log.has_ended
        return RunState(
            *(self.run_id, self.request_digest, "active", has_ended, self.is_acknowledged),
            message_ids=message_ids(self.run.turn),
        )

    def request_stop(self, run_id: str | None, message_id: str | None) -> bool:
        """Stop the run, if the request is about it. Return whether it has begun."""
        if self.run is None:
            return False
        if run_id in {None, self.run_id}:
            self._stop_request = message_id or "*"
            self._apply_stop_request(self.run)
        return True

    def on_renewed(self, renewed: RenewedLease, sent_at: float) -> None:
        """Apply the result of a renewal that was sent at a time of the monotonic clock."""
        published, run = self._published, self.run
        if renewed.status == "held":
            if published is not None:
                published.confirm_ownership(sent_at)
        elif published is not None:
            self._publisher.report_lost_lease(published, renewed.status)
        self._stop_request = renewed.stop_request
        if run is not None:
            self._apply_stop_request(run)
            if renewed.remote_readers != self._remote_readers:
                self._remote_readers = renewed.remote_readers
                run.set_remote_readers(renewed.remote_readers)

    def on_unavailable(self) -> None:
        """Note that Redis is unavailable."""
        if self._published is not None:
            self._published.on_unavailable()

    def _apply_stop_request(self, run: LeasedRun) -> None:
        if not self._stop_request:
            return
        message_id = None if self._stop_request == "*" else self._stop_request
        if concerns(run.turn, message_id):
            run.stop()

    def _abandon(self) -> None:
        self._forget(self)
        run, self.run = self.run, None
        if run is not None:
            run.abandon()

    def _on_freed(self) -> None:
        self._forget(self)
        # They have this lease, and the history of the chat.
        self.run = self._published = None
