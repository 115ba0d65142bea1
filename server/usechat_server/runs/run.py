"""One run: the task that responds to a turn, the readers of its log, and its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ui_message_stream.messages import UIMessage

from usechat_server.aio import cancel, is_cancelled, weak_method
from usechat_server.coordination.lease import Lease
from usechat_server.coordination.subscription import LogSubscription
from usechat_server.errors import RESTARTING, StoreUnavailable, ToolError
from usechat_server.loop.run_writer import RunWriter, Takeover
from usechat_server.loop.usage_tracker import UsageTracker
from usechat_server.results import Outcome, RunResult
from usechat_server.run_log.log import Log
from usechat_server.runs.checkpoints import Checkpoints
from usechat_server.runs.config import RunConfig
from usechat_server.runs.idle_timer import IdleTimer
from usechat_server.runs.last_chunks import write_last_chunks
from usechat_server.runs.outcome import ABORTED, INTERRUPTED, RunOutcome
from usechat_server.runs.ownership import LeaseOwnership, RunOwnership
from usechat_server.runs.persistence import Persistence
from usechat_server.runs.responder import Responder, agent_name
from usechat_server.telemetry import metrics
from usechat_server.telemetry.instruments import LIVE_RUNS
from usechat_server.telemetry.run_record import RunRecord
from usechat_server.telemetry.tracing import run_trace
from usechat_server.turn import Turn

__all__ = ["Run"]

logger: logging.Logger = logging.getLogger("usechat.run")

#: Seconds that the end waits for the message to be stored, before readers see it all the same.
STORED_SECONDS = 2.0

#: Error text for readers of a run that has ended, while it is unknown whether this process owns it.
NOT_SAVED = "The response could not be saved yet. Please reload the page in a moment."
#: Error of a tool call while it is unknown whether this process owns the run.
NOT_RUN = "The call was not run: the server cannot record it right now."


class Run:
    """One response to one POST. Created in the event loop that it runs in.

    Its log begins with `start`, before a model is called, and always ends with `finish`, `abort` or
    `error`, once. However it ends, the same steps follow: the last chunks are written; the message
    is stored; readers see the end; the chat is free; the app's `on_finish` is called.

    The message is stored *before* readers see the end, since a client that sees it may be reloaded
    at once, and may ask another process for its chat. The end waits for that only so long: while
    the store is unavailable, readers see the end, and the message stays in memory until the store
    has it.
    """

    def __init__(
        self,
        turn: Turn,
        responder: Responder,
        lease: Lease,
        config: RunConfig,
        *,
        on_closed: Callable[[Run], None],
        checkpoints: Checkpoints | None = None,
        takeover: Takeover | None = None,
    ) -> None:
        """Create a run that has not started.

        Args:
            turn: The turn to respond to.
            responder: Writes the response.
            lease: The lease of the turn's chat.
            config: What all runs of the app have in common.
            on_closed: Called once the run has ended, all that follows is done, and every reader has
                left.
            checkpoints: Of all runs of the event loop, if there is a store.
            takeover: What another process left, if this run takes one over.
        """
        metrics.change(LIVE_RUNS, 1)
        self.id: str = lease.run_id
        self.turn = turn
        self.record: RunRecord = RunRecord(
            run=self.id,
            user=turn.user,
            chat=turn.chat_id,
            message=turn.message_id,
            model=responder.name,
            client_version=str(turn.client_version),
            request=turn.request_id,
            trace=run_trace(
                turn, self.id, agent=agent_name(responder), content=config.has_trace_content
            ),
        )
        self._writer = RunWriter(turn, self.record, takeover)
        self._writer.begin_call = weak_method(self._begin_call)
        self._writer.is_owner = weak_method(self._is_owner)
        self._writer.max_bytes = config.limits.max_response_bytes
        self.log: Log = self._writer.log
        self.log.on_read = self.record.mark_write
        # What a client was sent by the process that is gone may not be in the log.
        self.log.id = lease.log_id if takeover is None else f"{lease.log_id}.{lease.epoch}"
        self._responder = responder
        self._usage_tracker = UsageTracker(turn, self.log.text_bytes, seconds=self.record.seconds)
        self._lease = lease
        self._hooks = config.hooks
        self._ownership: RunOwnership = LeaseOwnership(lease)
        if config.store is not None and checkpoints is not None:
            self._ownership = persistence = Persistence(
                config.store,
                checkpoints,
                turn,
                self.log,
                self.id,
                lease.epoch,
                lease.log_id,
                weak_method(self.abandon),
            )
            persistence.start()
        self._writer.end_call = self._ownership.end_call
        self._idle_timeout = config.idle_timeout
        hang_up_timeout = config.hang_up_timeout
        self._idle_timer = IdleTimer(
            config.idle_timeout if hang_up_timeout is None else hang_up_timeout,
            weak_method(self.stop),
        )
        self._on_closed = on_closed
        #: whether it has ended
        self._is_over = False
        self._abandoned = False
        #: whether the store has its end
        self._is_stored = False
        #: None before it starts, and once it is done: it may have a traceback, and so the run
        self._response_task: asyncio.Task[None] | None = None
        self._end_task: asyncio.Task[None] | None = None
        self._has_responded = False
        self._has_finalized = False

    async def start(self) -> None:
        """Publish the run, then let the responder begin. Called once."""
        try:
            await self._lease.begin(self)
        finally:
            self._response_task = asyncio.create_task(
                self._respond(), name=f"run {self.id}", context=self.record.task_context()
            )
            self._response_task.add_done_callback(self._on_response_done)

    def subscribe(self) -> LogSubscription:
        """Add a reader of the log."""
        self._idle_timer.add_reader()
        return LogSubscription(
            self.id,
            self.log,
            self._remove_reader,
            interrupt=self._interrupt_now,
        )

    def set_remote_readers(self, readers: int) -> None:
        """Set how many other processes read the log."""
        if readers:
            self.keep_for_readers()
        self._idle_timer.set_remote_readers(readers)

    @property
    def readers(self) -> int:
        """How many clients of this process, and other processes, read the log."""
        return self._idle_timer.readers

    def keep_for_readers(self) -> None:
        """Go on for longer without a reader: the chat's client asks for its run again."""
        self._idle_timer.set_timeout(self._idle_timeout)

    def stop(self) -> None:
        """End the run at once and close the provider's connection. Idempotent."""
        self._end(ABORTED)

    def interrupt(self) -> None:
        """End the run because the server shuts down; what was written stays. Idempotent."""
        self._end(INTERRUPTED)

    def end_as(self, outcome: Outcome | None) -> None:
        """End the log of a run that has ended in the store. With None, what it has is not whole."""
        self._is_stored = True
        self._end(RunOutcome.from_stored(outcome))

    def abandon(self) -> None:
        """End the run without storing anything: another process owns it now. Idempotent."""
        self._abandoned = True
        self._ownership.close()
        self._end(INTERRUPTED)
        self.publish_end()
        self._lease.drop()

    def publish_end(self) -> None:
        """Let readers see the end, stored or not. Does nothing before the run has ended, or if they
        see it already."""
        if not self._is_over or self.log.has_ended:
            return
        if self._abandoned:
            # It goes on in another process, whatever its end was to be here.
            self.log.stage_error(RESTARTING)
        elif not self.is_proven_owner:
            self.log.stage_error(NOT_SAVED)
        self.log.end()

    @property
    def is_proven_owner(self) -> bool:
        """Whether no other process can own the run now."""
        if self._is_stored or self._abandoned:
            return self._is_stored
        return self._ownership.is_proven

    def _is_owner(self) -> bool:
        return self.is_proven_owner

    async def cancel(self) -> None:
        """Stop waiting for a store or a hook that does not return."""
        if self._end_task is not None:
            logger.error("run %s: cancelled, its message may not be stored", self.id)
        tasks = [task for task in (self._response_task, self._end_task) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    @property
    def is_done(self) -> bool:
        """Whether it has ended, and all that follows is done."""
        return self._has_responded and self._has_finalized

    @property
    def is_closed(self) -> bool:
        """Whether it is done, and every reader has left."""
        return self.is_done and not self._idle_timer.local_readers

    async def _respond(self) -> None:
        try:
            if not self._is_over:
                reason = await self._responder.respond(self._writer, self._usage_tracker)
                self._end(RunOutcome.from_finish_reason(reason))
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled(error):
                if not self._is_over:  # the event loop closes
                    self._end(INTERRUPTED)
                    self.publish_end()
                error.__traceback__ = None  # its frames refer to this task, which keeps it
                raise
            self._end(RunOutcome.from_error(error))
            error.__traceback__ = None  # frames that have the error would keep the run
        finally:
            await self._responder.aclose()

    def _end(self, outcome: RunOutcome) -> None:
        """Write the last chunks, and start what follows. Does nothing if the run has ended."""
        if self._is_over:
            return
        metrics.change(LIVE_RUNS, -1)
        self._is_over = True  # not the outcome: its error has a traceback, and so the run
        if self._response_task is not None and self._response_task is not asyncio.current_task():
            # First of all, since each token costs: the connection to the provider.
            self._responder.abort()
            self._response_task.cancel()
        self._idle_timer.close()
        usage_tracker = self._usage_tracker
        usage_tracker.end_call()
        write_last_chunks(
            *(self._writer, self._responder, usage_tracker, outcome), is_abandoned=self._abandoned
        )
        self.record.last_write = self.log.last_read
        self.record.log(outcome.outcome, usage_tracker.steps, outcome.error, outcome.reference)
        message = None
        if self._ownership.has_store or self._hooks.on_message is not None:
            message = self.log.message()
        elif not self._lease.epoch:
            self.publish_end()  # no other process can have it
        result = usage_tracker.result(outcome.outcome, outcome.reason)
        self._end_task = asyncio.create_task(
            self._finalize(result, message),
            name=f"end of run {self.id}",
            context=self.record.task_context(),
        )
        self._end_task.add_done_callback(self._on_end_done)

    async def _finalize(self, result: RunResult, message: UIMessage | None) -> None:
        """Store the message, show the end, free the chat, call the hooks."""
        loop, hook_task = asyncio.get_running_loop(), None
        show_end = None
        try:
            if not await self._lease.wait_until_durable():
                self.abandon()
            show_end = loop.call_later(STORED_SECONDS, self._show_end)
            is_stored = await self._store_end(result, message)
            if is_stored and message is not None:
                hook_task = loop.create_task(self._hooks.call_on_message(self.turn, message))
                await asyncio.wait([hook_task], timeout=show_end.when() - loop.time())
            self._show_end()
            if not self._abandoned:
                await self._lease.end(result.outcome)
            if hook_task is not None:
                await hook_task
            if is_stored:
                await self._hooks.call_on_finish(result)
        finally:
            self.publish_end()
            if show_end is not None:
                show_end.cancel()
            if hook_task is not None:
                await cancel([hook_task])

    def _show_end(self) -> None:
        self.publish_end()
        self.record.close()

    async def _store_end(self, result: RunResult, message: UIMessage | None) -> bool:
        """Store the message. Return whether this process owns the run, and a store has it."""
        if message is not None and not self._abandoned:
            try:
                is_owner = await self._ownership.store_end(message, result.outcome, result.steps)
            except Exception:
                logger.exception("run %s: the message could not be stored", self.id)
                return False
            self._is_stored = is_owner and self._ownership.has_store
            if not is_owner:
                self.abandon()
        return not self._abandoned

    async def _begin_call(self, call_id: str) -> None:
        """Return once it is certain that a tool call may run, and that it does not run again."""
        try:
            is_owner = await self._ownership.begin_call(call_id)
        except StoreUnavailable:
            raise ToolError(NOT_RUN) from None
        if not is_owner:
            self.abandon()
        if self._abandoned:
            await asyncio.get_running_loop().create_future()  # until the response is cancelled

    def _on_response_done(self, _: asyncio.Task[None]) -> None:
        self._response_task, self._has_responded = None, True
        self._notify_if_closed()

    def _on_end_done(self, _: asyncio.Task[None]) -> None:
        self._end_task, self._has_finalized = None, True
        self.record.close()
        self._notify_if_closed()

    def _interrupt_now(self) -> None:
        self.interrupt()
        self.publish_end()

    def _remove_reader(self) -> None:
        self._idle_timer.remove_reader()
        self._notify_if_closed()

    def _notify_if_closed(self) -> None:
        if self.is_closed:
            self.record.report()
            self._on_closed(self)
