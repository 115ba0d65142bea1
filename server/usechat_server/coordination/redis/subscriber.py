"""Follows the logs of other processes: one blocking read for all that have readers here."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from usechat_server.aio import cancel
from usechat_server.coordination.redis.commands import AWAY, Entries, Shared
from usechat_server.coordination.redis.remote_log import Replica
from usechat_server.turn import Turn

__all__ = ["Follower"]

logger = logging.getLogger("usechat.cluster")

#: Seconds to the next attempt while Redis is away.
_RETRY = 0.25


class Follower:
    """One an event loop."""

    def __init__(self, shared: Shared) -> None:
        #: set when another process wants this one to look at its leases
        self.woken = asyncio.Event()
        self._shared = shared
        self._replicas: dict[str, Replica] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._reading = asyncio.create_task(self._read(), name="redis follower")

    @property
    def replicas(self) -> list[Replica]:
        """The logs that have readers here."""
        return list(self._replicas.values())

    async def open(self, d: str, run_id: str) -> Replica | None:
        """A log with one more reader; None if Redis does not have it. Raises one of AWAY."""
        shared = self._shared
        replica = self._replicas.get(run_id)
        if replica is None:
            turn = await shared.turn(d, run_id)
            if turn is None:
                return None
            replica = self._replicas.setdefault(
                run_id, Replica(d, run_id, Turn.from_json(turn).continued)
            )
        replica.readers += 1
        try:
            if replica.readers == 1:
                await shared.joined(d, run_id)
                await replica.load(shared)
                # The read under way does not know of it.
                await shared.wake(shared.process)
        except BaseException:
            self.close(replica)
            raise
        return replica

    def close(self, replica: Replica) -> None:
        """A reader has left."""
        replica.readers -= 1
        if not replica.readers:
            del self._replicas[replica.run_id]
            leaving = asyncio.create_task(self._leave(replica))
            self._closing.add(leaving)
            leaving.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        await cancel([self._reading, *self._closing])

    async def _leave(self, replica: Replica) -> None:
        with suppress(*AWAY):  # the owner sees it, too, when the presence is not renewed
            await self._shared.left(replica.d, replica.run_id)

    async def _read(self) -> None:
        wake, shared = "0", self._shared
        while True:
            live = {r.run_id: r.at for r in self._replicas.values() if not r.log.ended}
            try:
                woken, news = await shared.news(wake, live)
                if woken != wake:
                    wake = woken
                    self.woken.set()
                for run_id, entries in news.items():
                    if replica := self._replicas.get(run_id):
                        await self._feed(replica, entries)
            except AWAY:
                await asyncio.sleep(_RETRY)

    async def _feed(self, replica: Replica, entries: Entries) -> None:
        try:
            await replica.feed(entries, self._shared)
        except ValueError:
            # A later release wrote it. The others are followed all the same.
            logger.exception("run %s: what came of its log cannot be read", replica.run_id)
            replica.break_off()
