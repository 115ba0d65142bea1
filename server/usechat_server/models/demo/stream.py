"""One answer of the demo model, as the batches in which a provider's reads would bring it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import cycle, islice
from typing import Any, assert_never

from ui_message_stream import jsontext
from ui_message_stream.chunks import (
    Chunk,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
)
from ui_message_stream.messages import UIMessage

from usechat_server.models.base import ModelError, StepResult, Usage
from usechat_server.models.demo.script import Beat, BreakOff, Say, Think, UseTool

__all__ = ["DemoStream"]

#: seconds before the first chunk, and between two reads (about 300 characters a second)
_FIRST, _NEXT = 0.5, 0.035
#: characters of a delta, and deltas of a read: uneven, as a model's are, and the same every time
_LENGTHS = (5, 3, 8, 4, 6, 11, 2, 7)
_BATCHES = (1, 2, 1, 3, 2)

_Step = tuple[float, list[Chunk]]


class DemoStream:
    """A model call that plays beats."""

    def __init__(self, beats: Sequence[Beat], history: Sequence[UIMessage], pace: float) -> None:
        self.result: StepResult | None = None
        self.details: dict[str, Any] = {}
        # About four characters are a token in most models' English.
        asked = sum(len(jsontext.encode(message.to_object())) for message in history)
        self.usage = Usage(input=asked // 4, output=0)
        self._beats = beats
        self._pace = pace
        self._steps = _play(beats)
        self._closed = asyncio.Event()

    def __aiter__(self) -> DemoStream:
        return self

    async def __anext__(self) -> Sequence[Chunk]:
        step = next(self._steps, None)
        if step is None:
            uses_tool = isinstance(self._beats[-1], UseTool)
            self.result = StepResult("tool-calls" if uses_tool else "stop")
            raise StopAsyncIteration
        seconds, batch = step
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), seconds * self._pace)
        if self._closed.is_set():
            raise ModelError("the call was closed", "connection")
        self.usage = Usage(self.usage.input, (self.usage.output or 0) + len(batch))
        return batch

    async def aclose(self) -> None:
        self._closed.set()


def _play(beats: Sequence[Beat]) -> Iterator[_Step]:
    """Pauses in seconds, each with what comes after it. Raises ModelError."""
    pause = _FIRST
    for index, beat in enumerate(beats):
        for batch in _batches(_chunks(beat, str(index))):
            yield pause, batch
            pause = _NEXT


def _chunks(beat: Beat, block: str) -> Iterator[Chunk]:
    match beat:
        case Think(text):
            yield ReasoningStart(id=block)
            yield from (ReasoningDelta(id=block, delta=piece) for piece in _pieces(text))
            yield ReasoningEnd(id=block)
        case Say(text):
            yield TextStart(id=block)
            yield from (TextDelta(id=block, delta=piece) for piece in _pieces(text))
            yield TextEnd(id=block)
        case UseTool(id, tool, value):
            text = jsontext.encode(value).decode()
            yield ToolInputStart(tool_call_id=id, tool_name=tool.name, title=tool.title)
            for piece in _pieces(text):
                yield ToolInputDelta(tool_call_id=id, input_text_delta=piece)
            yield ToolInputAvailable(
                tool_call_id=id, tool_name=tool.name, title=tool.title, input=value
            )
        case BreakOff():
            raise ModelError("the demo model fails when it is asked to", "overloaded")
        case _:
            assert_never(beat)


def _pieces(text: str) -> Iterator[str]:
    rest = iter(text)
    for length in cycle(_LENGTHS):
        piece = "".join(islice(rest, length))
        if not piece:
            return
        yield piece


def _batches(chunks: Iterator[Chunk]) -> Iterator[list[Chunk]]:
    for size in cycle(_BATCHES):
        batch = list(islice(chunks, size))
        if not batch:
            return
        yield batch
