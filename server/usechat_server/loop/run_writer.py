"""Where an answer goes: what is written becomes legal, and readers see it at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from ui_message_stream.chunks import FinishStep, ResetStep, Start
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ChunkVariant, VersionedChunk
from ui_message_stream.writer import Writer

from usechat_server.run_log.log import Log
from usechat_server.telemetry.run_record import RunRecord
from usechat_server.turn import Turn

__all__ = ["RunWriter"]


async def _at_once() -> None:
    """What is written in this process's memory is as safe as it gets."""


class RunWriter:
    """The writing end of one run's log. It begins with `start`, before anything is asked.

    `log` is the one of a run that another process began: it is written on.
    """

    def __init__(self, turn: Turn, record: RunRecord, log: Log | None = None) -> None:
        self.turn = turn
        self.record = record
        self.writer = Writer(
            message_id=turn.message_id, message=turn.continued, client_version=turn.client_version
        )
        #: waits until what was written is where a process that takes the run over finds it
        self.durable: Callable[[], Awaitable[None]] = _at_once
        #: whether another process began it
        self.taken_over = log is not None
        self._closed = False
        if log is None:
            self.log = Log(turn.continued)
            self.log.append(self.writer.write(Start(message_id=turn.message_id)))
        else:
            self.log = log
            position = (0, 0)
            while log.is_behind(position):
                written, position = log.read_chunks(position)
                for said in written:
                    self.writer.write_variant(said)

    @property
    def in_step(self) -> bool:
        """Whether something of a step was written that has not ended."""
        return self.writer.in_step

    def append(self, batch: Sequence[ChunkVariant]) -> None:
        """Writes what was said; nothing once the answer has its end. If the end is among it,
        readers see that when the log ends.

        Raises IllegalChunk, or TypeError for a value without JSON form; what came before the bad
        chunk is written.
        """
        if self._closed:
            return
        writer = self.writer
        chunks: list[ChunkVariant] = []
        try:
            for said in batch:
                chunks += (
                    writer.write_variant(said)
                    if isinstance(said, VersionedChunk)
                    else writer.write(said)
                )
        finally:
            # Before an illegal one too: the writer counts on what it gave.
            if chunks:
                self.record.chunks += len(chunks)
                if writer.ended:
                    self.log.stage_end(chunks)
                else:
                    self.log.append(chunks)

    def claims_call(self, tool_call_id: str, *, known: bool) -> bool:
        """Whether it is for this answer to deal with an open call of the message that is continued,
        whose tool it may know."""
        return True

    def end_step(self) -> None:
        """Ends the step, if something of it was written."""
        if self.in_step:
            self.append([FinishStep()])

    def reset_step(self) -> bool:
        """Takes back what was written of the step that has not ended. False, and nothing is
        changed, if somebody who reads would lose by it."""
        if not self.log.can_reset:
            return False
        self.append([ResetStep()])
        return True

    def close(self, chunks: Sequence[ChunkVariant]) -> None:
        """Writes the last chunks, which the writer gave. Readers see them when the log ends."""
        self._closed = True
        self.log.stage_end(chunks)

    def message(self) -> UIMessage:
        """The message so far, as the newest client has it."""
        return self.log.message()

    def current_turn(self) -> Turn:
        """The turn with the message as it is now: what the next model call is to go on with."""
        turn, message = self.turn, self.message()
        if turn.continued is not None:
            return replace(turn, messages=[*turn.messages[:-1], message])
        return replace(turn, messages=[*turn.messages, message]) if message.parts else turn
