"""The chunks of a stream, whatever a server sends: legal for clients, or one error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui_message_stream.chunks import ReasoningDelta, TextDelta, ToolInputAvailable, ToolInputDelta
from ui_message_stream.state import StreamState
from ui_message_stream.writer import Writer
from usechat_server.errors import ModelError
from usechat_server.providers.openai_chat.response.translate import ResponseTranslator
from usechat_server.providers.sse import SSEDecoder
from usechat_server.results import Usage
from usechat_server.tools import ClientTool

from tests.harness.fake_openai import DONE, FakeOpenAI, chunk

TOOLS = [ClientTool("weather", "", {"type": "object"}), ClientTool("clock", "", {"type": "object"})]

_values = st.sampled_from([None, "", " ", 0, 1, True, [], {}, [None], {"a": 1}, "x" * 300])
_arguments = st.sampled_from(["", "{", "}", "{}", '{"a":', '"}', " ", "\ud83d", "]"])
_functions = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["weather", "clock", "gone", "", " "]) | _values,
        "arguments": _arguments | _values,
    },
)
_calls = st.fixed_dictionaries(
    {},
    optional={
        "index": st.integers(0, 2) | _values,
        "id": st.sampled_from(["a", "b", ""]) | _values,
        "type": st.just("function") | _values,
        "function": st.none() | _functions,
        "extra_content": st.just({"google": {"thought_signature": "c2ln"}}) | _values,
    },
)
_texts = st.sampled_from(["Hi", "", "\ud83d", "\ude00", "\0"])
_parts = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "thinking", "new"])},
    optional={"text": _texts | _values, "thinking": _texts | _values},
)
_deltas = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant") | _values,
        "content": _texts | _values | st.lists(_parts | _values, max_size=2),
        "reasoning_content": _texts | _values,
        "reasoning": _texts | _values,
        "refusal": _texts | _values,
        "tool_calls": st.none() | st.lists(_calls, max_size=2),
        "function_call": st.none() | _functions,
        "annotations": _values
        | st.lists(st.just({"url_citation": {"url": "https://example.com"}}) | _values, max_size=2),
    },
)
_usages = _values | st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": st.integers(-1, 9) | _values,
        "completion_tokens": st.integers(0, 9) | _values,
        "total_tokens": st.integers(0, 30) | _values,
        "prompt_tokens_details": _values | st.just({"cached_tokens": 3}),
        "completion_tokens_details": _values | st.just({"reasoning_tokens": 3}),
    },
)
_choices = st.fixed_dictionaries(
    {},
    optional={
        "delta": st.none() | _deltas,
        "finish_reason": st.sampled_from([None, None, None, "stop", "length", "tool_calls", "x"]),
        "usage": _usages,
    },
)
_chunks = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(_choices, max_size=2),
        "id": st.just("c1") | _values,
        "usage": _usages,
        "x_groq": _values | st.fixed_dictionaries({"usage": _usages}),
    },
)
#: What a server may send, and what is none of it.
_payloads = _chunks.map(json.dumps) | st.sampled_from(
    [
        "[DONE]",
        " [DONE] ",
        "null",
        "[]",
        '{"choices": 1}',
        '{"error": {"code": 502}}',
        "{half",
        "{}",
    ]
)
streams = st.lists(st.one_of(*[_chunks.map(json.dumps)] * 8, _payloads), max_size=12)


def translate(
    payloads: list[bytes], size: int | None = None
) -> tuple[ResponseTranslator, list[Any], ModelError | None]:
    """Translate a stream, in reads of so many events."""
    translator, out = ResponseTranslator(TOOLS, ["a_2"]), list[Any]()
    size = size or len(payloads) or 1
    try:
        for at in range(0, len(payloads), size):
            translator.feed(payloads[at : at + size], out)
            if translator.result is not None:
                break
        translator.end_of_body(out)
    except ModelError as error:
        return translator, out, error
    return translator, out, None


def content(out: list[Any]) -> list[Any]:
    """The chunks with the deltas of a part or call joined."""
    joined: list[Any] = []
    for each in out:
        value = each.to_object()
        key = "inputTextDelta" if "inputTextDelta" in value else "delta"
        before = joined[-1] if joined else {}
        same = before.keys() == value.keys() and key in value
        if same and all(before[k] == value[k] for k in value if k != key):
            before[key] += value[key]
        else:
            joined.append(value)
    return joined


@given(streams, st.integers(1, 5))
def test_whatever_is_sent_is_legal_for_clients(stream: list[str], size: int) -> None:
    payloads = [payload.encode() for payload in stream]
    translator, out, error = translate(payloads, size)
    assert (translator.result is None) == (error is not None)
    writer, grammar = Writer(message_id="m"), StreamState()
    written = [chunk for each in out for chunk in writer.write(each)]
    written += writer.error("failed") if error else writer.finish("stop")
    for each in written:
        grammar.check(each)
    # How the bytes are split into reads changes nothing.
    whole, all_out, whole_error = translate(payloads)
    assert content(all_out) == content(out)
    assert (whole.result, whole.usage) == (translator.result, translator.usage)
    assert (whole_error and whole_error.kind) == (error and error.kind)


def sent(*events: Any) -> list[bytes]:
    return SSEDecoder().feed(b"".join(map(FakeOpenAI().encode, events)))


def test_what_one_read_brings_is_one_delta() -> None:
    pieces: list[Any] = [
        chunk({"content": "a"}),
        chunk({"content": "b"}),
        chunk({"reasoning": "c"}),
    ]
    pieces += [chunk({"reasoning": "d"}), chunk({}, "stop"), DONE]
    _, out, error = translate(sent(*pieces))
    assert error is None
    deltas = [each.delta for each in out if isinstance(each, TextDelta | ReasoningDelta)]
    assert deltas == ["ab", "cd"]


def test_a_call_is_complete_at_the_end_only() -> None:
    def call(arguments: str, **labels: Any) -> dict[str, Any]:
        return chunk({"tool_calls": [{"function": {"arguments": arguments}, "index": 0, **labels}]})

    first = {"id": "a", "function": {"name": "clock", "arguments": "{}"}}
    translator, out = ResponseTranslator(TOOLS), list[Any]()
    translator.feed(sent(call("", **first), call("  "), chunk({}, "tool_calls")), out)
    assert not any(isinstance(each, ToolInputAvailable) for each in out)
    translator.feed(sent(DONE), out)
    assert isinstance(out[-1], ToolInputAvailable)
    pieces = [each.input_text_delta for each in out if isinstance(each, ToolInputDelta)]
    assert "".join(pieces) == "{}  "


def test_half_a_call_is_no_call() -> None:
    function = {"name": "clock", "arguments": "{}"}
    call = chunk({"tool_calls": [{"index": 0, "id": "a", "function": function}]})
    _, out, error = translate(sent(call))
    assert error is not None
    assert (error.kind, error.retryable) == ("truncated", True)
    assert not any(isinstance(each, ToolInputAvailable) for each in out)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"error": {"message": "m", "type": "server_error"}}, "internal"),
        ({"error": {"message": "m", "type": "insufficient_quota"}}, "auth"),
        ({"error": {"message": "m", "code": 429}}, "rate-limit"),
        ({"error": {"message": "m", "code": "context_length_exceeded"}}, "request"),
        ({"error": "out of memory"}, "internal"),
        ({"object": "error", "message": "m", "code": 503}, "overloaded"),
        (chunk({}, "error"), "internal"),
        (chunk({}, "function_call_filter: MALFORMED_FUNCTION_CALL"), "internal"),
        (chunk({}, "insufficient_system_resource"), "overloaded"),
        (chunk({}, "abort"), "overloaded"),
        (chunk({}, "CANCELLED"), "overloaded"),
        (chunk({}, "timeout"), "overloaded"),
        (chunk({}, "null"), "truncated"),
    ],
)
def test_an_error_in_the_stream_follows_what_came_before(event: Any, kind: str) -> None:
    _, out, error = translate(sent(chunk({"content": "Half"}), event))
    assert error is not None
    assert error.kind == kind
    assert [each.delta for each in out if isinstance(each, TextDelta)] == ["Half"]


@pytest.mark.parametrize("reason", ["stop", "eos", "EOS_TOKEN", "guardrail", "repetition"])
def test_a_reason_that_names_no_failure_ends_the_response(reason: str) -> None:
    translator, _, error = translate(sent(chunk({"content": "Whole"}), chunk({}, reason)))
    assert error is None
    assert translator.result is not None


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(input=30, output=50, cache_read=60, cache_write=10, thinking=20),
        ),
        # xAI does not count the reasoning as output.
        (
            {
                "prompt_tokens": 12,
                "completion_tokens": 2,
                "total_tokens": 354,
                "completion_tokens_details": {"reasoning_tokens": 340},
            },
            Usage(input=12, output=342, thinking=340),
        ),
        # DeepSeek
        (
            {"prompt_tokens": 10, "completion_tokens": 3, "prompt_cache_hit_tokens": 4},
            Usage(input=6, output=3, cache_read=4),
        ),
        ({"prompt_tokens": None, "completion_tokens": "many"}, Usage()),
    ],
)
def test_tokens_are_counted_as_the_server_means_them(counts: Any, expected: Usage) -> None:
    end = {**chunk(), "usage": counts}
    translator, _, error = translate(sent(chunk({"content": "Hi"}), chunk({}, "stop"), end, DONE))
    assert error is None
    assert translator.usage == expected
