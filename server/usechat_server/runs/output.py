"""Where an answer goes: what is written becomes legal, and readers see it at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ui_message_stream.chunks import Start
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import Form, Ranged
from ui_message_stream.writer import Writer

from usechat_server.logs.memory import Log
from usechat_server.observe.run_record import RunRecord
from usechat_server.turn import Turn

__all__ = ["Output"]


class Output:
    """The writing end of one run's log. It begins with `start`, before anything is asked."""

    def __init__(self, turn: Turn, record: RunRecord) -> None:
        self.turn = turn
        self.record = record
        self.log = Log(turn.continued)
        self.writer = Writer(message_id=turn.message_id, message=turn.continued, floor=turn.floor)
        self.log.append(self.writer.write(Start(message_id=turn.message_id)))

    def append(self, batch: Sequence[Form]) -> None:
        """Writes what was said; nothing once the log has its end.

        Raises IllegalChunk, or TypeError for a value without JSON form; what came before the bad
        chunk is written.
        """
        if self.log.ended:
            return
        writer = self.writer
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

    def message(self) -> UIMessage:
        """The message so far, as the newest client has it."""
        return self.log.message()

    def so_far(self) -> Turn:
        """The turn with the message as it is now: what the next model call is to go on with."""
        turn = self.turn
        before = turn.messages if turn.continued is None else turn.messages[:-1]
        return replace(turn, messages=[*before, self.message()])
