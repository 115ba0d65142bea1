"""Hypothesis strategies for what a provider may send over the Messages API."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from usechat_server.providers.anthropic.response.blocks import TRANSLATORS

from tests.harness.fake_provider_events import (
    Event,
    block,
    error_event,
    message,
    text,
    thinking,
    tool_use,
)

__all__ = ["event_sequences"]

_names = st.sampled_from(["weather", "teleport", ""])
_ids = st.sampled_from(["toolu_1", "toolu_2", ""])
_servers = st.sampled_from(["web_search", "code_execution", "bash_code_execution", "new", ""])
#: Integers that JavaScript can represent: clients send records of unknown blocks back.
_integers = st.integers(1 - 2**53, 2**53 - 1)
_values = st.none() | _integers | st.text(max_size=3) | st.lists(_integers, max_size=2)
_contents = st.one_of(
    st.fixed_dictionaries({"type": st.just("text")}, optional={"text": st.text(max_size=3)}),
    st.fixed_dictionaries(
        {"type": st.just("thinking")},
        optional={"thinking": st.text(max_size=3), "signature": st.none() | st.just("c2ln")},
    ),
    st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": st.just("b3Bh")}),
    st.fixed_dictionaries(
        {"type": st.just("tool_use"), "id": _ids, "name": _names},
        optional={"input": st.just({}) | st.just({"city": "Bern"}) | _values},
    ),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["server_tool_use", "mcp_tool_use"]),
            "id": _ids,
            "name": _servers,
        },
        optional={"input": st.just({"code": "1"}) | _values, "server_name": st.just("echo")},
    ),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from([name for name in TRANSLATORS if name.endswith("_result")]),
            "tool_use_id": _ids,
        },
        optional={
            "content": _values
            | st.fixed_dictionaries(
                {"type": st.sampled_from(["web_fetch_result", "advisor_result", "new_error"])},
                optional={"url": _values, "stop_reason": _values, "content": _values},
            )
            | st.lists(st.fixed_dictionaries({}, optional={"url": st.just("u"), "title": _values}))
        },
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["compaction", "fallback", "container_upload", "brand_new"])},
        optional={"content": st.none() | st.text(max_size=3), "from": _values},
    ),
    st.dictionaries(st.sampled_from(["type", "id", "text"]), _values, max_size=3),
)
_deltas = st.one_of(
    st.fixed_dictionaries({"type": st.just("text_delta"), "text": st.text(max_size=3)}),
    st.fixed_dictionaries({"type": st.just("thinking_delta"), "thinking": st.text(max_size=3)}),
    st.fixed_dictionaries({"type": st.just("signature_delta"), "signature": st.just("c2ln")}),
    st.fixed_dictionaries(
        {
            "type": st.just("input_json_delta"),
            "partial_json": st.sampled_from(["", "{", "}", '{"a":1}', "[", '"\\ud83d"', "NaN"]),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("citations_delta"),
            "citation": st.fixed_dictionaries(
                {"type": st.sampled_from(["web_search_result_location", "char_location", "new"])},
                optional={"url": _values, "document_index": _values, "title": _values},
            ),
        }
    ),
    st.fixed_dictionaries({"type": st.just("compaction_delta")}, optional={"content": _values}),
    st.dictionaries(st.sampled_from(["type", "text"]), _values, max_size=2),
)
_index = st.integers(0, 2)
_events = st.one_of(
    st.builds(
        lambda index, content: {
            "type": "content_block_start",
            "index": index,
            "content_block": content,
        },
        _index,
        _contents,
    ),
    st.builds(
        lambda index, delta: {"type": "content_block_delta", "index": index, "delta": delta},
        _index,
        _deltas,
    ),
    st.builds(lambda index: {"type": "content_block_stop", "index": index}, _index),
    st.builds(
        lambda reason: {"type": "message_delta", "delta": {"stop_reason": reason}},
        st.sampled_from([None, "end_turn", "tool_use", "max_tokens", "new"]) | _values,
    ),
    st.builds(
        lambda message: {"type": "message_start", "message": message},
        st.dictionaries(
            st.sampled_from(["id", "content", "usage"]), _values | st.lists(_contents), max_size=3
        ),
    ),
    st.just({"type": "ping"}),
    st.just({"type": "message_stop"}),
    st.just(error_event()),
    st.dictionaries(st.sampled_from(["type", "index", "delta"]), _values, max_size=3),
    st.sampled_from(
        [b"data: {\n\n", b"data: [1]\n\n", b"\xff\xfe\n\n", b": ping\n\n", b"data:\n\n"]
    ),
)
_legal_blocks = st.lists(
    st.one_of(
        st.builds(text, st.text(max_size=4), st.text(max_size=4)),
        st.builds(thinking, st.text(max_size=4)),
        st.builds(
            lambda number, piece: tool_use(f"toolu_{number}", "weather", pieces=[piece]),
            st.integers(3, 9),
            st.sampled_from(["{}", '{"a":', '{"a":1}']),
        ),
        st.builds(block, _contents.filter(lambda content: content.get("type") != "tool_use")),
    ),
    max_size=4,
)


@st.composite
def _responses(draw: st.DrawFn) -> list[Any]:
    """A response, mostly valid, with some events added and some removed."""
    events: list[Any] = message(*draw(_legal_blocks))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(events)))
        if draw(st.booleans()):
            events.insert(at, draw(_events))
        else:
            del events[at : at + 1]
    return events


#: Events in a mostly valid order, or in any order.
event_sequences: st.SearchStrategy[list[Event]] = st.one_of(
    _responses(), st.lists(_events, max_size=12)
)
