"""A response as a client reads it: its bytes, its chunks, and the message that they add up to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ui_message_stream import json_codec
from ui_message_stream.chunks import Abort, Chunk, Error, Finish, Start, parse_chunk
from ui_message_stream.errors import WireError
from ui_message_stream.messages import TextPart, ToolPart, UIMessage
from ui_message_stream.reducer import ReduceError, Reducer
from ui_message_stream.sse import Decoder

from usechat_server.conformance.exchange import Response

__all__ = ["Recording", "read_response"]


@dataclass
class Recording:
    """A response, as far as it was read.

    Attributes:
        number: The number of its request, from 1.
        response: The response, with its status and its headers.
        continued: The assistant message that it continues, if any.
        body: The body so far.
        times: The seconds at which each read arrived, and the bytes until then.
        chunk_times: The seconds at which each chunk arrived.
        done_at: The second at which `[DONE]` arrived.
        chunks: The chunks that could be parsed.
        is_complete: Whether the response was read to its end.
    """

    number: int
    response: Response
    continued: UIMessage | None = None
    body: bytearray = field(default_factory=bytearray)
    times: list[tuple[float, int]] = field(default_factory=list)
    chunk_times: list[float] = field(default_factory=list)
    done_at: float | None = None
    chunks: list[Chunk] = field(default_factory=list)
    is_complete: bool = False

    @property
    def place(self) -> str:
        """Which response it is, for reports."""
        return f"request {self.number}"

    @property
    def message(self) -> UIMessage:
        """The message as the client has it, as far as the chunks make sense."""
        reducer = Reducer(self.continued)
        for chunk in self.chunks:
            try:
                reducer.feed(chunk)
            except ReduceError:
                break
        return reducer.message

    @property
    def text(self) -> str:
        """The text that the response shows."""
        return "".join(part.text for part in self.message.parts if isinstance(part, TextPart))

    @property
    def calls(self) -> list[ToolPart]:
        """The tool calls of the message."""
        return [part for part in self.message.parts if isinstance(part, ToolPart)]

    @property
    def message_id(self) -> str | None:
        """The id in `start`."""
        ids = [chunk.message_id for chunk in self.chunks if isinstance(chunk, Start)]
        return ids[0] if ids else None

    @property
    def end(self) -> Chunk | None:
        """The chunk that ends the stream, if there is one."""
        ends = [chunk for chunk in self.chunks if isinstance(chunk, (Finish, Abort, Error))]
        return ends[0] if ends else None

    @property
    def is_error(self) -> bool:
        """Whether the user sees an error."""
        return self.response.status >= 400 or isinstance(self.end, Error)

    @property
    def is_plain_text(self) -> bool:
        """Whether the response is a refusal, whose body is the text of the error."""
        return self.response.status >= 400

    def error_text(self) -> str:
        """Return the text of the error that the user sees, or ""."""
        if isinstance(self.end, Error):
            return self.end.error_text
        return self.body.decode(errors="replace") if self.is_plain_text else ""


def read_response(
    recording: Recording, until: Callable[[Recording], bool] | None = None
) -> Iterator[Recording]:
    """Read a response. Yields the recording after each read.

    Args:
        recording: What is read so far.
        until: Stop once this is true, as a client that hangs up.
    """
    decoder = Decoder()
    for data in recording.response.pieces:
        seconds = recording.response.seconds
        recording.body += data
        recording.times.append((seconds, len(recording.body)))
        for event in decoder.feed(data):
            _take_event(recording, event, seconds)
        yield recording
        if until is not None and until(recording):
            return
    recording.is_complete = True


def _take_event(recording: Recording, event: str, seconds: float) -> None:
    if event == "[DONE]":
        recording.done_at = seconds
        return
    try:
        chunk = parse_chunk(json_codec.decode(event))
    except (WireError, ValueError):
        return  # the checker reports it
    recording.chunks.append(chunk)
    recording.chunk_times.append(seconds)
