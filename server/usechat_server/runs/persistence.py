"""Stores a run's message, while it is written and at its end, and passes it to the app's hook."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

from usechat_server.aio import backoff
from usechat_server.errors import StoreUnavailable
from usechat_server.results import Outcome, Step
from usechat_server.run_log.log import Log
from usechat_server.runs.hooks import Hooks
from usechat_server.store.base import ChatStore
from usechat_server.turn import Turn

__all__ = ["Persistence"]

logger: logging.Logger = logging.getLogger("usechat.run")

#: Seconds between two checkpoints of a message that grows: together with the time of the write, a
#: process that is killed loses at most two seconds of a response.
CHECKPOINT_SECONDS = 1.5
#: Seconds before an unavailable store is tried again; the pause doubles each time.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
#: Seconds after which a message that the store does not take is given up: it is in memory until
#: then.
GIVE_UP_SECONDS = 900.0


class Persistence:
    """Stores one run's message: checkpoints as soon as it is made, the end with `store_message`.

    It looks at the log at intervals, so its cost does not depend on the number of chunks.
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
        taken_over: bool = False,
    ) -> None:
        self._store = store
        self._hooks = hooks
        self._turn = turn
        self._log = log
        self._run_id = run_id
        self._epoch = epoch
        #: whether another process began the run
        self._taken_over = taken_over
        self._closed = False
        self._checkpoints = (
            None if store is None else asyncio.create_task(self._write_checkpoints(store))
        )

    @property
    def is_needed(self) -> bool:
        """Whether there is a store or a hook that needs the message."""
        return self._store is not None or self._hooks.on_message is not None

    async def close(self) -> None:
        """Write no more checkpoints, and wait for one that is being written."""
        self._closed = True
        self._log.step_ended.set()
        if self._checkpoints is not None:
            try:
                await asyncio.wait([self._checkpoints])
            finally:
                self._checkpoints.cancel()  # if the wait was cancelled

    async def store_message(self, outcome: Outcome, steps: Sequence[Step]) -> bool:
        """Store the whole message, and wait for a store that is unavailable.

        Args:
            outcome: How the run ended.
            steps: Its model calls.

        Returns:
            Whether the message was stored, or there is no store. False: another process has the
            run, its chat was deleted, or the store did not take it.
        """
        await self.close()
        if self._store is None:
            return True
        try:
            return await self._store_with_retries(self._store, outcome, steps)
        except Exception:
            logger.exception("run %s: the message could not be stored", self._run_id)
            return False

    async def call_hook(self) -> None:
        """Pass the whole message to the app's `on_message`."""
        if self._hooks.on_message is not None:
            await self._hooks.call_on_message(self._turn, self._log.message())

    async def _store_with_retries(
        self, store: ChatStore, outcome: Outcome, steps: Sequence[Step]
    ) -> bool:
        message = self._log.message()
        pauses, deadline = backoff(FIRST_PAUSE, LONGEST_PAUSE), monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                return await store.finish(
                    self._turn, message, outcome, steps, run_id=self._run_id, epoch=self._epoch
                )
            except StoreUnavailable:
                if monotonic() > deadline:
                    raise
            pause = next(pauses)
            if pause == FIRST_PAUSE:
                logger.warning(
                    "run %s: store unavailable, keeping the message in memory", self._run_id
                )
            await asyncio.sleep(pause)

    async def _write_checkpoints(self, store: ChatStore) -> None:
        """Write a checkpoint whenever a step has ended, or at the interval."""
        log = self._log
        stored_end, checked_at = log.end_position, monotonic()
        if self._taken_over:
            # At once: the store then refuses what the former process may still write.
            stored_end, checked_at = (0, 0), checked_at - CHECKPOINT_SECONDS
        while not self._closed:
            with suppress(TimeoutError):
                async with asyncio.timeout(checked_at + CHECKPOINT_SECONDS - monotonic()):
                    await log.step_ended.wait()
            log.step_ended.clear()
            checked_at, end = monotonic(), log.end_position
            if self._closed or end == stored_end:
                continue
            try:
                if not await store.checkpoint(
                    self._turn, log.message(), run_id=self._run_id, epoch=self._epoch
                ):
                    return  # another process has the run
                stored_end = end
            except Exception as error:
                # The next checkpoint has the whole message again.
                logger.warning("run %s: a checkpoint was not stored: %s", self._run_id, error)
