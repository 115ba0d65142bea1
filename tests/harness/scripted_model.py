"""ScriptedModel: plays the chunks, waits and failures that a test gives it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from time import monotonic

from ui_message_stream.chunks import Chunk
from usechat_server.providers.base import ModelCall, StepResult
from usechat_server.results import Usage

__all__ = ["ScriptEvent", "ScriptedModel", "ScriptedStream"]

#: A batch of chunks, a failure, a wait (an event or seconds), the usage so far, or the end.
ScriptEvent = Sequence[Chunk] | BaseException | asyncio.Event | float | Usage | StepResult


class ScriptedModel:
    """Plays one script per call, in order; after the last one, the last one again."""

    def __init__(self, *scripts: Iterable[ScriptEvent]) -> None:
        self.name = "scripted"
        self.requires: frozenset[str] = frozenset()
        self.streams: list[ScriptedStream] = []
        #: the calls that began, in order
        self.calls: list[ModelCall] = []
        self._scripts = scripts

    def check(self, call: ModelCall) -> None:
        pass

    def stream(self, call: ModelCall) -> ScriptedStream:
        def begin() -> Iterable[ScriptEvent]:
            script = self._scripts[min(len(self.calls), len(self._scripts) - 1)]
            self.calls.append(call)
            return script

        self.streams.append(ScriptedStream(begin))
        return self.streams[-1]

    async def aclose(self) -> None:
        pass


class ScriptedStream:
    """One model call, which takes its script when it is first read."""

    def __init__(self, begin: Callable[[], Iterable[ScriptEvent]]) -> None:
        self.result: StepResult | None = None
        self.details = {"request_id": "req_1"}
        self.usage = Usage(input=3, output=0)
        #: set when the first batch is requested
        self.called = asyncio.Event()
        #: set when a provider's connection would be closed
        self.closed = asyncio.Event()
        #: `time.monotonic()` of that moment
        self.closed_at = 0.0
        self._begin = begin

    async def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        self.called.set()
        for event in self._begin():
            match event:
                case asyncio.Event():
                    await event.wait()
                case float():
                    await asyncio.sleep(event)
                case StepResult():
                    self.result = event
                case Usage():
                    self.usage = event
                case BaseException():
                    raise event
                case _:
                    yield event

    async def aclose(self) -> None:
        for _ in range(5):
            await asyncio.sleep(
                0
            )  # closing a connection takes time, so that a second cancellation is noticed
        if not self.closed.is_set():
            self.closed_at = monotonic()
            self.closed.set()
