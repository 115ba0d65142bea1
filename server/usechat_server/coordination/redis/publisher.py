"""Writes the logs of this process's runs to Redis: one more reader of each, which no run waits for.

One write is under way at a time, for all runs together. What they say meanwhile is the next one.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from usechat_server.aio import cancel
from usechat_server.coordination.redis.commands import UNAVAILABLE, RedisCommands
from usechat_server.coordination.redis.published_log import PublishedLog

__all__ = ["LogPublisher"]

logger = logging.getLogger("usechat.cluster")

#: Seconds between two writes, unless somebody waits: what a run says in them is one command, which
#: costs about as much as a delta does. Readers in other processes see it so much later.
PACE = 0.05
#: Seconds to the next attempt while Redis is away.
_RETRY = 0.25


class LogPublisher:
    """One an event loop."""

    def __init__(self, shared: RedisCommands) -> None:
        #: whether Redis could not be reached last time
        self.away = False
        self.shared = shared
        self._behind: set[PublishedLog] = set()
        self._news = asyncio.Event()
        self._hurry = asyncio.Event()
        self._watching: dict[PublishedLog, asyncio.Task[None]] = {}
        self._writing = asyncio.create_task(self._write(), name="redis mirror")

    def follow(self, copy: PublishedLog) -> None:
        """Keeps a copy up until it is ended or lost."""
        watching = asyncio.create_task(self._watch(copy), name=f"mirror {copy.held.run_id}")
        self._watching[copy] = watching
        watching.add_done_callback(lambda _: self._watching.pop(copy, None))

    def refuse(self, copy: PublishedLog, word: str) -> None:
        """Redis does not know the lease of a copy: `missing` or `fenced`."""
        copy.told(word)
        self._is_behind(copy)

    def end(self, copy: PublishedLog) -> None:
        """The log of a copy has its end, and its chat is to be free; it is told when it is."""
        self._is_behind(copy)

    async def wait(self, copy: PublishedLog, seconds: float, *, end: bool = False) -> None:
        """Waits until everything said so far is in Redis (with `end`: the end), or cannot be."""
        position = copy.log.end_position
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (copy.ended if end else copy.has(position)):
                    if copy.is_lost or self.away:
                        return
                    copy.progress.clear()
                    self._hurry.set()
                    await copy.progress.wait()

    async def aclose(self) -> None:
        await cancel([self._writing, *self._watching.values()])

    def _is_behind(self, copy: PublishedLog) -> None:
        self._behind.add(copy)
        self._news.set()

    async def _watch(self, copy: PublishedLog) -> None:
        # It looks again only after a write, so that it costs a run one wake-up a write.
        while not copy.is_lost:
            if copy.is_behind:
                self._is_behind(copy)
                copy.progress.clear()
                await copy.progress.wait()
            elif copy.log.has_ended:
                return
            else:
                await copy.log.wait_for_more()

    async def _write(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            behind, self._behind = self._behind, set()
            try:
                await self._flush([copy for copy in behind if copy.is_behind])
            except UNAVAILABLE as error:
                if not self.away:
                    logger.warning("Redis is away: answers go on without it (%s)", error)
                self.away = True
                for copy in behind:
                    copy.unreachable()
                    self._is_behind(copy)
                await asyncio.sleep(_RETRY)
                continue
            if self.away:
                logger.warning("Redis is back")
            self.away = False
            with suppress(TimeoutError):
                async with asyncio.timeout(PACE):
                    await self._hurry.wait()
            self._hurry.clear()

    async def _flush(self, copies: list[PublishedLog]) -> None:
        shared = self.shared
        batches = []
        for copy in copies:
            if copy.starts:
                await copy.fill(shared)
            elif batch := copy.batch():
                batches.append((copy, *batch))
            else:
                await copy.end(shared)
        if batches:
            words = await shared.append([append for _, append, _ in batches])
            for (copy, _, at), word in zip(batches, words, strict=True):
                copy.told(word, at)
        for copy in copies:
            if copy.is_behind:
                self._is_behind(copy)
