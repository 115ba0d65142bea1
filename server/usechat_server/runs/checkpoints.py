"""Checkpoints of all runs of a process, in one transaction, which also keeps its lease."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context
from time import monotonic
from typing import Protocol

from usechat_server.aio import cancel
from usechat_server.coordination.ownership import LEASE, Orphan, Ownership, Progress, Renewal
from usechat_server.errors import StoreUnavailable

__all__ = ["CHECKPOINT_SECONDS", "Checkpoints", "StoredRun"]

logger: logging.Logger = logging.getLogger("usechat.run")

#: Seconds between two checkpoints of a message that grows.
CHECKPOINT_SECONDS = 1.0
#: Seconds between two renewals of the lease.
RENEWAL = 1.0
#: Seconds between two ticks after which other processes may not have renewed their leases.
_MAX_GAP = LEASE - 2 * RENEWAL
#: Seconds from the end of a tool call to its checkpoint: what ends together is stored together.
_PAUSE = 0.02


class StoredRun(Protocol):
    """A run, as its checkpoints see it. No method waits."""

    run_id: str
    epoch: int

    def progress(self, now: float) -> Progress | None:
        """Return what is to be stored now; None if there is nothing, or it can wait."""
        ...

    def on_stored(self, progress: Progress, now: float) -> None:
        """Record that the store has it."""
        ...

    def abandon(self) -> None:
        """End the run without storing anything: another process owns it now."""
        ...


class Checkpoints:
    """Ticks once a second, and when a tool call or a step has ended. One per event loop.

    Each tick stores what all runs have written, renews the lease of this process, and finds the
    open turns of processes that are gone.
    """

    def __init__(
        self,
        ownership: Ownership,
        take_over: Callable[[Orphan], None],
        *,
        seconds: float = CHECKPOINT_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Create it; it begins to tick with `start`.

        Args:
            ownership: The store's.
            take_over: Called with each open turn that no process runs.
            seconds: Seconds between two checkpoints of a message that grows.
            clock: Returns seconds that never go back.
        """
        self.ownership = ownership
        self.seconds = seconds
        self._take_over = take_over
        self._clock = clock
        self._runs: set[StoredRun] = set()
        #: runs whose last checkpoint the database refused
        self._refused: set[StoredRun] = set()
        #: when the renewal was sent that gave this process its lease
        self._renewed_at = -LEASE
        #: since when every tick has reached the store
        self._reached_since: float | None = None
        self._reached_at = 0.0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to tick. Idempotent."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="checkpoints", context=Context())

    def add(self, run: StoredRun) -> None:
        """Store a run from now on."""
        self._runs.add(run)
        self._wake.set()
        self.start()

    def remove(self, run: StoredRun) -> None:
        """Store a run no more. Idempotent."""
        self._runs.discard(run)
        self._refused.discard(run)

    def wake(self) -> None:
        """Tick now."""
        self._wake.set()

    @property
    def has_lease(self) -> bool:
        """Whether no other process can have taken over a run that this one owned."""
        return self._clock() - self._renewed_at < LEASE

    def confirm_lease(self, sent_at: float) -> None:
        """Record that a transaction renewed the lease that was sent at that time."""
        self._renewed_at = max(self._renewed_at, sent_at)

    def is_due(self, stored_at: float, now: float) -> bool:
        """Whether what was stored at some time is to be stored anew, rather than a tick later."""
        return now - stored_at >= self.seconds - self._pause / 2

    @property
    def _pause(self) -> float:
        return min(RENEWAL, self.seconds)

    def now(self) -> float:
        """Return the seconds of the clock."""
        return self._clock()

    async def aclose(self) -> None:
        """Stop ticking, and give the lease up if it protects nothing any more."""
        if self._task is not None:
            await cancel([self._task])
        is_needed = self._runs or self.ownership.running
        if not is_needed and self._renewed_at >= 0:
            with suppress(StoreUnavailable):
                await self.ownership.leave()

    async def tick(self) -> None:
        """Store what is due, renew the lease, and look for orphans."""
        runs, sent_at = list(self._runs), self._clock()
        try:
            if runs:
                renewal = await self._store(runs, sent_at)
                orphans: Sequence[Orphan] = renewal.orphans
            else:
                orphans = await self.ownership.orphans()
        except StoreUnavailable:
            self._reached_since = None
            return
        now = self._clock()
        if self._reached_since is None or now - self._reached_at > _MAX_GAP:
            self._reached_since = now
        self._reached_at = now
        # While the store was unavailable no lease could be renewed: give living owners time for it.
        # While this process was suspended, it may have been the one that kept them from it.
        if now - self._reached_since >= LEASE:
            for orphan in orphans:
                self._take_over(orphan)

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause):
                    await self._wake.wait()
                    await asyncio.sleep(_PAUSE)
            self._wake.clear()
            try:
                await self.tick()
            except Exception:
                logger.exception("checkpoints failed")

    async def _store(self, runs: Sequence[StoredRun], sent_at: float) -> Renewal:
        due = [(run, progress) for run in runs if (progress := run.progress(sent_at))]
        shared = [(run, progress) for run, progress in due if run not in self._refused]
        alone = [(run, progress) for run, progress in due if run in self._refused]
        try:
            renewal = await self.ownership.renew([each for _, each in shared])
        except StoreUnavailable:
            raise
        except Exception:
            # The data of one of them. The others must not lose theirs, nor all their lease.
            renewal = await self.ownership.renew([])
            shared, alone = [], due
        for run, progress in alone:
            self._refused.add(run)
            try:
                await self.ownership.renew([progress])
            except StoreUnavailable:
                raise
            except Exception as error:
                logger.warning("run %s: a checkpoint was not stored: %s", run.run_id, error)
            else:
                self._refused.discard(run)
                shared.append((run, progress))
        self.confirm_lease(sent_at)
        for run, progress in shared:
            run.on_stored(progress, sent_at)
        for run in runs:
            if run in self._runs and (run.run_id, run.epoch) not in renewal.owned:
                self.remove(run)
                run.abandon()
        return renewal
