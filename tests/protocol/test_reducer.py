"""`reduce` returns what the newest client has: both get the same chunks."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ui_message_stream import chunks as c
from ui_message_stream import json_codec
from ui_message_stream.chunks import Chunk, parse_chunk
from ui_message_stream.messages import UIMessage
from ui_message_stream.partial_json import PartialJSON
from ui_message_stream.reducer import ReduceError, Reducer, reduce
from ui_message_stream.schema import UNSET

from tests.protocol.reader import Reader
from tests.protocol.strategies import FOREIGN, json_values, logs, messages


def _with_floats(value: Any) -> Any:
    """Return the value with JavaScript's numbers: integers above 2^53 are rounded."""
    return json.loads(json_codec.encode(value), parse_int=float)


def client_result(reader: Reader, chunks: list[Chunk], message: UIMessage | None = None) -> Any:
    result = reader.read(chunks, message)
    return _with_floats([result["message"], result["finishReason"], result["error"]])


def our_result(chunks: list[Chunk], message: UIMessage | None = None) -> Any:
    reducer = Reducer(message or UIMessage(id="generated", role="assistant", parts=[]))
    for chunk in chunks:
        reducer.feed(chunk)
    message_object = reducer.message.to_object()
    return _with_floats([message_object, reducer.finish_reason, reducer.error_text])


@given(log=logs(), data=st.data())
@settings(max_examples=150)
def test_any_prefix_of_a_log_gives_the_message_of_the_client(
    reader: Reader, log: list[Chunk], data: st.DataObject
) -> None:
    prefix = log[: data.draw(st.integers(1, len(log)))]
    assert our_result(prefix) == client_result(reader, prefix)


@given(message=messages(), data=st.data())
@settings(max_examples=60)
def test_a_continuation_gives_the_message_of_the_client(
    reader: Reader, message: UIMessage, data: st.DataObject
) -> None:
    log = data.draw(logs(message))
    assert our_result(log, message) == client_result(reader, log, message)


@given(log=logs(FOREIGN))
@settings(max_examples=50)
def test_a_continuation_of_a_foreign_message_does_too(reader: Reader, log: list[Chunk]) -> None:
    assert our_result(log, FOREIGN) == client_result(reader, log, FOREIGN)


@given(log=logs(), data=st.data())
@settings(max_examples=60)
def test_reading_the_message_changes_nothing(log: list[Chunk], data: st.DataObject) -> None:
    reducer = Reducer()
    snapshots: list[tuple[UIMessage, dict[str, Any]]] = []
    for chunk in log:
        reducer.feed(chunk)
        if data.draw(st.booleans()):
            snapshots.append((reducer.message, reducer.message.to_object()))
    assert reducer.message.to_object() == reduce(log).to_object()
    assert [snapshot.to_object() for snapshot, _ in snapshots] == [value for _, value in snapshots]


def _chunks(*objects: dict[str, Any]) -> list[Chunk]:
    return [parse_chunk(value) for value in objects]


CALL = {"toolCallId": "1", "toolName": "a"}
START = {"type": "tool-input-start", **CALL}
DELTA = {"type": "tool-input-delta", "toolCallId": "1", "inputTextDelta": '{"a": [1, 2'}
AVAILABLE = {"type": "tool-input-available", **CALL, "input": {"a": 1}}
INPUT_ERROR = {"type": "tool-input-error", **CALL, "input": "{", "errorText": "bad"}
OUTPUT = {"type": "tool-output-available", "toolCallId": "1", "output": 1}
OUTPUT_ERROR = {"type": "tool-output-error", "toolCallId": "1", "errorText": "bad"}
REQUEST = {"type": "tool-approval-request", "toolCallId": "1", "approvalId": "x"}
RESPONSE = {"type": "tool-approval-response", "approvalId": "x", "approved": True}
STEP = {"type": "start-step"}
TEXT = {"type": "text-start", "id": "0"}
TEXT_DELTA = {"type": "text-delta", "id": "0", "delta": "x"}
REASONING = {"type": "reasoning-start", "id": "0"}


@pytest.mark.parametrize(
    "chunks",
    [
        [START, DELTA, OUTPUT],
        [START, DELTA, OUTPUT_ERROR],
        [{**START, "dynamic": True}, DELTA, OUTPUT_ERROR],
        [START, DELTA, OUTPUT, DELTA],
        [START, DELTA, AVAILABLE, DELTA],
        [START, DELTA, {**AVAILABLE, "dynamic": True}, OUTPUT],
        [START, DELTA, {**INPUT_ERROR, "dynamic": True}],
        [START, DELTA, {**START, "dynamic": True, "title": "A"}, DELTA],
        [START, DELTA, START, DELTA],
        [START, DELTA, {**AVAILABLE, "toolName": "b"}],
        [START, DELTA, REQUEST, DELTA],
        [START, DELTA, REQUEST, RESPONSE, DELTA],
        [START, DELTA, STEP, DELTA, DELTA],
        [STEP, START, DELTA, STEP, DELTA, {"type": "reset-step"}],
        [{**START, "inputEncoding": "text"}, DELTA, STEP, DELTA],
        [AVAILABLE, OUTPUT, STEP, AVAILABLE, OUTPUT_ERROR],
        [AVAILABLE, OUTPUT, STEP, {**OUTPUT, "output": 2}],
        [AVAILABLE, OUTPUT, {**OUTPUT, "preliminary": True}, INPUT_ERROR],
        [AVAILABLE, REQUEST, {**REQUEST, "approvalId": "y"}, OUTPUT],
        [{**AVAILABLE, "unknown": 1}, {"type": "file", "url": "u", "mediaType": "m", "id": "1"}],
        [TEXT, TEXT_DELTA, TEXT, TEXT_DELTA],
        [REASONING, TEXT, TEXT_DELTA, REASONING, STEP, TEXT_DELTA],
        [TEXT, STEP, {"type": "reset-step"}, {"type": "start", "messageId": "other"}],
        [{"type": "start", "messageId": "m"}, TEXT, {"type": "start", "messageId": "n"}],
        [TEXT, {"type": "error", "errorText": "no"}, TEXT],
        [TEXT, {"type": "finish"}, TEXT, {"type": "finish", "finishReason": "stop"}],
        [{"type": "data-a", "id": "1", "data": 1, "unknown": 1}, {"type": "data-b", "data": 1}],
    ],
)
def test_illegal_chunks_are_reduced_as_in_the_client(
    reader: Reader, chunks: list[dict[str, Any]]
) -> None:
    assert our_result(_chunks(*chunks)) == client_result(reader, _chunks(*chunks))


@pytest.mark.parametrize(
    "chunks",
    [
        [TEXT_DELTA],
        [TEXT, {**TEXT_DELTA, "id": "1"}],
        [{"type": "text-end", "id": "0"}],
        [TEXT, {"type": "reasoning-delta", "id": "0", "delta": "x"}],
        [REASONING, {"type": "reasoning-end", "id": "0"}, {"type": "reasoning-end", "id": "0"}],
        [DELTA],
        [START, {"type": "reset-step"}, DELTA],
        [OUTPUT],
        [OUTPUT_ERROR],
        [{"type": "tool-output-denied", "toolCallId": "1"}],
        [REQUEST],
        [RESPONSE],
        [AVAILABLE, REQUEST, {**REQUEST, "approvalId": "y"}, RESPONSE],
        [TEXT, STEP, {"type": "reset-step"}, TEXT_DELTA],
        [
            {"type": "message-metadata", "messageMetadata": False},
            {"type": "message-metadata", "messageMetadata": {"a": 1}},
        ],
    ],
)
def test_a_chunk_about_something_unknown_is_an_error_for_both(
    reader: Reader, chunks: list[dict[str, Any]]
) -> None:
    assert client_result(reader, _chunks(*chunks))[2] is not None
    with pytest.raises(ReduceError):
        reduce(_chunks(*chunks))


# JavaScript would split merged strings between the halves of a surrogate pair.
@given(values=st.lists(json_values.filter(lambda v: not isinstance(v, str) or v.isascii())))
@settings(max_examples=60)
@example(values=[[1, {"a": 1}], {"1": {"b": 2}}, {"1": None, "constructor": 1, "prototype": 1}])
@example(values=["ab", 3, True])
def test_metadata_merges_as_in_the_client(reader: Reader, values: list[Any]) -> None:
    chunks: list[Chunk] = [c.MessageMetadata(message_metadata=value) for value in values]
    try:
        message = our_result(chunks)[0]
    except ReduceError:
        assert client_result(reader, chunks)[2] is not None
    else:
        assert message == client_result(reader, chunks)[0]


_PIECES = st.one_of(
    st.sampled_from(
        ['{"', '":', "[", "]", "}", ",", '"', "\\", "\\u00", "e", "-", " ", "nul", "t"]
    ),
    st.sampled_from(["1", "0.5", "true", '"__proto__": 1', '"constructor": {"prototype": 1}']),
    json_values.map(lambda value: json_codec.encode(value).decode()),
)


@given(text=st.lists(_PIECES, max_size=8).map("".join), data=st.data())
@settings(max_examples=300)
def test_a_partial_tool_input_is_parsed_as_in_the_client(
    reader: Reader, text: str, data: st.DataObject
) -> None:
    sizes = sorted(data.draw(st.sets(st.integers(0, len(text)), min_size=1, max_size=4)))
    _same_values(reader, [text[:size] for size in sizes])


@pytest.mark.parametrize(
    "text",
    [
        "[-1, -",
        '{"a": "\\u12"}',
        '{"a": tru',
        "9011000000000001.0",
        "[1e999, 1]",
        '{"a\\"b": 1, "c',
        "[1 2",
        "1e5.",
        '[{}, [] "x',
        "nulx",
    ],
)
def test_every_prefix_of_a_tool_input_is_parsed_as_in_the_client(reader: Reader, text: str) -> None:
    _same_values(reader, [text[:size] for size in range(len(text) + 1)])


def _same_values(reader: Reader, prefixes: list[str]) -> None:
    growing = PartialJSON()
    values = [growing.value(text) for text in prefixes]
    results = [{} if v is UNSET else {"value": json_codec.sanitize(v)} for v in values]
    assert _with_floats(results) == _with_floats(reader.parse(prefixes))


def test_surrogate_halves_in_two_deltas_are_joined() -> None:
    deltas = [c.TextDelta(id="0", delta="\ud83d"), c.TextDelta(id="0", delta="\ude00")]
    [part] = reduce([c.TextStart(id="0"), *deltas]).to_object()["parts"]
    assert part["text"] == "😀"


def test_surrogate_halves_are_joined_in_a_tool_input_that_is_read_in_between() -> None:
    reducer = Reducer()
    reducer.feed(c.ToolInputStart(tool_call_id="1", tool_name="a"))
    for piece in ('{"\ud83d', '\ude00": "\ud83d', '\ude00"'):
        reducer.feed(c.ToolInputDelta(tool_call_id="1", input_text_delta=piece))
        tool_input = reducer.message.to_object()["parts"][0]["input"]
    assert tool_input == {"😀": "😀"}


@pytest.mark.parametrize("text", ['{"a": "%s"}', '{"a": [%s1]}'])
def test_feeding_a_long_tool_input_takes_linear_time(text: str) -> None:
    def seconds(size: int) -> float:
        body = text % ("12, " * (size // 4))
        chunks: list[Chunk] = [
            c.ToolInputDelta(tool_call_id="1", input_text_delta=body[at : at + 20])
            for at in range(0, len(body), 20)
        ]
        started = time.process_time()
        reduce([c.ToolInputStart(tool_call_id="1", tool_name="a"), *chunks])
        return time.process_time() - started

    # Parsing everything again at each delta would take a hundred times as long.
    assert min(seconds(1_000_000) for _ in range(3)) < 30 * min(seconds(100_000) for _ in range(3))
