"""The provider's events → chunks: compared with the AI SDK's server, and for broken streams."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ui_message_stream.chunks import (
    MessageMetadata,
    ReasoningDelta,
    TextDelta,
    ToolInputDelta,
    ToolInputError,
)
from ui_message_stream.state import StreamState
from ui_message_stream.versions import ChunkVariant, ClientVersion, VersionedChunk, downgrade
from ui_message_stream.writer import Writer
from usechat_server.errors import ModelError
from usechat_server.providers.anthropic.response.translate import ResponseTranslator
from usechat_server.providers.sse import SSEDecoder
from usechat_server.results import Usage
from usechat_server.tools import ClientTool

from tests.harness.fake_provider_events import (
    error_event,
    message,
    text,
    thinking,
    to_sse,
    tool_use,
)
from tests.server.providers.anthropic.strategies import event_sequences

#: The chunks of streamText in ai 6.0.324 with @ai-sdk/anthropic 3.0.139 for these streams.
REFERENCE = json.loads(Path(__file__).with_name("reference_v6.json").read_text())

_NOT_JSON = "The input of the tool weather is not valid JSON."

#: Differences from the reference, with reasons. By case: types of the reference's chunks that we do
#: not send, fields of its chunks with other values, and chunks that only we send.
DIFFERENCES: dict[str, tuple[set[str], dict[str, dict[str, Any]], list[dict[str, Any]]]] = {
    # A failed call has one error, as in version 7, and the text that the model gets.
    "input that is not JSON": (
        {"tool-output-error"},
        {"tool-input-error": {"errorText": _NOT_JSON}},
        [],
    ),
    "input cut by max_tokens": (
        {"tool-output-error"},
        {"tool-input-error": {"errorText": _NOT_JSON}},
        [],
    ),
    # A call is dynamic from its start: a flag that changes would leave the client two parts.
    "an undeclared tool": (
        {"tool-output-error"},
        {
            "tool-input-start": {"dynamic": True},
            "tool-input-error": {"errorText": "There is no tool teleport."},
        },
        [],
    ),
    # The reference drops text that is part of the response.
    "text in the block's start": (
        set(),
        {},
        [{"type": "text-delta", "id": "0", "delta": "Hello "}],
    ),
    # Every client stops at an error chunk; a newer API must not break older servers.
    "a block and an event of unknown types": ({"error"}, {}, []),
}


def translate(events: list[Any], tools: list[ClientTool] | None = None) -> tuple[list[Any], Any]:
    """The chunks of a whole body, as AI SDK 6 reads them, and its translator."""
    translator = ResponseTranslator(tools or [])
    variants: list[ChunkVariant] = []
    for payload in SSEDecoder().feed(b"".join(map(to_sse, events))):
        translator.feed([payload], variants)
    translator.end_of_body([])
    chunks = [
        chunk for variant in variants if (chunk := downgrade(variant, ClientVersion(6, 0, 324)))
    ]
    return [chunk for chunk in chunks if not isinstance(chunk, MessageMetadata)], translator


@pytest.mark.parametrize("case", REFERENCE, ids=lambda case: case["name"])
def test_chunks_are_those_of_the_reference(case: dict[str, Any]) -> None:
    tools = [ClientTool(tool["name"], "", {}, title=tool["title"]) for tool in case["tools"]]
    chunks, translator = translate(case["events"], tools)

    omitted_types, other_fields, added_chunks = DIFFERENCES.get(case["name"], (set(), {}, []))
    *expected, finish = [
        {**chunk, **other_fields.get(chunk["type"], {})}
        for chunk in case["chunks"]
        if chunk["type"] not in {"start", "start-step", "finish-step"} | omitted_types
    ]
    for chunk in added_chunks:
        expected.insert(1, chunk)
    assert [chunk.to_object() for chunk in chunks] == expected
    assert translator.result.finish_reason == finish["finishReason"]


def test_usage_is_known_from_the_first_event_and_final_at_the_end() -> None:
    usage = {
        "input_tokens": 7,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 2,
        "output_tokens": 9,
    }
    events = message(text("Hi"), usage=usage)
    translator = ResponseTranslator()
    decoder = SSEDecoder()

    translator.feed(decoder.feed(to_sse(events[0])), [])
    assert translator.usage == Usage(input=7, output=1, cache_read=3, cache_write=2)
    assert translator.result is None

    translator.feed(decoder.feed(b"".join(map(to_sse, events[1:]))), [])
    assert translator.usage == Usage(input=7, output=9, cache_read=3, cache_write=2)
    assert translator.result is not None
    assert translator.details["model"] == "claude-sonnet-5-5"


def test_a_response_is_complete_without_message_stop() -> None:
    # There is a stop reason and no open block, so nothing is missing.
    chunks, translator = translate(message(text("Hi"))[:-1])
    assert translator.result.finish_reason == "stop"
    assert len(chunks) == 3


def test_an_input_that_is_nested_too_deeply_is_an_error_of_the_call() -> None:
    deep = '{"a":' * 201 + "1" + "}" * 201
    weather = ClientTool("weather", "", {})
    call = tool_use("toolu_1", "weather", pieces=[deep])
    chunks, _ = translate(message(call, stop_reason="tool_use"), [weather])
    assert isinstance(chunks[-1], ToolInputError)
    assert chunks[-1].input == deep
    assert chunks[-1].error_text == "The input of the tool weather is nested too deeply."


@pytest.mark.parametrize("levels", [201, 20_000])
def test_an_event_that_is_nested_too_deeply_is_malformed(levels: int) -> None:
    payload = f'{{"type":"ping","x":{"[" * levels}{"]" * levels}}}'.encode()
    with pytest.raises(ModelError, match="nested too deeply"):
        ResponseTranslator().feed([payload], [])


WHOLE = message(
    thinking("Hm.", signature="c2ln"),
    text("Let me see."),
    tool_use("toolu_1", "weather", pieces=['{"city":', ' "Paris"}']),
    stop_reason="tool_use",
)


@pytest.mark.parametrize("count", range(len(WHOLE) - 2))
def test_a_truncated_response_is_never_complete(count: int) -> None:
    with pytest.raises(ModelError) as caught:
        translate(WHOLE[:count])
    assert caught.value.kind == "truncated"
    assert caught.value.retryable


def test_a_response_with_an_open_block_is_not_complete() -> None:
    unclosed = [e for e in message(text("Half")) if e["type"] != "content_block_stop"]
    with pytest.raises(ModelError, match="inside a content block"):
        translate(unclosed)


def test_json_that_is_nested_too_deeply_is_a_model_error() -> None:
    nested = b'data: {"type":"ping","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n\n"
    with pytest.raises(ModelError):
        translate([nested])


def test_a_response_without_a_stop_reason_is_not_complete() -> None:
    with pytest.raises(ModelError, match="stop reason"):
        translate(message(text("Hi"), stop_reason=None))


@pytest.mark.parametrize(
    ("name", "kind", "retryable"),
    [
        ("overloaded_error", "overloaded", True),
        ("rate_limit_error", "rate-limit", True),
        ("api_error", "internal", True),
        ("timeout_error", "timeout", True),
        ("invalid_request_error", "request", False),
        ("permission_error", "auth", False),
        ("brand_new_error", "internal", False),
    ],
)
def test_an_error_event_ends_the_response_after_the_chunks_before_it(
    name: str, kind: str, retryable: bool
) -> None:
    events = [*message(text("Hel"))[:3], error_event(name, "Sorry"), *message(text("never"))]
    chunks: list[ChunkVariant] = []
    with pytest.raises(ModelError, match="Sorry") as caught:
        ResponseTranslator().feed(SSEDecoder().feed(b"".join(map(to_sse, events))), chunks)
    assert (caught.value.kind, caught.value.retryable) == (kind, retryable)
    assert caught.value.request_id == "req_fake_in_stream"
    assert chunks[-1] == TextDelta(id="0", delta="Hel")


@pytest.mark.parametrize("error", ['"no capacity"', '{"message": "no capacity"}'])
def test_a_gateways_error_needs_no_type(error: str) -> None:
    with pytest.raises(ModelError, match="no capacity"):
        translate([f'event: error\ndata: {{"error": {error}}}\n\n'.encode()])


def test_a_second_message_inside_the_first_is_an_error() -> None:
    first, second = message(text("One")), message(text("Two"), message_id="msg_other")
    with pytest.raises(ModelError, match="second message"):
        translate([*first[:3], *second])


def test_halves_of_a_surrogate_pair_reach_the_writer_which_joins_them() -> None:
    # Escaped in JSON, as a proxy sends them that splits text anywhere: msgspec refuses these.
    delta = b'data: {"type":"content_block_delta","index":0,"delta":%b}\n\n'
    halves = [
        rb'{"type":"text_delta","text":"so \ud83d"}',
        rb'{"type":"text_delta","text":"\ude00"}',
    ]
    events = message(text())
    chunks, _ = translate([*events[:2], *(delta % half for half in halves), *events[2:]])
    assert [chunk.delta for chunk in chunks if isinstance(chunk, TextDelta)] == [
        "so \ud83d",
        "\ude00",
    ]


def test_a_large_input_is_parsed_once() -> None:
    # Parsing at every delta would take minutes here.
    rows = {"rows": [{"number": number, "name": f"row {number}"} for number in range(20_000)]}
    whole = json.dumps(rows)
    pieces = [whole[at : at + 20] for at in range(0, len(whole), 20)]
    tools = [ClientTool("save", "", {})]
    chunks, _ = translate(message(tool_use("toolu_1", "save", pieces=pieces)), tools)
    assert len(chunks) == len(pieces) + 2
    assert chunks[-1].input == rows


# Broken streams: anything that a provider or a proxy may send.


@settings(max_examples=400)
@given(event_sequences, st.one_of(st.integers(1, 200), st.just(100_000)))
def test_any_stream_stays_within_the_grammar_or_is_a_model_error(
    events: list[Any], size: int
) -> None:
    body = b"".join(map(to_sse, events))
    translator = ResponseTranslator([ClientTool("weather", "", {})])
    decoder = SSEDecoder()
    writer = Writer(message_id="msg_1")
    grammar = StreamState()
    sent: list[ChunkVariant] = []
    failed = False
    for at in range(0, len(body), size):
        batch: list[ChunkVariant] = []
        try:
            translator.feed(decoder.feed(body[at : at + size]), batch)
        except ModelError:
            failed = True
        for chunk in batch:
            sent += (
                writer.write_variant(chunk)
                if isinstance(chunk, VersionedChunk)
                else writer.write(chunk)
            )
        if failed or translator.result:
            break
    try:
        if not failed:
            translator.end_of_body([])
    except ModelError:
        failed = True
    assert failed == (translator.result is None)
    sent += writer.error("failed") if failed else writer.finish("stop")
    for chunk in sent:
        grammar.check(chunk.chunk if isinstance(chunk, VersionedChunk) else chunk)
    assert writer.ended


@given(event_sequences, st.lists(st.integers(1, 20), min_size=1))
def test_what_a_read_brings_of_a_block_is_one_delta(events: list[Any], sizes: list[int]) -> None:
    """Reads of several events differ from reads of one event only in the size of deltas."""
    payloads = [json.dumps(event).encode() for event in events if isinstance(event, dict)]
    assert _translate_reads(payloads, sizes) == _translate_reads(payloads, [1])


def test_one_read_of_a_block_is_one_delta() -> None:
    events = message(thinking("let ", "me ", "see"), text("Hello", " ", "there"))
    variants: list[ChunkVariant] = []
    ResponseTranslator().feed(SSEDecoder().feed(b"".join(map(to_sse, events))), variants)
    texts = [chunk.delta for chunk in variants if isinstance(chunk, ReasoningDelta | TextDelta)]
    assert [text for text in texts if text] == ["let me see", "Hello there"]


def _translate_reads(payloads: list[bytes], sizes: list[int]) -> list[Any]:
    """Return the chunks of reads with so many events each, in turn, with joined deltas, and the
    error's text."""
    translator = ResponseTranslator([ClientTool("weather", "", {})])
    variants: list[ChunkVariant] = []
    position = turn = 0
    error = None
    while position < len(payloads) and error is None and translator.result is None:
        size = sizes[turn % len(sizes)]
        try:
            translator.feed(payloads[position : position + size], variants)
        except ModelError as failure:
            error = str(failure)
        position, turn = position + size, turn + 1
    joined: list[Any] = []
    for variant in variants:
        if joined and (both := _join(joined[-1], variant)):
            joined[-1] = both
        else:
            joined.append(variant)
    return [*joined, error]


def _join(first: Any, second: Any) -> Any:
    """Return two deltas as one, or None if they are not deltas of one block."""
    names: dict[Any, str] = {
        TextDelta: "delta",
        ReasoningDelta: "delta",
        ToolInputDelta: "input_text_delta",
    }
    name = names.get(type(first))
    if name is None or type(first) is not type(second):
        return None
    text = getattr(first, name) + getattr(second, name)
    both = msgspec.structs.replace(first, **{name: text})
    return both if msgspec.structs.replace(second, **{name: text}) == both else None


@pytest.mark.parametrize(
    "citation",
    [
        {"type": ["page_location"], "document_index": 0},
        {"type": "page_location", "document_index": -1},
        {"type": "web_search_result_location", "url": "https://a.example", "title": 5},
    ],
)
def test_a_malformed_citation_is_kept_but_not_sent_to_clients(
    citation: dict[str, Any],
) -> None:
    events = message(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "x"}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "citations_delta", "citation": citation},
        },
        {"type": "content_block_stop", "index": 0},
    )
    out: list[ChunkVariant] = []
    ResponseTranslator().feed(SSEDecoder().feed(b"".join(map(to_sse, events))), out)
    chunks = [downgrade(variant, ClientVersion(7, 0, 173)) for variant in out]
    assert [chunk.type for chunk in chunks if chunk] == [
        "custom",
        "text-start",
        "text-delta",
        "text-end",
    ]
    text_end = chunks[-1].to_object() if chunks[-1] else {}
    assert text_end["citations"] == []
    assert text_end["providerMetadata"] == {"anthropic": {"citations": [citation]}}


def test_the_late_result_of_an_unknown_provider_tool_is_not_shown() -> None:
    unknown = {"type": "server_tool_use", "id": "srvtoolu_9", "name": "novelty", "input": {}}
    earlier_request = {"messages": [{"role": "assistant", "content": [unknown]}]}
    result = {"type": "novelty_tool_result", "tool_use_id": "srvtoolu_9", "content": {"a": 1}}
    out: list[Any] = []
    events = message(
        {"type": "content_block_start", "index": 0, "content_block": result},
        {"type": "content_block_stop", "index": 0},
    )
    ResponseTranslator((), earlier_request).feed(
        SSEDecoder().feed(b"".join(map(to_sse, events))), out
    )
    assert out
    assert not any(getattr(chunk, "tool_call_id", None) for chunk in out)
