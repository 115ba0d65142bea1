"""The heartbeat: keeps this process's leases, and finds those whose owners are dead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from time import monotonic

from usechat_server.aio import cancel
from usechat_server.coordination.redis.commands import (
    HEARTBEAT,
    LEASE,
    SETTLE,
    UNAVAILABLE,
    RedisCommands,
)
from usechat_server.coordination.redis.lease import RedisLease
from usechat_server.coordination.redis.subscriber import LogSubscriber

__all__ = ["Heartbeat"]


class Heartbeat:
    """One an event loop. `take` is called with each chat whose owner is dead."""

    def __init__(
        self,
        shared: RedisCommands,
        leases: Callable[[], Collection[RedisLease]],
        follower: LogSubscriber,
        take: Callable[[str], None],
    ) -> None:
        self._shared = shared
        self._leases = leases
        self._follower = follower
        self._take = take
        #: since when every beat reached Redis
        self._reached_since: float | None = None
        #: logs that are read here and that Redis does not know, and since when
        self._gone: dict[str, float] = {}
        self._beating = asyncio.create_task(self._beat(), name="redis heartbeat")

    async def aclose(self) -> None:
        await cancel([self._beating])

    async def _beat(self) -> None:
        while True:
            self._follower.woken.clear()
            leases = list(self._leases())
            try:
                dead, kept = await self._shared.renew(lease.held for lease in leases)
                for lease, how in zip(leases, kept, strict=True):
                    lease.told(how)
                self._take_over(dead)
                await self._check_replicas()
            except UNAVAILABLE:
                self._reached_since = None
                for lease in leases:
                    lease.unreachable()
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT):
                    await self._follower.woken.wait()

    def _take_over(self, dead: Collection[str]) -> None:
        now = monotonic()
        if self._reached_since is None:
            self._reached_since = now
        # While Redis was away nobody could renew a lease: the living come first.
        if now - self._reached_since >= LEASE:
            for d in dead:
                self._take(d)

    async def _check_replicas(self) -> None:
        """Tells those who read a log whose owner is gone, and that Redis has lost."""
        now = monotonic()
        remote_logs = [r for r in self._follower.remote_logs if not r.log.has_ended]
        if not remote_logs:
            return
        await self._shared.reads(r.run_id for r in remote_logs)
        runs = await self._shared.running([r.d for r in remote_logs])
        gone = {r.run_id for r, run in zip(remote_logs, runs, strict=True) if run != r.run_id}
        self._gone = {run_id: self._gone.get(run_id, now) for run_id in gone}
        for remote_log in remote_logs:
            if now - self._gone.get(remote_log.run_id, now) > LEASE + SETTLE:
                remote_log.break_off()
