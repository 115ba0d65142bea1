"""Where an answer is kept while it is made and at its end: the store, and the app's hook."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

from usechat_server.errors import StoreUnavailable
from usechat_server.results import Outcome, Step
from usechat_server.run_log.log import Log
from usechat_server.runs.hooks import Hooks
from usechat_server.store.base import ChatStore
from usechat_server.turn import Turn

__all__ = ["Persistence"]

logger = logging.getLogger("usechat.run")

#: Seconds from one checkpoint to the next while something is said: with the time to write it, a
#: process that is killed loses two seconds of an answer at most.
CHECKPOINT_SECONDS = 1.5
#: Seconds until a store that is away is asked again: each time longer.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
#: Seconds after which an answer is given up that no store takes: it is in memory all the time.
GIVE_UP_SECONDS = 900.0


class Persistence:
    """Keeps one run's message: checkpoints from now on, all of it with `store`.

    It reads the log as others do, but looks at it only now and then, so that what it costs does not
    depend on the number of chunks.
    """

    def __init__(
        self,
        store: ChatStore | None,
        hooks: Hooks,
        turn: Turn,
        log: Log,
        *,
        run_id: str,
        epoch: int,
        adopted: bool = False,
    ) -> None:
        self._store = store
        self._hooks = hooks
        self._turn = turn
        self._log = log
        self._run_id = run_id
        self._epoch = epoch
        #: whether another process began the run
        self._adopted = adopted
        self._over = False
        self._checkpoints = None if store is None else asyncio.create_task(self._follow(store))

    @property
    def is_needed(self) -> bool:
        """Whether anybody is to get the message."""
        return self._store is not None or self._hooks.on_message is not None

    async def close(self) -> None:
        """No more checkpoints; one that is being written goes through."""
        self._over = True
        self._log.step_ended.set()
        if self._checkpoints is not None:
            try:
                await asyncio.wait([self._checkpoints])
            finally:
                self._checkpoints.cancel()  # if it was not waited for

    async def store(self, outcome: Outcome, steps: Sequence[Step]) -> bool:
        """Stores the end; waits for a store that is away. False: another process has the run, its
        chat is gone, or no store took it."""
        await self.close()
        if self._store is None:
            return True
        try:
            return await self._finish(self._store, outcome, steps)
        except Exception:
            logger.exception("run %s: its answer could not be stored", self._run_id)
            return False

    async def tell(self) -> None:
        """Gives the app the message."""
        if self._hooks.on_message is not None:
            await self._hooks.message(self._turn, self._log.message())

    async def _finish(self, store: ChatStore, outcome: Outcome, steps: Sequence[Step]) -> bool:
        message = self._log.message()
        pause, give_up = FIRST_PAUSE, monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                return await store.finish(
                    self._turn, message, outcome, steps, run_id=self._run_id, epoch=self._epoch
                )
            except StoreUnavailable:
                if monotonic() > give_up:
                    raise
            if pause == FIRST_PAUSE:
                logger.warning("run %s: the store is away, its answer waits", self._run_id)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _follow(self, store: ChatStore) -> None:
        """One checkpoint after another: when a step has ended, or when it is time."""
        log = self._log
        stored, at = log.end_position, monotonic()
        if self._adopted:
            # The store then refuses what the process before may still have to write.
            stored, at = (0, 0), at - CHECKPOINT_SECONDS
        while not self._over:
            with suppress(TimeoutError):
                async with asyncio.timeout(at + CHECKPOINT_SECONDS - monotonic()):
                    await log.step_ended.wait()
            log.step_ended.clear()
            at, said = monotonic(), log.end_position
            if self._over or said == stored:
                continue
            try:
                if not await store.checkpoint(
                    self._turn, log.message(), run_id=self._run_id, epoch=self._epoch
                ):
                    return  # another process has it
                stored = said
            except Exception as error:
                # The next one brings all of it.
                logger.warning("run %s: a checkpoint was not stored: %s", self._run_id, error)
