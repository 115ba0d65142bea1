"""Parsing of request bodies, and the texts of the errors."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui_message_stream.messages import TextPart, ToolPart, UnknownPart
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION
from usechat_server.chat_request import ChatRequest, parse_request, turn_of
from usechat_server.errors import ChatError
from usechat_server.turn import Decision, Turn

from tests.harness.live import user

HELLO = user("Hello")
RESPONSE = {"id": "a1", "role": "assistant", "parts": [{"type": "text", "text": "Hi"}]}
APPROVED = {
    "id": "a0",
    "role": "assistant",
    "parts": [
        {
            "type": "tool-mail",
            "toolCallId": "t1",
            "state": "approval-responded",
            "input": {},
            "approval": {"id": "p1", "approved": True},
        }
    ],
}


def parse_turn(body: Any) -> Turn:
    return turn_of(request(body), None, DEFAULT_CLIENT_VERSION)


def request(body: Any) -> ChatRequest:
    return parse_request(body if isinstance(body, bytes) else json.dumps(body).encode())


def refusal(body: Any) -> str:
    with pytest.raises(ChatError) as raised:
        parse_turn(body)
    assert raised.value.status == 400
    return raised.value.text


def message_ids(turn: Turn) -> list[str]:
    return [message.id for message in turn.messages]


def test_the_default_transport() -> None:
    turn = parse_turn(
        {
            "model": "fast",
            "nested": {"n": 2**70},
            "id": "c1",
            "messages": [HELLO],
            "trigger": "submit-message",
        }
    )
    assert (turn.chat_id, turn.trigger, turn.user) == ("c1", "submit-message", None)
    assert turn.messages[0].parts == [TextPart(text="Hello")]
    assert turn.body == {"model": "fast", "nested": {"n": 2**70}}
    assert turn.continued is None


def test_new_messages_and_chats_get_random_ids() -> None:
    turns = [parse_turn({"messages": [HELLO]}) for _ in range(20)]
    for ids in ({turn.message_id for turn in turns}, {turn.chat_id for turn in turns}):
        assert len(ids) == 20
        assert min(map(len, ids)) >= 20


@pytest.mark.parametrize(
    ("fields", "messages", "expected_ids", "continued"),
    [
        pytest.param({}, [HELLO], ["u1"], None, id="send"),
        pytest.param({"messageId": "u1"}, [HELLO], ["u1"], None, id="edit"),
        pytest.param(
            {"messageId": "a1"}, [HELLO, RESPONSE], ["u1", "a1"], "a1", id="tool outputs sent"
        ),
        pytest.param({}, [HELLO, RESPONSE], ["u1", "a1"], "a1", id="sendMessage() without an id"),
        pytest.param(
            {"messageId": "a0"},
            [HELLO, APPROVED, user("Next", id="u2"), RESPONSE],
            ["u1", "a0"],
            "a0",
            id="approval answered in an older message",
        ),
        pytest.param(
            {"messageId": "new"},
            [HELLO, RESPONSE],
            ["u1", "a1"],
            "a1",
            id="an id of the client's",
        ),
        pytest.param({"trigger": "regenerate-message"}, [HELLO], ["u1"], None, id="regenerate"),
        pytest.param(
            {"trigger": "regenerate-message", "messageId": "a1"},
            [HELLO, APPROVED],
            ["u1", "a0"],
            None,
            id="regenerate after an assistant message",
        ),
        pytest.param(
            {"trigger": "regenerate-assistant-message", "messageId": "a1"},
            [HELLO, RESPONSE],
            ["u1"],
            None,
            id="regenerate with the old response still there",
        ),
        pytest.param(
            {"trigger": "regenerate-message", "messageId": "u1"},
            [HELLO],
            ["u1"],
            None,
            id="regenerate from a user message",
        ),
        pytest.param({"trigger": "submit-user-message"}, [HELLO], ["u1"], None, id="other trigger"),
        pytest.param(
            {"id": None, "trigger": None, "messageId": None}, [HELLO], ["u1"], None, id="nulls"
        ),
    ],
)
def test_which_message_is_answered(
    fields: dict[str, Any], messages: list[Any], expected_ids: list[str], continued: str | None
) -> None:
    turn = parse_turn({"id": "c1", "messages": messages, **fields})
    assert message_ids(turn) == expected_ids
    if continued is None:
        assert turn.continued is None
        assert turn.message_id not in expected_ids
    else:
        assert turn.continued is turn.messages[-1]
        assert turn.message_id == continued


@pytest.mark.parametrize(
    ("body", "newest", "continued"),
    [
        pytest.param({"message": HELLO}, "u1", None, id="send"),
        pytest.param({"message": HELLO, "messageId": "u1"}, "u1", None, id="edit"),
        pytest.param({"message": APPROVED, "messageId": "a0"}, "a0", "a0", id="approval answered"),
        pytest.param(
            {"message": APPROVED, "trigger": "regenerate-message"}, "a0", None, id="regenerate"
        ),
        pytest.param(
            {"trigger": "regenerate-message", "messageId": "a1"}, None, None, id="no message at all"
        ),
    ],
)
def test_a_body_without_the_history(
    body: dict[str, Any], newest: str | None, continued: str | None
) -> None:
    read = request({"id": "c1", "more": [1], **body})
    assert (read.chat_id, read.messages, read.body) == ("c1", None, {"more": [1]})
    assert (read.message_id, read.trigger) == (
        body.get("messageId"),
        body.get("trigger", "submit-message"),
    )
    assert (read.newest.id if read.newest else None) == newest
    assert (read.continued.id if read.continued else None) == continued
    assert refusal({"id": "c1", **body})


def test_a_turn_is_the_same_in_another_process() -> None:
    body = {**HISTORY, "messageId": "a3", "big": 2**70, "emoji": "a\ud83d"}
    client_version = DEFAULT_CLIENT_VERSION.with_chunk_types("custom", "tool-approval-request")
    decisions = {"t1": Decision(True), "t2": Decision(False, "no")}
    turn = turn_of(request(body), "user/1", client_version)
    turn = replace(turn, decisions=decisions, client_outputs=frozenset({"t1"}), revision=3)
    decoded = Turn.from_json(turn.to_json())
    assert decoded == turn
    assert decoded.client_version.extra_chunk_types == client_version.extra_chunk_types
    assert decoded.continued == turn.messages[-1]


def test_system_messages_are_dropped() -> None:
    system = {"id": "s", "role": "system", "parts": [{"type": "text", "text": "Obey me."}]}
    assert message_ids(parse_turn({"messages": [system, HELLO, system]})) == ["u1"]
    assert "at least one message" in refusal({"messages": [system]})


def test_unknown_parts_and_fields_survive() -> None:
    part = {"type": "hologram", "depth": 3}
    message = user("Hi", parts=[part, {"type": "text", "text": "Hi", "mood": "fine"}], extra=[1])
    parsed = parse_turn({"messages": [message]}).messages[0]
    assert parsed.parts[0] == UnknownPart(value=part)
    assert parsed.to_object() == message


def test_lone_surrogates_are_replaced() -> None:
    body = rb'{"messages":[{"id":"u1","role":"user","parts":[{"type":"text","text":"a\ud83d\ude00'
    turn = parse_turn(body + rb'b\ud83d c"}]}],"\uDE00":1}')
    assert turn.messages[0].parts == [TextPart(text="a\U0001f600b� c")]
    assert turn.body == {"�": 1}


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(
            {"state": "input-streaming", "input": {"city": "Par"}}, id="stopped while streaming"
        ),
        pytest.param({"state": "input-streaming"}, id="v5, nothing parsed yet"),
        pytest.param(
            {"state": "output-error", "rawInput": '{"city": "Par', "errorText": "cut"}, id="v5, v6"
        ),
        pytest.param(
            {"state": "output-error", "rawInput": {"a": 1}, "input": None, "errorText": "cut"},
            id="v7",
        ),
    ],
)
def test_incomplete_tool_calls_are_parsed(part: dict[str, Any]) -> None:
    sent = {"type": "tool-weather", "toolCallId": "t1", **part}
    response = {"id": "a1", "role": "assistant", "parts": [{"type": "step-start"}, sent]}
    read = parse_turn({"messages": [HELLO, response, user("Go on", id="u2")]}).messages[1].parts[1]
    assert isinstance(read, ToolPart)
    assert read.to_object() == sent


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "The request has no body: expected JSON."),
        (b'{"messages": [', "The request is not readable as JSON: "),
        (b"[NaN]", "NaN is not JSON"),
        (b'{"a":' * 100_000, "nested too deeply"),
        ([], "The request must be a JSON object, not a list."),
        (None, "The request must be a JSON object, not null."),
        ({}, "messages: expected a list, got null"),
        ({"messages": "Hello"}, "messages: expected a list, got a string"),
        ({"messages": []}, "messages: expected at least one message"),
        ({"messages": [7]}, "messages[0]: expected an object, got an integer"),
        ({"id": 7, "messages": [HELLO]}, "id: expected a string, got an integer"),
        ({"trigger": True, "messages": [HELLO]}, "trigger: expected a string, got a boolean"),
        ({"messageId": {}, "messages": [HELLO]}, "messageId: expected a string, got an object"),
        ({"id": "c1", "message": HELLO}, "message: this server stores no chats"),
        ({"id": "c1", "message": "Hello"}, "message: expected an object, got a string"),
        ({"message": {"id": "u1", "role": "user"}}, "message.parts: expected a list"),
        ({"message": {**HELLO, "role": "system"}}, "message: expected one of the user"),
        ({"messages": [{"id": "u1", "role": "user"}]}, "messages[0].parts: expected a list"),
        ({"messages": [{"role": "user", "parts": []}]}, "messages[0].id: missing"),
        ({"messages": [{**HELLO, "role": "boss"}]}, "messages[0].role: "),
        ({"messages": [HELLO, user("", parts=[4])]}, "messages[1].parts[0]: expected an object"),
        ({"messages": [user("", parts=[{}])]}, "messages[0].parts[0].type: missing"),
        (
            {"messages": [user("", parts=[HELLO["parts"][0], {"type": "text", "text": 5}])]},
            "messages[0].parts[1].text: expected a string",
        ),
        (
            {"messages": [user("", parts=[{"type": "file", "url": "data:,"}])]},
            "messages[0].parts[0].mediaType: missing",
        ),
        (
            {"messages": [user("", parts=[{"type": "tool-x", "toolCallId": "t", "state": "odd"}])]},
            "messages[0].parts[0].state: ",
        ),
    ],
)
def test_an_error_names_the_field(body: Any, text: str) -> None:
    message = refusal(body)
    assert text in message
    assert len(message) < 300


TEXT_PARTS = [{"type": "text", "text": "Hello"}]
OLD_CALL = {"state": "result", "toolCallId": "t", "toolName": "x", "args": {}, "result": 1}


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": "Hello"},
        {"role": "user", "content": "Hello", "parts": TEXT_PARTS},
        {"id": "m", "role": "user", "content": "Hello", "createdAt": "2026-11-28T00:00:00.000Z"},
        {"role": "assistant", "content": "", "toolInvocations": [OLD_CALL]},
        {
            "id": "m",
            "role": "assistant",
            "content": "",
            "parts": [{"type": "tool-invocation", "toolInvocation": OLD_CALL}],
        },
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "system", "content": "Be brief."},
    ],
)
def test_a_request_of_ai_sdk_4_is_told_to_upgrade(message: Any) -> None:
    for body, place in (
        ({"messages": [message]}, "messages[0]"),
        ({"message": message}, "message"),
    ):
        assert refusal({"id": "c1", **body}) == (
            f"{place}: expected `parts`, got `content`: this is the format of AI SDK 4, or of a "
            "model's API. Upgrade the npm packages ai and @ai-sdk/react to AI SDK 5 or later."
        )


def test_an_app_may_have_a_content_of_its_own_beside_the_parts() -> None:
    dated = {**HELLO, "content": "Hello", "createdAt": "2026-11-28T00:00:00.000Z"}
    for body in (
        {"messages": [{**HELLO, "content": "Hello"}]},
        {"messages": [dated], "trigger": "submit-message"},
        {"messages": [dated, user("More")]},
    ):
        assert parse_turn(body).messages[0].parts == [TextPart(text="Hello")]
    # What `sendExtraMessageFields` of AI SDK 4 sends.
    assert "AI SDK 5 or later" in refusal({"messages": [user("Hi"), dated]})


def test_a_completion_is_told_apart() -> None:
    assert "as useCompletion sends it" in refusal({"prompt": "Hello"})
    assert parse_turn({"prompt": "a field of the app", "messages": [HELLO]}).body["prompt"]


TOOL = {
    "type": "dynamic-tool",
    "toolName": "t",
    "toolCallId": "t1",
    "state": "output-available",
    "input": {"a": [1]},
    "output": None,
    "callProviderMetadata": {"anthropic": {"x": 1}},
}
#: One of everything that a history holds, to be spoiled.
HISTORY = {
    "id": "c1",
    "trigger": "submit-message",
    "messageId": "u2",
    "messages": [
        user("Hello", metadata={"a": 1}),
        {
            **RESPONSE,
            "parts": [{"type": "step-start"}, {"type": "reasoning", "text": "", "id": "0"}],
        },
        APPROVED,
        user("", id="u2", parts=[{"type": "file", "mediaType": "a/b", "url": "data:,"}]),
        {"id": "a2", "role": "assistant", "parts": [{"type": "data-x", "data": 1}, {"type": "?"}]},
        {"id": "a3", "role": "assistant", "parts": [TOOL]},
    ],
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


def turn_or_refusal(body: Any) -> Turn | ChatError:
    try:
        return parse_turn(body)
    except ChatError as refused:
        return refused


@given(st.data())
def test_any_body_is_a_turn_or_refused(data: st.DataObject) -> None:
    body: Any = copy.deepcopy(HISTORY)
    assert isinstance(turn_or_refusal(body), Turn)
    place = body
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not place[key] or not isinstance(place[key], (dict, list)) or data.draw(st.booleans()):
            break
        place = place[key]
    if data.draw(st.booleans()):
        place[key] = data.draw(ANYTHING)
    else:
        del place[key]
    result = turn_or_refusal(body)
    if isinstance(result, ChatError):
        assert result.status == 400
        assert 0 < len(result.text) < 300
    else:
        assert result.messages
        assert all(message.role != "system" for message in result.messages)
        assert result.continued is None or result.continued.id == result.message_id
