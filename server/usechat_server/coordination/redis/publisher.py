"""Publishes the logs of this process's runs to Redis, as one more reader that no run waits for.

One write is under way at a time, for all runs together; chunks that arrive meanwhile are in the
next one.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from contextvars import Context

from usechat_server.aio import cancel
from usechat_server.coordination.redis.commands import RedisCommands
from usechat_server.coordination.redis.connection import UNAVAILABLE
from usechat_server.coordination.redis.published_log import PublishedLog

__all__ = ["LogPublisher"]

logger: logging.Logger = logging.getLogger("usechat.coordination")

#: Seconds between two writes unless a run waits for one. A write costs about as much as a delta
#: does; readers in other processes see chunks this much later.
PACE = 0.05
#: Seconds until the next attempt while Redis is unavailable.
_RETRY = 0.25


class LogPublisher:
    """One per event loop."""

    def __init__(self, commands: RedisCommands) -> None:
        #: whether the last attempt did not reach Redis
        self.is_unavailable: bool = False
        self.commands = commands
        self._pending: set[PublishedLog] = set()
        self._has_pending = asyncio.Event()
        self._write_now = asyncio.Event()
        self._watch_tasks: dict[PublishedLog, asyncio.Task[None]] = {}
        self._write_task = asyncio.create_task(
            self._write(), name="redis publisher", context=Context()
        )

    def publish(self, published: PublishedLog) -> None:
        """Keep a log up to date in Redis until it has ended or the run is lost."""
        task = asyncio.create_task(
            self._watch(published), name=f"redis publisher {published.lease.run_id}"
        )
        self._watch_tasks[published] = task
        task.add_done_callback(lambda _: self._watch_tasks.pop(published, None))

    def report_lost_lease(self, published: PublishedLog, status: str) -> None:
        """A renewal did not find the lease of a log: it is `missing` or `fenced`."""
        published.on_reply(status)
        self._add_pending(published)

    def end_run(self, published: PublishedLog) -> None:
        """Write that a chat is free, after the end of its log."""
        self._add_pending(published)

    async def wait(self, published: PublishedLog, seconds: float, *, end: bool = False) -> None:
        """Wait until Redis has everything appended so far (with `end`: has freed the chat).

        Returns early if that cannot happen now, at the latest after so many seconds.
        """
        position = published.log.end_position
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (published.has_ended if end else published.has(position)):
                    if published.is_lost or published.is_fenced or self.is_unavailable:
                        return
                    published.progress.clear()
                    self._write_now.set()
                    await published.progress.wait()

    async def aclose(self) -> None:
        await cancel([self._write_task, *self._watch_tasks.values()])

    def _add_pending(self, published: PublishedLog) -> None:
        self._pending.add(published)
        self._has_pending.set()

    async def _watch(self, published: PublishedLog) -> None:
        # It looks again only after a write, so that a write costs a run one wake-up.
        while not published.is_lost:
            if published.is_behind:
                self._add_pending(published)
                published.progress.clear()
                await published.progress.wait()
            elif published.log.has_ended:
                return
            else:
                await published.log.wait_for_more()

    async def _write(self) -> None:
        while True:
            await self._has_pending.wait()
            self._has_pending.clear()
            pending, self._pending = self._pending, set()
            try:
                await self._write_logs([log for log in pending if log.is_behind])
            except UNAVAILABLE as error:
                if not self.is_unavailable:
                    logger.warning("Redis unavailable; continuing without it (%s)", error)
                self.is_unavailable = True
                for published in pending:
                    published.on_unavailable()
                    self._add_pending(published)
                await asyncio.sleep(_RETRY)
                continue
            if self.is_unavailable:
                logger.warning("Redis available again")
            self.is_unavailable = False
            with suppress(TimeoutError):
                async with asyncio.timeout(PACE):
                    await self._write_now.wait()
            self._write_now.clear()

    async def _write_logs(self, logs: list[PublishedLog]) -> None:
        commands = self.commands.logs
        batches = []
        for published in logs:
            if published.needs_rewrite:
                # A successor may have ended the run, and Redis forgotten it: try again later.
                if not published.may_have_successor:
                    await published.rewrite(commands)
            elif batch := published.next_batch():
                batches.append((published, *batch))
            else:
                await published.write_end(commands)
        if batches:
            statuses = await commands.append([append for _, append, _ in batches])
            for (published, _, position), status in zip(batches, statuses, strict=True):
                published.on_reply(status, position)
        for published in logs:
            if published.is_behind:
                self._add_pending(published)
