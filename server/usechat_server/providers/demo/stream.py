"""One answer of the demo model, as the batches in which a provider's reads would bring it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import cycle, islice
from typing import Any

from ui_message_stream import json_codec as jsontext
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import Form

from usechat_server.providers.base import ModelError, StepResult, Usage
from usechat_server.providers.demo.chunks import chunks_of
from usechat_server.providers.demo.question import Question
from usechat_server.providers.demo.script_events import Beat, BreakOff, Call

__all__ = ["DemoStream"]

#: seconds before the first chunk, and between two reads (about 300 characters a second)
_FIRST, _NEXT = 0.5, 0.035
#: deltas of a read: uneven, as a model's are, and the same every time
_BATCHES = (1, 2, 1, 3, 2)

_Step = tuple[float, list[Form]]


class DemoStream:
    """A model call that plays beats. `history` is what it is billed for."""

    def __init__(
        self,
        beats: Sequence[Beat],
        question: Question,
        history: Sequence[UIMessage],
        pace: float,
    ) -> None:
        self.result: StepResult | None = None
        self.details: dict[str, Any] = {}
        # About four characters are a token in most models' English.
        asked = sum(len(jsontext.encode(message.to_object())) for message in history)
        self.usage = Usage(input=asked // 4, output=0)
        self._beats = beats
        self._pace = pace
        self._steps = _play(beats, question)
        self._closed = asyncio.Event()

    def __aiter__(self) -> DemoStream:
        return self

    async def __anext__(self) -> Sequence[Form]:
        step = next(self._steps, None)
        if step is None:
            calls = any(isinstance(beat, Call) for beat in self._beats)
            self.result = StepResult("tool-calls" if calls else "stop")
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


def _play(beats: Sequence[Beat], question: Question) -> Iterator[_Step]:
    """Pauses in seconds, each with what comes after it. Raises ModelError."""
    pause = _FIRST
    for place, beat in enumerate(beats):
        if isinstance(beat, BreakOff):
            raise ModelError("the demo model fails when it is asked to", "overloaded")
        for batch in _batches(chunks_of(beat, place, question)):
            yield pause, batch
            pause = _NEXT


def _batches(chunks: Iterator[Form]) -> Iterator[list[Form]]:
    for size in cycle(_BATCHES):
        batch = list(islice(chunks, size))
        if not batch:
            return
        yield batch
