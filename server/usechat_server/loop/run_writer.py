"""RunWriter: makes what a run writes legal and appends it to the run's log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from ui_message_stream.chunks import FinishStep, ResetStep, Start
from ui_message_stream.messages import ToolPart, UIMessage
from ui_message_stream.versions import ChunkVariant, VersionedChunk
from ui_message_stream.writer import Writer

from usechat_server.errors import ChatError
from usechat_server.run_log.log import Log
from usechat_server.telemetry.run_record import RunRecord
from usechat_server.turn import Turn

__all__ = ["MAX_RESPONSE_BYTES", "RunWriter", "Takeover", "has_been_run"]

#: The size of a response after which it is ended, by default.
MAX_RESPONSE_BYTES = 16 * 1024 * 1024
#: What the user reads then.
_TOO_LARGE = "The response is too large and was ended. Please ask for less at a time."


async def _begin_at_once(call_id: str) -> None:
    """Return at once: no other process can run the call."""


def _forget_call(call_id: str) -> None:
    """Do nothing: no other process can run the call."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """What another process left of a run.

    Attributes:
        log: The log so far.
        begun_calls: Ids of the tool calls that began and must not run again; None: it is unknown,
            and each of them may have begun.
    """

    log: Log
    begun_calls: Collection[str] | None = None


def has_been_run(call: ToolPart, begun_calls: Collection[str]) -> bool:
    """Whether a call has begun, or shows that it was about to: by a result or a decision.

    An error proves nothing, since it may be that of its input.
    """
    has_result = call.state in ("output-available", "output-denied")
    return call.tool_call_id in begun_calls or has_result or call.approval is not None


class RunWriter:
    """The writing end of one run's log, which starts with `start`.

    Pass `takeover` to continue the run of another process.
    """

    def __init__(self, turn: Turn, record: RunRecord, takeover: Takeover | None = None) -> None:
        self.turn = turn
        self.record = record
        self.chunk_writer: Writer = Writer(
            message_id=turn.message_id, message=turn.continued, client_version=turn.client_version
        )
        #: the size after which nothing more is written: characters of text, and bytes of JSON of
        #: everything else
        self.max_bytes: int = MAX_RESPONSE_BYTES
        #: returns once a call that must not run twice may run
        self.begin_call: Callable[[str], Awaitable[None]] = _begin_at_once
        #: records that such a call has its result
        self.end_call: Callable[[str], None] = _forget_call
        #: whether no other process can own the run now
        self.is_owner: Callable[[], bool] = lambda: True
        self._takeover = takeover
        self._closed = False
        if takeover is None:
            self.log: Log = Log(turn.continued)
            self.log.append(self.chunk_writer.write(Start(message_id=turn.message_id)))
        else:
            self.log = log = takeover.log
            position = (0, 0)
            while log.is_behind(position):
                variants, position = log.read_chunks(position)
                for variant in variants:
                    self.chunk_writer.write_variant(variant)

    @property
    def in_step(self) -> bool:
        """Whether a step is open."""
        return self.chunk_writer.in_step

    def append(self, batch: Sequence[ChunkVariant]) -> None:
        """Write chunks; once the run has ended, they are dropped. If the batch ends the stream,
        readers see its end when the log ends.

        Raises:
            ChatError: The response is too large already.
            IllegalChunk: A chunk is not legal here. Those before it are written.
            TypeError: A value has no JSON form. The chunks before it are written.
        """
        if self._closed:
            return
        chunk_writer = self.chunk_writer
        if chunk_writer.size + self.log.text_length > self.max_bytes:
            raise ChatError(_TOO_LARGE)
        chunks: list[ChunkVariant] = []
        try:
            for variant in batch:
                chunks += (
                    chunk_writer.write_variant(variant)
                    if isinstance(variant, VersionedChunk)
                    else chunk_writer.write(variant)
                )
        finally:
            # After an exception too: the writer's state includes the chunks that it returned.
            if chunks:
                self.record.chunks += len(chunks)
                if chunk_writer.ended:
                    self.log.stage_end(chunks)
                else:
                    self.log.append(chunks)

    @property
    def taken_over(self) -> bool:
        """Whether another process began the run."""
        return self._takeover is not None

    def may_have_begun(self, call_id: str) -> bool:
        """Whether a call without a result may have begun in a process that is gone, and must not
        run twice."""
        if self._takeover is None:
            return False
        begun_calls = self._takeover.begun_calls
        return begun_calls is None or call_id in begun_calls

    def may_be_incomplete(self, step_calls: Iterable[ToolPart]) -> bool:
        """Whether the model's response with these calls may not have ended: calls begin after it.

        Only where it is recorded which calls began does that say whether it had ended.
        """
        if self._takeover is not None and self._takeover.begun_calls is not None:
            begun_calls = self._takeover.begun_calls
            return not any(has_been_run(call, begun_calls) for call in step_calls)
        return all(call.state == "input-streaming" for call in step_calls)

    def claims_call(self, tool_call_id: str, *, known: bool) -> bool:
        """Whether this writer's agent handles an open call of the continued message. `known` says
        whether the agent has the tool."""
        return True

    def end_step(self) -> None:
        """End the step, if one is open."""
        if self.in_step:
            self.append([FinishStep()])

    def reset_step(self) -> bool:
        """Discard what was written to the open step.

        Returns:
            False, with nothing changed, if a client that has read it cannot discard it.
        """
        if not self.log.can_reset:
            return False
        self.append([ResetStep()])
        return True

    def close(self, chunks: Sequence[ChunkVariant]) -> None:
        """Write the last chunks, which the writer returned. Readers see them when the log ends."""
        self._closed = True
        self.log.stage_end(chunks)

    def message(self) -> UIMessage:
        """Return the message so far, as the newest client reads it."""
        return self.log.message()

    def current_turn(self) -> Turn:
        """Return the turn with the message as it is now: the input of the next model call."""
        turn, message = self.turn, self.message()
        if turn.continued is not None:
            return replace(turn, messages=[*turn.messages[:-1], message])
        return replace(turn, messages=[*turn.messages, message]) if message.parts else turn
