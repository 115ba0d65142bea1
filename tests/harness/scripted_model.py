"""A model that says what a test tells it to, when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from time import monotonic

from ui_message_stream.chunks import Chunk
from usechat_server.providers.base import ModelCall, StepResult
from usechat_server.results import Usage

__all__ = ["Beat", "ScriptedModel", "ScriptedStream"]

#: A batch of chunks, a failure, something to wait for (an event, or seconds), tokens, or the end.
Beat = Sequence[Chunk] | BaseException | asyncio.Event | float | Usage | StepResult


class ScriptedModel:
    """Plays one script a call, in order; the last one again and again."""

    def __init__(self, *scripts: Iterable[Beat]) -> None:
        self.name = "scripted"
        self.requires: frozenset[str] = frozenset()
        self.streams: list[ScriptedStream] = []
        #: what the model was asked
        self.calls: list[ModelCall] = []
        self._scripts = scripts

    def check(self, call: ModelCall) -> None:
        pass

    def stream(self, call: ModelCall) -> ScriptedStream:
        def begin() -> Iterable[Beat]:
            script = self._scripts[min(len(self.calls), len(self._scripts) - 1)]
            self.calls.append(call)
            return script

        self.streams.append(ScriptedStream(begin))
        return self.streams[-1]

    async def aclose(self) -> None:
        pass


class ScriptedStream:
    def __init__(self, begin: Callable[[], Iterable[Beat]]) -> None:
        self.result: StepResult | None = None
        self.details = {"request_id": "req_1"}
        self.usage = Usage(input=3, output=0)
        #: set when the first batch was asked for
        self.called = asyncio.Event()
        #: set when the provider's connection would have been closed; when that was
        self.closed = asyncio.Event()
        self.closed_at = 0.0
        self._begin = begin

    async def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        self.called.set()
        for beat in self._begin():
            match beat:
                case asyncio.Event():
                    await beat.wait()
                case float():
                    await asyncio.sleep(beat)
                case StepResult():
                    self.result = beat
                case Usage():
                    self.usage = beat
                case BaseException():
                    raise beat
                case _:
                    yield beat

    async def aclose(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)  # closing a connection waits too: a second cancellation shows
        if not self.closed.is_set():
            self.closed_at = monotonic()
            self.closed.set()
