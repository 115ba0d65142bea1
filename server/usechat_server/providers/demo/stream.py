"""One answer of the demo model, as the batches in which a provider's reads would bring it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import cycle, islice
from secrets import token_urlsafe
from typing import Any, assert_never

from ui_message_stream import json_codec
from ui_message_stream.chunks import (
    File,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    SourceUrl,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
)
from ui_message_stream.messages import UIMessage
from ui_message_stream.schema import JSONObject
from ui_message_stream.versions import FIELD_KNOWN_SINCE, ChunkVariant, VersionedChunk

from usechat_server.errors import ModelError
from usechat_server.providers.base import StepResult
from usechat_server.providers.demo.question import Question
from usechat_server.providers.demo.script_events import (
    BreakOff,
    Call,
    Say,
    ScriptEvent,
    Show,
    Source,
    Think,
)
from usechat_server.results import Usage

__all__ = ["DemoStream", "chunks_of"]

#: characters of a delta: uneven, as a model's are, and the same every time
_LENGTHS = (5, 3, 8, 4, 6, 11, 2, 7)

#: The first release that shows the citations of a text.
_CITES_SINCE = FIELD_KNOWN_SINCE["text-end"]["citations"].v7


def chunks_of(
    beat: Think | Say | Show | Call, place: int, question: Question
) -> Iterator[ChunkVariant]:
    """The chunks of the beat that stands at that place of its step."""
    block = str(place)
    match beat:
        case Think(text):
            yield ReasoningStart(id=block)
            yield from (ReasoningDelta(id=block, delta=piece) for piece in _pieces(text))
            yield ReasoningEnd(id=block)
        case Say(text, source):
            yield TextStart(id=block)
            yield from (TextDelta(id=block, delta=piece) for piece in _pieces(text))
            yield TextEnd(id=block, citations=[_citation(source, text)] if source else None)
            if source:
                # Clients that do not know citations have sources beside the text instead.
                yield VersionedChunk(
                    SourceUrl(
                        source_id=f"{question.step}-{block}", url=source.url, title=source.title
                    ),
                    until=_CITES_SINCE,
                )
        case Show(media_type, url):
            yield File(media_type=media_type, url=url)
        case Call():
            yield from _call(beat, question)
        case _:
            assert_never(beat)


def _call(beat: Call, question: Question) -> Iterator[ChunkVariant]:
    tool = question.tools[beat.tool]
    told: dict[str, Any] = {
        # As unlike any other as a provider's: useChat finds a call by it in the whole chat.
        "tool_call_id": f"demo_{token_urlsafe(9)}",
        "tool_name": tool.name,
        "title": tool.title,
        "tool_metadata": tool.tool_metadata and dict(tool.tool_metadata),
        "dynamic": tool.dynamic or None,
    }
    yield ToolInputStart(**told)
    for piece in _pieces(json_codec.encode(beat.input).decode()):
        yield ToolInputDelta(tool_call_id=told["tool_call_id"], input_text_delta=piece)
    yield ToolInputAvailable(**told, input=beat.input)


def _citation(source: Source, text: str) -> JSONObject:
    page = {"type": "source", "sourceType": "url", "id": source.url}
    return {
        "source": {**page, "url": source.url, "title": source.title},
        "citedText": text.strip(),
    }


def _pieces(text: str) -> Iterator[str]:
    rest = iter(text)
    for length in cycle(_LENGTHS):
        piece = "".join(islice(rest, length))
        if not piece:
            return
        yield piece


#: seconds before the first chunk, and between two reads (about 300 characters a second)
_FIRST, _NEXT = 0.5, 0.035
#: deltas of a read: uneven, as a model's are, and the same every time
_BATCHES = (1, 2, 1, 3, 2)

_Step = tuple[float, list[ChunkVariant]]


class DemoStream:
    """A model call that plays beats. `history` is what it is billed for."""

    def __init__(
        self,
        script_events: Sequence[ScriptEvent],
        question: Question,
        history: Sequence[UIMessage],
        pace: float,
    ) -> None:
        self.result: StepResult | None = None
        self.details: dict[str, Any] = {}
        # About four characters are a token in most models' English.
        asked = sum(len(json_codec.encode(message.to_object())) for message in history)
        self.usage = Usage(input=asked // 4, output=0)
        self._beats = script_events
        self._pace = pace
        self._steps = _play(script_events, question)
        self._closed = asyncio.Event()

    def __aiter__(self) -> DemoStream:
        return self

    async def __anext__(self) -> Sequence[ChunkVariant]:
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


def _play(script_events: Sequence[ScriptEvent], question: Question) -> Iterator[_Step]:
    """Pauses in seconds, each with what comes after it. Raises ModelError."""
    pause = _FIRST
    for place, beat in enumerate(script_events):
        if isinstance(beat, BreakOff):
            raise ModelError("the demo model fails when it is asked to", "overloaded")
        for batch in _batches(chunks_of(beat, place, question)):
            yield pause, batch
            pause = _NEXT


def _batches(chunks: Iterator[ChunkVariant]) -> Iterator[list[ChunkVariant]]:
    for size in cycle(_BATCHES):
        batch = list(islice(chunks, size))
        if not batch:
            return
        yield batch
