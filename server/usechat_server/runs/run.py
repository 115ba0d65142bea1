"""One run: the task that answers a turn, and the ends that it can have."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from time import monotonic

from ui_message_stream.chunks import Chunk, Finish, MessageMetadata
from ui_message_stream.versions import project

from usechat_server.logs.memory import Reader
from usechat_server.metadata import Outcome
from usechat_server.observe.masking import RESTARTING, mask
from usechat_server.observe.run_record import RunRecord
from usechat_server.response import EventStream, is_cancelled
from usechat_server.runs.accounts import Accounts
from usechat_server.runs.answering import Answering
from usechat_server.runs.output import Output
from usechat_server.turn import Turn

__all__ = ["Run"]


class Run:
    """One answer to one POST. Made inside the event loop that it is to run in.

    Its log begins with `start`, before anything is asked, and always ends with `finish`, `abort`
    or `error`, once.
    """

    def __init__(self, turn: Turn, answering: Answering, settled: Callable[[Run], None]) -> None:
        self.id = secrets.token_hex(8)
        self.turn = turn
        self.record = RunRecord(
            run=self.id,
            user=turn.user,
            chat=turn.chat_id,
            message=turn.message_id,
            model=answering.name,
            floor=str(turn.floor),
        )
        self._output = Output(turn, self.record)
        self.log = self._output.log
        self._answering = answering
        self._accounts = Accounts(turn, self.log.said)
        self._settled = settled
        self._readers = 0
        self._task = asyncio.create_task(self._run(), name=f"run {self.id}")
        self._task.add_done_callback(lambda _: self._settle())

    def response(self, *, keep_alive: float = 10.0, send_timeout: float = 30.0) -> EventStream:
        """A response that reads the log, from where the POST's client stands."""
        self._readers += 1
        body = _Body(self, self.log.reader(self.turn.floor))
        return EventStream(body, keep_alive=keep_alive, send_timeout=send_timeout)

    def stop(self) -> None:
        """Ends the run at once and closes the provider's connection. Idempotent."""
        if self._end("aborted", self._output.writer.abort):
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
            reason = await self._answering.answer(self._output, self._accounts)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled(error):
                # By `stop` or `interrupt`, which ended the log already; or the event loop closes.
                self._end("interrupted", self._interruption)
                raise
            self._fail(error)
        else:
            outcome: Outcome = "waiting" if reason == "tool-calls" else "finished"
            self._end(outcome, lambda: self._output.writer.finish(reason))
        finally:
            await self._answering.aclose()

    def _interruption(self) -> list[Chunk]:
        told = Finish(finish_reason="interrupted")
        if project(told, self.turn.floor) == told:
            return self._output.writer.finish("interrupted")
        # Any other finish would show half an answer as a complete one.
        return self._output.writer.error(RESTARTING)

    def _fail(self, error: BaseException) -> None:
        masked = mask(error)
        self._end(
            "failed",
            lambda: self._output.writer.error(masked.text),
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
        accounts, writer = self._accounts, self._output.writer
        accounts.close()
        if not writer.ended:  # else the model said the end itself
            told = accounts.metadata(self._answering.metadata, outcome)
            # Not in `finish`: the other ends could not hold it.
            last = writer.write(MessageMetadata(message_metadata=told)) if told else []
            self.log.append([*last, *close()])
        self.log.end()
        self.record.log(outcome, accounts.call, accounts.steps, error, reference)
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
            self._reader.close()
            self._run._leave()
