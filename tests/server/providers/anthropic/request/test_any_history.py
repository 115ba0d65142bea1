"""Any history that a client can send gives a request that the API accepts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ui_message_stream.messages import UIMessage
from usechat_server.errors import ChatError
from usechat_server.providers.anthropic.request.build import build_request
from usechat_server.providers.base import ModelCall
from usechat_server.tools import ClientTool

from tests.harness.fake_provider_rules import request_errors
from tests.server.providers.anthropic.messages import (
    STEP_START,
    text_part,
)

WEATHER = ClientTool("weather", "The weather of a city.", {"type": "object"})


_text = st.sampled_from(["", " ", "Hi", "half \ud83d"])


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | _text,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_text, inner, max_size=2),
    max_leaves=4,
)


_metadata = st.sampled_from(
    [{}, {"anthropic": {"signature": "c2ln"}}, {"anthropic": {"redactedData": "b3Bh"}}]
) | st.fixed_dictionaries({"anthropic": st.dictionaries(_text, _json, max_size=2)})


_url = st.sampled_from(
    [
        "",
        "data:image/png;base64,iVBORw0KGgo=",
        "data:text/csv;base64,YSxiCg==",
        "data:text/plain,a%20b",
        "data:;base64,***",
        "https://example.com/cat.png",
        "file:///etc/passwd",
    ]
)


_states = st.sampled_from(
    [
        "input-streaming",
        "input-available",
        "approval-requested",
        "approval-responded",
        "output-available",
        "output-error",
        "output-denied",
    ]
)


_parts = st.one_of(
    st.builds(text_part, _text),
    st.just(STEP_START),
    st.builds(
        lambda value, metadata: {"type": "reasoning", "text": value, "providerMetadata": metadata},
        _text,
        _metadata,
    ),
    st.builds(
        lambda media_type, url: {"type": "file", "mediaType": media_type, "url": url},
        st.sampled_from(["", "image/png", "image/heic", "application/pdf", "text/csv"]),
        _url,
    ),
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["tool-weather", "tool-", "tool-büro"]),
            "toolCallId": st.sampled_from(["toolu_1", "toolu_2", "", "call:ä"]),
            "state": _states,
        },
        optional={
            "input": _json,
            "rawInput": _json,
            "output": _json,
            "errorText": _text,
            "providerExecuted": st.booleans(),
            "approval": st.just({"id": "1"})
            | st.just({"id": "1", "approved": False, "reason": ""}),
        },
    ),
    st.just({"type": "data-progress", "data": 1}),
    st.just({"type": "hologram"}),
    st.just({"type": "steering-message", "id": "1", "parts": [text_part("Faster"), {"type": 1}]}),
)


_messages = st.lists(
    st.builds(
        lambda role, parts: UIMessage.from_object({"id": "1", "role": role, "parts": parts}),
        st.sampled_from(["user", "assistant", "assistant", "system"]),
        st.lists(_parts, max_size=6),
    ),
    max_size=6,
)


@settings(max_examples=400)
@given(_messages, st.booleans())
def test_any_history_gives_a_request_that_the_api_accepts(
    messages: list[UIMessage], with_tools: bool
) -> None:
    tools = [WEATHER] if with_tools else []
    refused = ""
    try:
        request = build_request(ModelCall(messages, tools=tools), model="m", max_tokens=1)
    except ChatError as error:
        refused = error.text
    if refused:
        # Only a new message is refused: an older one never makes a chat unusable.
        is_new = bool(messages) and messages[-1].role == "user"
        assert is_new or refused == "There is no message to respond to."
        return
    assert request_errors(request) == []
    # There are no lone surrogates left: JSON cannot contain them.
    assert json.dumps(request, ensure_ascii=False).encode()


@pytest.mark.parametrize("depth", [10, 199, 300, 1000, 20_000])
@pytest.mark.parametrize("in_lists", [True, False])
def test_what_is_nested_too_deeply_is_left_out(depth: int, in_lists: bool) -> None:
    value: Any = "core"
    for _ in range(depth):
        value = [value] if in_lists else {"a": value}
    done = {"type": "tool-weather", "toolCallId": "toolu_1", "state": "output-available"}
    caller = {"anthropic": {"caller": {"type": "direct", "x": value}}}
    search = {**done, "type": "tool-web_search", "toolCallId": "srvtoolu_1", "input": {}}
    places: list[dict[str, Any]] = [
        {"parts": [{**done, "input": {"x": value}, "output": 1}]},
        {"parts": [{**done, "input": {}, "output": value}]},
        {"parts": [{**done, "input": {}, "output": 1, "callProviderMetadata": caller}]},
        {"parts": [{**search, "providerExecuted": True, "output": value}]},
        {"parts": [text_part("Hi")], "metadata": {"usechat.anthropic": {"turns": value}}},
    ]
    for fields in places:
        messages = [
            UIMessage.from_object({"id": "a", "role": "assistant", **fields}),
            UIMessage.from_object({"id": "u", "role": "user", "parts": [text_part("Hello")]}),
        ]
        request = build_request(ModelCall(messages), model="m", max_tokens=1)
        assert request_errors(request) == []
        assert json.dumps(request)
