"""A beat of the demo model as chunks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from secrets import token_urlsafe
from typing import Any, assert_never

from ui_message_stream import json_codec as jsontext
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
from ui_message_stream.schema import JSONObject
from ui_message_stream.versions import FIELD_KNOWN_SINCE, Form, Ranged

from usechat_server.providers.demo.question import Question
from usechat_server.providers.demo.script_events import Call, Say, Show, Source, Think

__all__ = ["chunks_of"]

#: characters of a delta: uneven, as a model's are, and the same every time
_LENGTHS = (5, 3, 8, 4, 6, 11, 2, 7)

#: The first release that shows the citations of a text.
_CITES_SINCE = FIELD_KNOWN_SINCE["text-end"]["citations"].v7


def chunks_of(beat: Think | Say | Show | Call, place: int, question: Question) -> Iterator[Form]:
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
                yield Ranged(
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


def _call(beat: Call, question: Question) -> Iterator[Form]:
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
    for piece in _pieces(jsontext.encode(beat.input).decode()):
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
