"""One run: the task that calls the model and appends what it says to a log."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic

from ui_message_stream.chunks import Chunk, Finish, MessageMetadata, Start, StartStep
from ui_message_stream.versions import Form, Ranged, project
from ui_message_stream.writer import Writer

from usechat_server.agent import Agent
from usechat_server.logs.memory import Log, Reader
from usechat_server.metadata import Outcome
from usechat_server.models.base import ModelError, ModelStream, StepResult
from usechat_server.observe.masking import RESTARTING, mask
from usechat_server.observe.run_record import RunRecord
from usechat_server.response import EventStream, is_cancelled
from usechat_server.runs.accounts import Accounts
from usechat_server.runs.retry import Retry
from usechat_server.turn import Turn

__all__ = ["Run"]

#: A provider that pauses more often than this in one answer gets nowhere.
_MOST_PAUSES = 20


class Run:
    """One answer to one POST. Made inside the event loop that it is to run in.

    Its log begins with `start`, before the model is called, and always ends with `finish`, `abort`
    or `error`, once. `stream` is the agent's first call for the turn.
    """

    def __init__(
        self,
        turn: Turn,
        agent: Agent,
        stream: ModelStream,
        retry: Retry,
        settled: Callable[[Run], None],
    ) -> None:
        self.id = secrets.token_hex(8)
        self.turn = turn
        self.log = Log(turn.continued)
        self._agent = agent
        self._retry = retry
        self._settled = settled
        self._readers = 0
        self._stream = stream
        self._writer = Writer(message_id=turn.message_id, message=turn.continued, floor=turn.floor)
        self._accounts = Accounts(turn, agent, self.log.said)
        self.record = RunRecord(
            run=self.id,
            user=turn.user,
            chat=turn.chat_id,
            message=turn.message_id,
            model=agent.model.name,
            floor=str(turn.floor),
        )
        self.log.append(self._writer.write(Start(message_id=turn.message_id)))
        self._task = asyncio.create_task(self._run(), name=f"run {self.id}")
        self._task.add_done_callback(lambda _: self._settle())

    def response(self, *, keep_alive: float = 10.0, send_timeout: float = 30.0) -> EventStream:
        """A response that reads the log, from where the POST's client stands."""
        self._readers += 1
        body = _Body(self, self.log.reader(self.turn.floor))
        return EventStream(body, keep_alive=keep_alive, send_timeout=send_timeout)

    def stop(self) -> None:
        """Ends the run at once and closes the provider's connection. Idempotent."""
        if self._end("aborted", self._writer.abort):
            self._task.cancel()

    def interrupt(self) -> None:
        """Ends the run because the server goes down; what was said stays. Idempotent."""
        if self._end("interrupted", self._interruption):
            self._task.cancel()

    @property
    def settled(self) -> bool:
        """Whether it ended, and every reader left."""
        return self._task.done() and not self._readers

    async def _run(self) -> None:
        try:
            result = await self._answer()
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled(error):
                # By `stop` or `interrupt`, which ended the log already; or the event loop closes.
                self._end("interrupted", self._interruption)
                raise
            self._fail(error)
        else:
            waiting = result.finish_reason == "tool-calls"
            outcome: Outcome = "waiting" if waiting else "finished"
            self._end(outcome, lambda: self._writer.finish(result.finish_reason))
        finally:
            await self._stream.aclose()

    async def _answer(self) -> StepResult:
        """The model's answer, all of it: when the provider pauses, it is asked to go on."""
        for _ in range(_MOST_PAUSES):
            result = await self._call()
            if not result.paused:
                break
            await self._stream.aclose()
            self._accounts.close(self._stream)
            self._stream = self._agent.call(self._so_far())
            self._append([StartStep()])
        return result

    def _so_far(self) -> Turn:
        """The turn with the message as it is now."""
        turn = self.turn
        before = turn.messages if turn.continued is None else turn.messages[:-1]
        return replace(turn, messages=[*before, self.log.message()])

    async def _call(self) -> StepResult:
        """What a call of the model brings. It is tried again as long as it brought nothing."""
        record = self.record
        while True:
            record.attempts += 1
            record.called = monotonic()
            try:
                return await self._step()
            except ModelError as error:
                elapsed = monotonic() - record.queued
                seconds = (
                    None if record.chunks else self._retry.wait(error, record.attempts, elapsed)
                )
                if seconds is None:
                    raise
                record.retried.append(str(error))
            await self._stream.aclose()
            self._accounts.close(self._stream)
            await asyncio.sleep(seconds)
            self._stream = self._agent.call(self.turn)

    async def _step(self) -> StepResult:
        record = self.record
        async for batch in self._stream:
            record.read(batch)
            self._append(batch)
        if self._stream.result is None:
            raise ModelError("the stream ended without a result", "truncated")
        return self._stream.result

    def _append(self, batch: Sequence[Form]) -> None:
        writer = self._writer
        chunks: list[Form] = []
        try:
            for said in batch:
                chunks += (
                    writer.write_form(said) if isinstance(said, Ranged) else writer.write(said)
                )
        finally:
            # Before an illegal one too: the writer counts on what it gave.
            if chunks:
                self.record.chunks += len(chunks)
                self.log.append(chunks)

    def _interruption(self) -> list[Chunk]:
        told = Finish(finish_reason="interrupted")
        if project(told, self.turn.floor) == told:
            return self._writer.finish("interrupted")
        # Any other finish would show half an answer as a complete one.
        return self._writer.error(RESTARTING)

    def _fail(self, error: BaseException) -> None:
        masked = mask(error)
        self._end(
            "failed",
            lambda: self._writer.error(masked.text),
            error=error,
            reference=masked.reference,
        )

    def _end(
        self,
        outcome: Outcome,
        close: Callable[[], Sequence[Chunk]],
        *,
        error: BaseException | None = None,
        reference: str | None = None,
    ) -> bool:
        """Ends the log with the chunks that `close` gives; False if it has an end already."""
        if self.log.ended:
            return False
        self._accounts.close(self._stream)
        if not self._writer.ended:  # else the model said the end itself
            told = self._accounts.metadata(outcome)
            # Not in `finish`: the other ends could not hold it.
            last = self._writer.write(MessageMetadata(message_metadata=told)) if told else []
            self.log.append([*last, *close()])
        self.log.end()
        self.record.log(outcome, self._stream, self._accounts.steps, error, reference)
        return True

    def _leave(self) -> None:
        """A reader has gone. Without the last one nobody can come back for the answer."""
        self._readers -= 1
        if not self._readers:
            self.stop()
        self._settle()

    def _settle(self) -> None:
        if self.settled:
            self._settled(self)


class _Body:
    """What one response reads. Not a generator: those do not notice a close before their start."""

    def __init__(self, run: Run, reader: Reader) -> None:
        self._run = run
        self._reader = reader
        self._open = True

    def __aiter__(self) -> _Body:
        return self

    async def __anext__(self) -> bytes:
        data = await self._reader.read()
        if data is None:
            raise StopAsyncIteration
        self._run.record.last_write = monotonic()
        return data

    def cut(self) -> bytes:
        self._run.interrupt()
        return b"".join(iter(self._reader.take, None))

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            self._run._leave()
