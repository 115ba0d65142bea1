"""Stream a script as chunks, at the pace of a real model."""

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
    CallTool,
    Fail,
    Say,
    ScriptEvent,
    ShowFile,
    Source,
    Think,
)
from usechat_server.results import Usage

__all__ = ["DemoStream", "chunks_of"]

#: Characters of the deltas: uneven like a model's, and the same every time.
_DELTA_LENGTHS = (5, 3, 8, 4, 6, 11, 2, 7)

#: The first release that shows the citations of a text.
_CITATIONS_SINCE = FIELD_KNOWN_SINCE["text-end"]["citations"].v7


def chunks_of(
    event: Think | Say | ShowFile | CallTool, index: int, question: Question
) -> Iterator[ChunkVariant]:
    """Yield the chunks of the event at this index of the step's script."""
    block_id = str(index)
    match event:
        case Think(text):
            yield ReasoningStart(id=block_id)
            yield from (ReasoningDelta(id=block_id, delta=piece) for piece in _split(text))
            yield ReasoningEnd(id=block_id)
        case Say(text, source):
            yield TextStart(id=block_id)
            yield from (TextDelta(id=block_id, delta=piece) for piece in _split(text))
            yield TextEnd(id=block_id, citations=[_citation(source, text)] if source else None)
            if source:
                # Clients that do not know citations get a source beside the text instead.
                source_id = f"{question.step}-{block_id}"
                yield VersionedChunk(
                    SourceUrl(source_id=source_id, url=source.url, title=source.title),
                    until=_CITATIONS_SINCE,
                )
        case ShowFile(media_type, url):
            yield File(media_type=media_type, url=url)
        case CallTool():
            yield from _tool_call(event, question)
        case _:
            assert_never(event)


def _tool_call(call: CallTool, question: Question) -> Iterator[ChunkVariant]:
    tool = question.tools[call.tool]
    # As unique as a provider's ids: useChat looks for it in the whole chat.
    call_id = f"demo_{token_urlsafe(9)}"
    fields: dict[str, Any] = {
        "tool_call_id": call_id,
        "tool_name": tool.name,
        "title": tool.title,
        "tool_metadata": tool.tool_metadata and dict(tool.tool_metadata),
        "dynamic": tool.dynamic or None,
    }
    yield ToolInputStart(**fields)
    for piece in _split(json_codec.encode(call.input).decode()):
        yield ToolInputDelta(tool_call_id=call_id, input_text_delta=piece)
    yield ToolInputAvailable(**fields, input=call.input)


def _citation(source: Source, text: str) -> JSONObject:
    cited_page = {"type": "source", "sourceType": "url", "id": source.url}
    return {
        "source": {**cited_page, "url": source.url, "title": source.title},
        "citedText": text.strip(),
    }


def _split(text: str) -> Iterator[str]:
    characters = iter(text)
    for length in cycle(_DELTA_LENGTHS):
        piece = "".join(islice(characters, length))
        if not piece:
            return
        yield piece


#: Seconds before the first chunk, and between two batches (about 300 characters a second).
_FIRST_PAUSE, _NEXT_PAUSE = 0.5, 0.035
#: Chunks of the batches: uneven like a provider's reads, and the same every time.
_BATCH_SIZES = (1, 2, 1, 3, 2)

#: Seconds to wait, and the chunks that follow.
_TimedBatch = tuple[float, list[ChunkVariant]]


class DemoStream:
    """A ModelStream that plays a script.

    Args:
        script: The events of this step.
        question: The question that it answers.
        messages: The conversation, for the number of input tokens.
        pace: Stretches the pauses.
    """

    def __init__(
        self,
        script: Sequence[ScriptEvent],
        question: Question,
        messages: Sequence[UIMessage],
        pace: float,
    ) -> None:
        self.result: StepResult | None = None
        self.details: dict[str, Any] = {}
        # Most models count about four characters of English as a token.
        history_bytes = sum(len(json_codec.encode(message.to_object())) for message in messages)
        self.usage: Usage = Usage(input=history_bytes // 4, output=0)
        self._script = script
        self._pace = pace
        self._batches = _timed_batches(script, question)
        self._closed = asyncio.Event()

    def __aiter__(self) -> DemoStream:
        return self

    async def __anext__(self) -> Sequence[ChunkVariant]:
        timed_batch = next(self._batches, None)
        if timed_batch is None:
            has_calls = any(isinstance(event, CallTool) for event in self._script)
            self.result = StepResult("tool-calls" if has_calls else "stop")
            raise StopAsyncIteration
        seconds, batch = timed_batch
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), seconds * self._pace)
        if self._closed.is_set():
            raise ModelError("the call was closed", "connection")
        self.usage = Usage(self.usage.input, (self.usage.output or 0) + len(batch))
        return batch

    async def aclose(self) -> None:
        self._closed.set()


def _timed_batches(script: Sequence[ScriptEvent], question: Question) -> Iterator[_TimedBatch]:
    """Yield the batches of a script, each with the pause before it. Raises ModelError."""
    pause = _FIRST_PAUSE
    for index, event in enumerate(script):
        if isinstance(event, Fail):
            raise ModelError("the demo model fails on request", "overloaded")
        for batch in _batches(chunks_of(event, index, question)):
            yield pause, batch
            pause = _NEXT_PAUSE


def _batches(chunks: Iterator[ChunkVariant]) -> Iterator[list[ChunkVariant]]:
    for size in cycle(_BATCH_SIZES):
        batch = list(islice(chunks, size))
        if not batch:
            return
        yield batch
