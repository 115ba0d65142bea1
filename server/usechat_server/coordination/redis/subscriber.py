"""Follows the logs of other processes: one blocking read for all that have readers here."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from usechat_server.aio import cancel
from usechat_server.coordination.redis.commands import UNAVAILABLE, Entries, RedisCommands
from usechat_server.coordination.redis.remote_log import RemoteLog
from usechat_server.turn import Turn

__all__ = ["LogSubscriber"]

logger = logging.getLogger("usechat.cluster")

#: Seconds to the next attempt while Redis is away.
_RETRY = 0.25


class LogSubscriber:
    """One an event loop."""

    def __init__(self, shared: RedisCommands) -> None:
        #: set when another process wants this one to look at its leases
        self.woken = asyncio.Event()
        self._shared = shared
        self._replicas: dict[str, RemoteLog] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._reading = asyncio.create_task(self._read(), name="redis follower")

    @property
    def remote_logs(self) -> list[RemoteLog]:
        """The logs that have readers here."""
        return list(self._replicas.values())

    async def open(self, d: str, run_id: str) -> RemoteLog | None:
        """A log with one more reader; None if Redis does not have it. Raises one of AWAY."""
        shared = self._shared
        remote_log = self._replicas.get(run_id)
        if remote_log is None:
            turn = await shared.turn(d, run_id)
            if turn is None:
                return None
            remote_log = self._replicas.setdefault(
                run_id, RemoteLog(d, run_id, Turn.from_json(turn).continued)
            )
        remote_log.readers += 1
        try:
            if remote_log.readers == 1:
                await shared.joined(d, run_id)
                await remote_log.load(shared)
                # The read under way does not know of it.
                await shared.wake(shared.process)
        except BaseException:
            self.close(remote_log)
            raise
        return remote_log

    def close(self, remote_log: RemoteLog) -> None:
        """A reader has left."""
        remote_log.readers -= 1
        if not remote_log.readers:
            del self._replicas[remote_log.run_id]
            leaving = asyncio.create_task(self._leave(remote_log))
            self._closing.add(leaving)
            leaving.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        await cancel([self._reading, *self._closing])

    async def _leave(self, remote_log: RemoteLog) -> None:
        with suppress(*UNAVAILABLE):  # the owner sees it, too, when the presence is not renewed
            await self._shared.left(remote_log.d, remote_log.run_id)

    async def _read(self) -> None:
        wake, shared = "0", self._shared
        while True:
            live = {r.run_id: r.at for r in self._replicas.values() if not r.log.has_ended}
            try:
                woken, news = await shared.news(wake, live)
                if woken != wake:
                    wake = woken
                    self.woken.set()
                for run_id, entries in news.items():
                    if remote_log := self._replicas.get(run_id):
                        await self._feed(remote_log, entries)
            except UNAVAILABLE:
                await asyncio.sleep(_RETRY)

    async def _feed(self, remote_log: RemoteLog, entries: Entries) -> None:
        try:
            await remote_log.feed(entries, self._shared)
        except ValueError:
            # A later release wrote it. The others are followed all the same.
            logger.exception("run %s: what came of its log cannot be read", remote_log.run_id)
            remote_log.break_off()
