"""What a function answers to a turn, as a stream of chunks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence

from ui_message_stream.chunks import Finish
from ui_message_stream.versions import Form
from ui_message_stream.writer import Writer

from usechat_server.compose.as_stream import streamed
from usechat_server.compose.stream_writer import AnswerFunction, StreamWriter
from usechat_server.turn import Turn

__all__ = ["answered"]


def answered(answer: AnswerFunction, turn: Turn) -> AsyncGenerator[Form, None]:
    """Runs the function from the first step of the generator on. Raises what it raises."""

    async def write(take: Callable[[Sequence[Form]], None]) -> None:
        # Here, so that the function itself hears of a chunk that cannot be.
        legal = Writer(message_id=turn.message_id, message=turn.continued, floor=turn.floor)

        def append(batch: Sequence[Form]) -> None:
            for form in batch:
                take(legal.write_form(form))

        writer = StreamWriter(append, turn.floor)
        await answer(turn, writer)
        if writer.finish_reason is not None:
            append([Finish(finish_reason=writer.finish_reason)])

    return streamed(write)
