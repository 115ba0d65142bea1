"""One run: the task that answers a turn, who reads it, and its one end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from ui_message_stream.chunks import Error, MessageMetadata

from usechat_server.aio import is_cancelled
from usechat_server.coordination.base import Lease
from usechat_server.errors import RESTARTING
from usechat_server.loop.run_writer import RunWriter
from usechat_server.loop.usage_tracker import UsageTracker
from usechat_server.results import RunResult
from usechat_server.run_log.log import Log
from usechat_server.runs.hooks import Hooks
from usechat_server.runs.idle_timer import IdleTimer
from usechat_server.runs.outcome import ABORTED, INTERRUPTED, RunOutcome, answered, failed
from usechat_server.runs.persistence import Persistence
from usechat_server.runs.responder import Responder
from usechat_server.store.base import ChatStore
from usechat_server.telemetry.run_record import RunRecord
from usechat_server.turn import Turn

__all__ = ["Run", "RunConfig"]

logger = logging.getLogger("usechat.run")

#: Seconds that the end waits for the message to be stored, before readers see it all the same.
STORED_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What holds for every run of an app."""

    #: seconds that a run goes on when nobody reads it
    resume: float = 0.0
    store: ChatStore | None = None
    hooks: Hooks = field(default_factory=Hooks)


class Run:
    """One answer to one POST. Made inside the event loop that it is to run in.

    Its log begins with `start`, before anything is asked, and always ends with `finish`, `abort` or
    `error`, once. Whatever ends it, its end is one path: the last chunks are written; the message
    is stored; readers see the end; the chat is free; the app is told.

    The message is stored *before* readers see the end, since a page that sees it may be reloaded at
    once, and may ask another process for its chat. It waits for that only so long: where the store
    is away, the end is shown, and the answer stays in memory until the store has it.
    """

    def __init__(
        self,
        turn: Turn,
        responder: Responder,
        lease: Lease,
        config: RunConfig,
        *,
        settled: Callable[[Run], None],
        log: Log | None = None,
    ) -> None:
        """`log` is what another process wrote of it, whose run this goes on with."""
        self.id = lease.run_id
        self.turn = turn
        self.record = RunRecord(
            run=self.id,
            user=turn.user,
            chat=turn.chat_id,
            message=turn.message_id,
            model=responder.name,
            client_version=str(turn.client_version),
        )
        self._output = RunWriter(turn, self.record, log)
        self._output.wait_until_durable = self._durable
        self.log = self._output.log
        self._responder = responder
        self._usage_tracker = UsageTracker(turn, self.log.text_bytes, seconds=self.record.seconds)
        self._lease = lease
        self._hooks = config.hooks
        self._persistence = Persistence(
            config.store,
            config.hooks,
            turn,
            self.log,
            run_id=self.id,
            epoch=lease.epoch,
            adopted=log is not None,
        )
        self._idle_timer = IdleTimer(config.resume, self.stop)
        self._settled = settled
        self._end: RunOutcome | None = None
        self._lost = False
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Tells the board, then asks the model. Called once."""
        try:
            await self._lease.begin(self)
        finally:
            self._task = asyncio.create_task(self._answer(), name=f"run {self.id}")
            self._task.add_done_callback(lambda _: self._settle())

    def subscribe(self) -> RunReader:
        """One more reader of the log."""
        self._idle_timer.enter()
        return RunReader(self)

    def set_remote_readers(self, idle_timer: int) -> None:
        """So many readers follow it in other processes."""
        self._idle_timer.elsewhere(idle_timer)

    def stop(self) -> None:
        """Ends the run at once and closes the provider's connection. Idempotent."""
        self._finish(ABORTED)

    def interrupt(self) -> None:
        """Ends the run because the server goes down; what was said stays. Idempotent."""
        self._finish(INTERRUPTED)

    def abandon(self) -> None:
        """Ends the run because another process has it: nothing of it is kept. Idempotent."""
        self._lost = True
        self._finish(INTERRUPTED)
        self.show_end()

    def show_end(self) -> None:
        """Lets readers see the end, stored or not. Nothing if it has none yet, or they do."""
        if self._end is None or self.log.has_ended:
            return
        if self._lost:
            # It goes on elsewhere, whatever was to be the end here.
            self.log.stage_end([Error(error_text=RESTARTING)])
        self.log.end()

    async def give_up(self) -> None:
        """Waits no longer for a store or a hook that does not answer."""
        if self._ending is not None and not self._ending.done():
            logger.error("run %s: given up, its answer may not be stored", self.id)
        tasks = [task for task in (self._task, self._ending) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    @property
    def is_settled(self) -> bool:
        """Whether it ended, all that follows was done, and every reader left."""
        tasks = (self._task, self._ending)
        return all(task is not None and task.done() for task in tasks) and not self._idle_timer.here

    async def _answer(self) -> None:
        try:
            if self._end is None:
                reason = await self._responder.respond(self._output, self._usage_tracker)
                self._finish(answered(reason))
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled(error):
                if self._end is None:  # the event loop closes
                    self._finish(INTERRUPTED)
                    self.show_end()
                raise
            self._finish(failed(error))
        finally:
            await self._responder.aclose()

    def _finish(self, end: RunOutcome) -> None:
        """Writes the last chunks, and has done what then follows. Nothing if there is an end."""
        if self._end is not None:
            return
        self._end = end
        self._idle_timer.close()
        usage_tracker, writer = self._usage_tracker, self._output.writer
        usage_tracker.end_call()
        if not writer.ended:  # else the answer brought its end
            told = usage_tracker.metadata(self._responder.metadata, end.outcome)
            # Not in `finish`: the other ends could not hold it.
            last = writer.write(MessageMetadata(message_metadata=told)) if told else []
            self._output.close([*last, *end.chunks(writer, self.turn.client_version)])
        self.record.log(end.outcome, usage_tracker.steps, end.error, end.reference)
        if not self._persistence.is_needed and not self._lease.epoch:
            self.show_end()  # nobody else can have it
        answer = usage_tracker.result(end.outcome)
        self._ending = asyncio.create_task(self._conclude(answer), name=f"end of run {self.id}")
        self._ending.add_done_callback(lambda _: self._settle())
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    async def _conclude(self, answer: RunResult) -> None:
        """What follows the last chunk."""
        storing = asyncio.create_task(self._store(answer))
        telling = asyncio.create_task(self._tell(storing))
        try:
            await asyncio.wait([telling], timeout=STORED_SECONDS)
            self.show_end()
            kept = await storing
            await self._lease.end(answer.outcome)
            await telling
            if kept:
                await self._hooks.finish(answer)
        finally:
            self.show_end()
            storing.cancel()
            telling.cancel()
            await asyncio.wait([storing, telling])

    async def _store(self, answer: RunResult) -> bool:
        """Whether the answer is this process's, and was stored where there is a store."""
        if not await self._lease.wait_until_durable():
            self.abandon()
        if self._lost:
            await self._persistence.close()
            return False
        return await self._persistence.store(answer.outcome, answer.steps)

    async def _tell(self, storing: asyncio.Task[bool]) -> None:
        if await storing:
            await self._persistence.tell()

    async def _durable(self) -> None:
        """Waits until a process that takes over would find what was written. The run that is
        another's by then is cancelled."""
        if not await self._lease.wait_until_durable():
            self.abandon()
            await asyncio.sleep(0)

    def _leave(self) -> None:
        self._idle_timer.leave()
        self._settle()

    def _settle(self) -> None:
        if self.is_settled:
            self._settled(self)


class RunReader:
    """One reader of a run's log."""

    def __init__(self, run: Run) -> None:
        self.run_id = run.id
        self.log = run.log
        self._run = run
        self._open = True

    def interrupt(self) -> None:
        """Gives the log its end now, since this process goes down."""
        self._run.interrupt()
        self._run.show_end()

    def record_write(self) -> None:
        self._run.record.last_write = monotonic()

    def close(self) -> None:
        if self._open:
            self._open = False
            self._run._leave()
