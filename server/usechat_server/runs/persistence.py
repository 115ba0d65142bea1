"""Stores a run's message, while it is written and at its end, and passes it to the app's hook."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic

from ui_message_stream.messages import UIMessage

from usechat_server.aio import backoff
from usechat_server.coordination.ownership import Progress
from usechat_server.errors import StoreUnavailable
from usechat_server.results import Outcome, Step
from usechat_server.run_log.log import Log
from usechat_server.run_log.position import Position, parse_position, position_id
from usechat_server.runs.checkpoints import Checkpoints
from usechat_server.store.base import ChatStore
from usechat_server.turn import Turn

__all__ = ["Persistence"]

logger: logging.Logger = logging.getLogger("usechat.run")

#: Seconds before an unavailable store is tried again; the pause doubles each time.
#: Shorter than the next question of the chat waits for it.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
#: Seconds after which a message that the store does not take is given up: it is in memory until
#: then.
GIVE_UP_SECONDS = 900.0
#: Seconds that a tool call waits for a store that is unavailable, before it fails without running.
CALL_SECONDS = 20.0


@dataclass(eq=False)
class Persistence:
    """Stores one run's message: checkpoints while it is written, the end with `store_end`.

    See `RunOwnership`: with a store, its transactions decide.

    Attributes:
        store: Where the message is stored.
        checkpoints: Those of all runs of the event loop.
        turn: The turn that the run responds to.
        log: The log of the run.
        run_id: Id of the run.
        epoch: The epoch that this process owns it under.
        log_id: Id of its log, which differs from that of a log that is lost.
        on_lost: Called when it turns out that another process owns the run.
    """

    store: ChatStore
    checkpoints: Checkpoints
    turn: Turn
    log: Log
    run_id: str
    epoch: int
    log_id: str
    on_lost: Callable[[], None]
    #: up to where the store has the log
    _stored_end: Position = field(default=(0, 0), init=False)
    _stored_at: float = field(default=0.0, init=False)
    #: whether a checkpoint cannot wait for the interval
    _is_urgent: bool = field(default=False, init=False)
    _ended_calls: set[str] = field(default_factory=set, init=False)
    _new_calls: set[str] = field(default_factory=set, init=False)
    _begin_task: asyncio.Task[bool] | None = field(default=None, init=False)

    def start(self) -> None:
        """Write checkpoints from now on."""
        self._stored_at = self.checkpoints.now()
        self.log.on_step_ended = self._on_step_ended
        self.checkpoints.add(self)

    # StoredRun

    def progress(self, now: float) -> Progress | None:
        is_due = self._is_urgent or self.checkpoints.is_due(self._stored_at, now)
        has_news = self._ended_calls or self.log.is_behind(self._stored_end)
        return self._current_progress() if is_due and has_news else None

    def on_stored(self, progress: Progress, now: float) -> None:
        self._stored_at = now
        self._stored_end = max(self._stored_end, parse_position(progress.log_position))
        self._ended_calls.difference_update(progress.ended_calls)
        self._is_urgent = bool(self._ended_calls)

    def abandon(self) -> None:
        self.on_lost()

    # RunOwnership

    has_store = True

    @property
    def is_proven(self) -> bool:
        return self.checkpoints.has_lease

    async def begin_call(self, call_id: str) -> bool:
        """Calls that begin together share a transaction."""
        self._new_calls.add(call_id)
        if self._begin_task is None:
            self._begin_task = asyncio.create_task(self._begin_calls())
        return await asyncio.shield(self._begin_task)

    def end_call(self, call_id: str) -> None:
        self._ended_calls.add(call_id)
        self._is_urgent = True
        self.checkpoints.wake()

    async def store_end(self, message: UIMessage, outcome: Outcome, steps: Sequence[Step]) -> bool:
        self.close()
        end = position_id(self.log.end_position)
        pauses, deadline = backoff(FIRST_PAUSE, LONGEST_PAUSE), monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                return await self.store.finish(
                    self.turn,
                    message,
                    outcome,
                    steps,
                    run_id=self.run_id,
                    epoch=self.epoch,
                    log_position=end,
                )
            except StoreUnavailable:
                if monotonic() > deadline:
                    raise
            pause = next(pauses)
            if pause == FIRST_PAUSE:
                logger.warning(
                    "run %s: store unavailable, keeping the message in memory", self.run_id
                )
            await asyncio.sleep(pause)

    def close(self) -> None:
        """One that is being written is refused after the end."""
        self.log.on_step_ended = None
        self.checkpoints.remove(self)

    def _on_step_ended(self) -> None:
        self._is_urgent = True
        self.checkpoints.wake()

    def _current_progress(self) -> Progress:
        return Progress(
            self.run_id,
            self.epoch,
            self.log.message(),
            self.log_id,
            position_id(self.log.end_position),
            tuple(self._ended_calls),
        )

    async def _begin_calls(self) -> bool:
        await asyncio.sleep(0)
        calls, self._new_calls, self._begin_task = self._new_calls, set(), None
        pauses, deadline = backoff(FIRST_PAUSE, LONGEST_PAUSE), monotonic() + CALL_SECONDS
        while True:
            sent_at, progress = self.checkpoints.now(), self._current_progress()
            try:
                is_owner = await self.store.ownership.begin_calls(progress, calls)
            except StoreUnavailable:
                if monotonic() > deadline:
                    raise
                await asyncio.sleep(next(pauses))
                continue
            if not is_owner:
                return False
            self.on_stored(progress, sent_at)
            if self.checkpoints.has_lease:
                return True
            # This process was suspended for a while: ask again.
            await self.checkpoints.tick()
