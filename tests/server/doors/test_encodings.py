"""What each door writes, read back, is what its format can hold of the message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui_message_stream.chunks import (
    Chunk,
    Error,
    FinishStep,
    ResetStep,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
)
from ui_message_stream.messages import ReasoningPart, TextPart, ToolPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.versions import (
    NEWEST_CLIENT_VERSION,
    OLDEST_CLIENT_VERSION,
    ChunkVariant,
    downgrade,
)
from ui_message_stream.writer import Writer
from usechat_server.doors.completion import CompletionStream
from usechat_server.doors.object import JSONDocument
from usechat_server.doors.sse import EventStream
from usechat_server.doors.text import PlainText
from usechat_server.run_log.log import Log
from usechat_server.run_log.position import Position, parse_cursor

from tests.harness.asgi_host import chunks_of
from tests.harness.log_strategies import Entries, entries, read, reads


def message_of(logged: Entries) -> UIMessage:
    chunks = [downgrade(each, OLDEST_CLIENT_VERSION) for entry in logged for each in entry]
    return reduce([chunk for chunk in chunks if chunk is not None])


def texts(logged: Entries) -> list[str]:
    return [part.text for part in message_of(logged).parts if isinstance(part, TextPart)]


def is_incomplete(logged: Entries) -> bool:
    """Whether a client without tools cannot have a whole response."""
    last = logged[-1][-1]
    waits = any(
        isinstance(part, ToolPart) and part.state == "input-available"
        for part in message_of(logged).parts
    )
    return isinstance(last, Error) or (not is_abort(logged) and waits)


def is_abort(logged: Entries) -> bool:
    return bool(getattr(logged[-1][-1], "type", "") == "abort")


@given(logged=entries(), reads=reads)
async def test_text_is_that_of_the_message(logged: Entries, reads: list[bool]) -> None:
    encoding = PlainText()
    data = await read(encoding, logged, reads)
    assert data.decode() == "".join(texts(logged))
    assert encoding.is_broken == is_incomplete(logged)


@given(logged=entries(), reads=reads)
async def test_a_completion_has_the_text_in_one_block(logged: Entries, reads: list[bool]) -> None:
    separated = "\n\n".join(text for text in texts(logged) if text)
    assert (await read(PlainText(separator="\n\n"), logged, reads)).decode() == separated
    data = await read(CompletionStream(), logged, reads)
    chunks = chunks_of(data)
    parts = reduce(chunks).parts
    assert [part.text for part in parts if isinstance(part, TextPart)] == [separated] * bool(
        separated
    )
    assert isinstance(chunks[-1], Error) == is_incomplete(logged)
    assert data.endswith(b"data: [DONE]\n\n")


def in_step(*texts: str, call: str | None = None) -> list[ChunkVariant]:
    chunks: list[ChunkVariant] = [StartStep()]
    for index, text in enumerate(texts):
        block = f"{call}{index}"
        pieces = [TextDelta(id=block, delta=each) for each in text]
        chunks += [TextStart(id=block), *pieces, TextEnd(id=block)]
    if call:
        chunks += [ToolInputAvailable(tool_call_id=call, tool_name="t", input={})]
    return [*chunks, FinishStep()]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)
documents = st.builds(
    partial(json.dumps, ensure_ascii=False),
    st.dictionaries(st.text(), json_values)
    | st.lists(json_values)
    | st.sampled_from(["spring", 'a "quoted" choice']),
    indent=st.sampled_from([None, 2]),
)


@given(
    document=documents,
    cut=st.integers(0, 40),
    narration=st.sampled_from(["", "Let me see.", "  \n", "First, "]),
    blanks=st.sampled_from(["", "\n "]),
    reads=reads,
)
async def test_an_object_is_the_document_and_nothing_else(
    document: str, cut: int, narration: str, blanks: str, reads: list[bool]
) -> None:
    writer = Writer(message_id="m")

    def legal(chunks: Sequence[ChunkVariant]) -> list[ChunkVariant]:
        return [written for chunk in chunks for written in writer.write_variant(chunk)]

    logged: Entries = [
        legal(in_step(narration)),
        legal(in_step(blanks + document[:cut], document[cut:])),
        [*writer.finish()],
    ]
    encoding = JSONDocument()
    assert encoding.keep_alive == b" "
    written = await read(encoding, logged, reads)
    assert written.decode() == document
    assert not encoding.is_broken
    assert encoding.keep_alive == b""  # a blank may be inside of a string now


@pytest.mark.parametrize(
    ("steps", "sent"),
    [
        pytest.param(['{"a": 1'], '{"a": 1', id="cut"),
        pytest.param([], "", id="nothing"),
        pytest.param(["I cannot do that."], "", id="a refusal"),
        pytest.param(['{"a": "x"}', '{"a": 1}'], '{"a": "x"}', id="a corrected document"),
        pytest.param(["{} and so on"], "{} and so on", id="text after it"),
    ],
)
async def test_a_response_without_one_whole_document_is_broken_off(
    steps: list[str], sent: str
) -> None:
    writer = Writer(message_id="m")
    logged: Entries = [
        [written for chunk in in_step(step) for written in writer.write_variant(chunk)]
        for step in steps
    ]
    encoding = JSONDocument()
    assert (await read(encoding, [*logged, [*writer.finish()]], [])).decode() == sent
    assert encoding.is_broken


@pytest.mark.parametrize("encoding_class", [PlainText, JSONDocument])
async def test_a_call_that_the_client_would_have_to_resolve_breaks_it_off(
    encoding_class: type[PlainText | JSONDocument],
) -> None:
    writer = Writer(message_id="m")
    step = in_step("{}", call="c")
    logged: Entries = [[each for chunk in step for each in writer.write_variant(chunk)]]
    encoding = encoding_class()
    assert await read(encoding, [*logged, [*writer.finish()]], []) == b"{}"
    assert encoding.is_broken


Events = list[dict[str, Any]]


def folded(events: Events) -> Events:
    """Return events with the texts of consecutive deltas as one."""
    result: Events = []
    for event in events:
        last = result[-1] if result else {}
        if event["type"] in ("text", "reasoning") and event["type"] == last.get("type"):
            result[-1] = {**last, "value": last["value"] + event["value"]}
        else:
            result.append(event)
    return result


def read_sse(stream: str) -> Events:
    """Read a stream as simple clients do: split at blank lines, strip `data: `, stop at [DONE]."""
    *frames, rest = stream.split("\n\n")
    assert rest == ""
    data = [frame.removeprefix("data: ") for frame in frames]
    assert data[-1] == "[DONE]"
    return [json.loads(each) for each in data[:-1] if each]


@given(logged=entries(), reads=reads)
async def test_events_are_what_happened(logged: Entries, reads: list[bool]) -> None:
    events = read_sse((await read(EventStream(), logged, reads)).decode())
    message = message_of(logged)
    text = "".join(event["value"] for event in events if event["type"] == "text")
    assert text == "\n\n".join(text for text in texts(logged) if text)
    reasoning = "".join(event["value"] for event in events if event["type"] == "reasoning")
    if sum(isinstance(part, ReasoningPart) for part in message.parts) < 2:  # else interleaved
        assert reasoning == "".join(
            part.text for part in message.parts if isinstance(part, ReasoningPart)
        )
    results = {event["id"]: event for event in events if event["type"] == "tool_result"}
    for part in message.parts:
        if isinstance(part, ToolPart) and part.state == "output-available":
            assert results[part.tool_call_id]["name"] == "t"
            assert results[part.tool_call_id]["output"] == part.output
    last = "error" if is_incomplete(logged) else "abort" if is_abort(logged) else "finish"
    assert [event["type"] for event in events].count(last) == 1
    assert events[-1]["type"] == last


@given(logged=entries(), reads=reads, place=st.integers(0, 30))
async def test_a_reader_after_a_cursor_gets_exactly_the_rest(
    logged: Entries, reads: list[bool], place: int
) -> None:
    log = Log()
    log.id = "run"
    reader, data = log.reader(EventStream(has_ids=True)), b""
    for entry, is_read in zip_longest(logged, reads[: len(logged)], fillvalue=False):
        log.append(cast("list[ChunkVariant]", entry))
        if is_read:
            data += reader.read_nowait() or b""
    log.end()
    while (piece := await reader.read()) is not None:
        data += piece
    *frames, done, rest = data.decode().split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    ids, events = [], []
    for frame in frames:
        id_line, data_line = frame.split("\n")
        ids.append(id_line.removeprefix("id: "))
        events.append(json.loads(data_line.removeprefix("data: ")))
    assert len(set(ids)) == len(ids)

    place %= len(frames)
    after = parse_cursor(ids[place], "run")
    assert after is not None
    later, data = log.reader(EventStream(), after=after), b""
    while (piece := await later.read()) is not None:
        data += piece
    assert folded([*events[: place + 1], *read_sse(data.decode())]) == folded(events)


@pytest.mark.parametrize("cursor", ["run:0-1", "run:3-1", "run:99-0", "run:3-0", "other:1-0", "x"])
async def test_a_cursor_that_cannot_be_followed_gets_everything(cursor: str) -> None:
    log = Log()
    log.id = "run"
    writer = Writer(message_id="m", client_version=NEWEST_CLIENT_VERSION)

    def append(*chunks: Chunk) -> None:
        for chunk in chunks:
            log.append(writer.write_variant(chunk))

    append(StartStep(), TextStart(id="0"), TextDelta(id="0", delta="Wrong"), ResetStep())
    append(TextStart(id="0"), TextDelta(id="0", delta="Right"), TextEnd(id="0"))
    log.append(writer.finish())
    log.end()
    everything = await read_from(log, None)
    assert [event["value"] for event in everything if event["type"] == "text"] == ["Right"]
    assert await read_from(log, parse_cursor(cursor, "run")) == everything


async def read_from(log: Log, after: Position | None) -> Events:
    reader, data = log.reader(EventStream(), after=after), b""
    while (piece := await reader.read()) is not None:
        data += piece
    return read_sse(data.decode())
