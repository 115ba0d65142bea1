"""The provider's events → chunks: beside the AI SDK's own server, and whatever comes in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ui_message_stream.chunks import MessageMetadata, TextDelta
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

#: What streamText of ai 6.0.324 and @ai-sdk/anthropic 3.0.139 made of these streams.
REFERENCE = json.loads(Path(__file__).with_name("reference_v6.json").read_text())

_NOT_JSON = "The input of the tool weather is not valid JSON."

#: Where we differ from the reference, and why. Per case: chunks of the reference to leave out (by
#: type), and keys of its chunks that read otherwise here.
DIFFERENCES: dict[str, tuple[set[str], dict[str, dict[str, Any]], list[dict[str, Any]]]] = {
    # A call that failed has one error, as in version 7; the text says which.
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
    # A call is dynamic from its start on: a flag that changes leaves two parts in the page.
    "a tool that nobody declared": (
        {"tool-output-error"},
        {
            "tool-input-start": {"dynamic": True},
            "tool-input-error": {"errorText": "There is no tool teleport."},
        },
        [],
    ),
    # What the reference drops is part of the answer.
    "text in the block's start": (
        set(),
        {},
        [{"type": "text-delta", "id": "0", "delta": "Hello "}],
    ),
    # Every client ends at an error chunk; a newer API must not break older servers.
    "a block and an event of unknown types": ({"error"}, {}, []),
}


def translate(events: list[Any], tools: list[ClientTool] | None = None) -> tuple[list[Any], Any]:
    """The chunks of a whole body, as AI SDK 6 reads them, and its translation."""
    translation = ResponseTranslator(tools or [])
    said: list[ChunkVariant] = []
    translation.feed(SSEDecoder().feed(b"".join(map(to_sse, events))), said)
    translation.end_of_body()
    chunks = [shown for variant in said if (shown := downgrade(variant, ClientVersion(6, 0, 324)))]
    return [chunk for chunk in chunks if not isinstance(chunk, MessageMetadata)], translation


@pytest.mark.parametrize("case", REFERENCE, ids=lambda case: case["name"])
def test_chunks_are_those_of_the_reference(case: dict[str, Any]) -> None:
    tools = [ClientTool(tool["name"], "", {}, title=tool["title"]) for tool in case["tools"]]
    chunks, translation = translate(case["events"], tools)

    left_out, otherwise, added = DIFFERENCES.get(case["name"], (set(), {}, []))
    *expected, finish = [
        {**chunk, **otherwise.get(chunk["type"], {})}
        for chunk in case["chunks"]
        if chunk["type"] not in {"start", "start-step", "finish-step"} | left_out
    ]
    for chunk in added:
        expected.insert(1, chunk)
    assert [chunk.to_object() for chunk in chunks] == expected
    assert translation.result.finish_reason == finish["finishReason"]


def test_usage_is_known_from_the_first_event_and_right_at_the_end() -> None:
    usage = {
        "input_tokens": 7,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 2,
        "output_tokens": 9,
    }
    events = message(text("Hi"), usage=usage)
    translation = ResponseTranslator()
    framing = SSEDecoder()

    translation.feed(framing.feed(to_sse(events[0])), [])
    assert translation.usage == Usage(input=7, output=1, cache_read=3, cache_write=2)
    assert translation.result is None

    translation.feed(framing.feed(b"".join(map(to_sse, events[1:]))), [])
    assert translation.usage == Usage(input=7, output=9, cache_read=3, cache_write=2)
    assert translation.result is not None
    assert translation.details["model"] == "claude-sonnet-5-5"


def test_an_answer_is_complete_without_message_stop() -> None:
    # The stop reason came and no block is open: nothing is missing.
    chunks, translation = translate(message(text("Hi"))[:-1])
    assert translation.result.finish_reason == "stop"
    assert len(chunks) == 3


WHOLE = message(
    thinking("Hm.", signature="c2ln"),
    text("Let me see."),
    tool_use("toolu_1", "weather", pieces=['{"city":', ' "Paris"}']),
    stop_reason="tool_use",
)


@pytest.mark.parametrize("count", range(len(WHOLE) - 2))
def test_a_cut_answer_is_never_complete(count: int) -> None:
    with pytest.raises(ModelError) as caught:
        translate(WHOLE[:count])
    assert caught.value.kind == "truncated"
    assert caught.value.retryable


def test_an_answer_with_an_open_block_is_not_complete() -> None:
    unclosed = [e for e in message(text("Half")) if e["type"] != "content_block_stop"]
    with pytest.raises(ModelError, match="inside a content block"):
        translate(unclosed)


def test_json_that_is_nested_too_deeply_is_a_model_error() -> None:
    nested = b'data: {"type":"ping","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n\n"
    with pytest.raises(ModelError):
        translate([nested])


def test_an_answer_without_a_stop_reason_is_not_complete() -> None:
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
def test_an_error_event_ends_the_answer_after_what_came_before(
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
def test_an_error_of_a_gateway_needs_no_type(error: str) -> None:
    with pytest.raises(ModelError, match="no capacity"):
        translate([f'event: error\ndata: {{"error": {error}}}\n\n'.encode()])


def test_a_second_message_inside_the_first_is_an_error() -> None:
    first, second = message(text("One")), message(text("Two"), message_id="msg_other")
    with pytest.raises(ModelError, match="second message"):
        translate([*first[:3], *second])


def test_halves_of_an_emoji_reach_the_writer_which_joins_them() -> None:
    # Escaped in JSON, as a proxy that cuts text anywhere sends them: fast codecs refuse these.
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


# Broken streams: whatever a provider or a proxy makes of an answer.


@settings(max_examples=400)
@given(event_sequences, st.integers(1, 200))
def test_whatever_comes_in_stays_within_the_grammar_or_is_a_model_error(
    events: list[Any], size: int
) -> None:
    body = b"".join(map(to_sse, events))
    translation = ResponseTranslator([ClientTool("weather", "", {})])
    framing = SSEDecoder()
    writer = Writer(message_id="msg_1")
    grammar = StreamState()
    sent: list[ChunkVariant] = []
    failed = False
    for at in range(0, len(body), size):
        batch: list[ChunkVariant] = []
        try:
            translation.feed(framing.feed(body[at : at + size]), batch)
        except ModelError:
            failed = True
        for chunk in batch:
            sent += (
                writer.write_variant(chunk)
                if isinstance(chunk, VersionedChunk)
                else writer.write(chunk)
            )
        if failed or translation.result:
            break
    try:
        if not failed:
            translation.end_of_body()
    except ModelError:
        failed = True
    assert failed == (translation.result is None)
    sent += writer.error("failed") if failed else writer.finish("stop")
    for chunk in sent:
        grammar.check(chunk.chunk if isinstance(chunk, VersionedChunk) else chunk)
    assert writer.ended


@pytest.mark.parametrize(
    "cited",
    [
        {"type": ["page_location"], "document_index": 0},
        {"type": "page_location", "document_index": -1},
        {"type": "web_search_result_location", "url": "https://a.example", "title": 5},
    ],
)
def test_a_citation_of_an_unknown_shape_is_kept_but_no_client_is_told(
    cited: dict[str, Any],
) -> None:
    events = message(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "x"}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "citations_delta", "citation": cited},
        },
        {"type": "content_block_stop", "index": 0},
    )
    out: list[ChunkVariant] = []
    ResponseTranslator().feed(SSEDecoder().feed(b"".join(map(to_sse, events))), out)
    shown = [downgrade(variant, ClientVersion(7, 0, 173)) for variant in out]
    assert [chunk.type for chunk in shown if chunk] == [
        "custom",
        "text-start",
        "text-delta",
        "text-end",
    ]
    ended = shown[-1].to_object() if shown[-1] else {}
    assert ended["citations"] == []
    assert ended["providerMetadata"] == {"anthropic": {"citations": [cited]}}
