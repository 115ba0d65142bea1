"""The record in the message metadata: what the parts cannot hold of a response."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from usechat_server.providers.anthropic.message_record import METADATA_KEY
from usechat_server.providers.anthropic.response.translate import ResponseTranslator

from tests.server.providers.anthropic.messages import (
    SEARCH_HIT,
    STEP_START,
    assistant_blocks,
    assistant_message,
    request_body,
    request_messages,
    search_part,
    text_part,
    tool_part,
    user_message,
)


@pytest.mark.parametrize(
    ("days", "sent"),
    [(1, "container_1"), (-29, "container_1"), (-31, None), (10**6, "container_1")],
)
def test_the_container_of_the_models_code_is_used_while_it_may_exist(
    days: int, sent: str | None
) -> None:
    expires_at = datetime.now(UTC) + timedelta(days=days)
    record = {"container": {"id": "container_1", "expires_at": expires_at.isoformat()}}
    message = assistant_message(STEP_START, text_part("Ran."))
    message.metadata = {METADATA_KEY: record}
    request = request_body(user_message(text_part("Hi")), message, user_message(text_part("?")))
    assert request.get("container") == sent


@pytest.mark.parametrize(
    "record", [None, [], {"turns": []}, {"turns": {"m": {"places": [{"part": 1}]}}}]
)
def test_malformed_records_are_ignored(record: Any) -> None:
    message = assistant_message(
        STEP_START, text_part("So."), search_part("output-available", output=[SEARCH_HIT])
    )
    message.metadata = {METADATA_KEY: record}
    blocks = assistant_blocks(message)
    assert [block["type"] for block in blocks] == [
        "text",
        "server_tool_use",
        "web_search_tool_result",
    ]


@pytest.mark.parametrize(
    "slot",
    [
        {},
        {"block": {"x": 1}},
        {"block": {"type": ["text"]}},
        {"block": {"type": "tool_use"}},
        {"block": {"type": "server_tool_use", "name": "web_search"}},
        {"block": {"type": "mcp_tool_use", "id": "mcptoolu_1"}},
        {"block": {"type": "web_search_tool_result", "tool_use_id": []}},
        {"part": "text", "block": {"type": "tool_use"}},
        {"part": "result", "id": "srvtoolu_1", "block": {"tool_use_id": {}}},
        {"part": "result", "id": "srvtoolu_1", "block": {"type": "tool_use"}},
    ],
)
def test_forged_slots_are_ignored(slot: dict[str, Any]) -> None:
    message = assistant_message(STEP_START, text_part("So."))
    message.metadata = {METADATA_KEY: {"turns": {"msg_1": {"places": [{"part": "text"}, slot]}}}}
    request = request_body(user_message(text_part("Hi")), message, user_message(text_part("?")))
    assert request["messages"][1]["content"] == [text_part("So.")]
    ResponseTranslator((), request)


def test_a_container_without_a_time_zone_is_ignored_and_the_rest_of_the_record_kept() -> None:
    message = assistant_message(STEP_START, text_part("So."))
    hidden = {"type": "novelty", "data": "x"}
    message.metadata = {
        METADATA_KEY: {
            "turns": {"msg_1": {"places": [{"block": hidden}, {"part": "text"}]}},
            "container": {"id": "container_1", "expires_at": "2999-01-01T00:00:00"},
        }
    }
    request = request_body(user_message(text_part("Hi")), message, user_message(text_part("?")))
    assert "container" not in request
    assert request["messages"][1]["content"] == [hidden, text_part("So.")]


def test_a_result_is_sent_back_once_however_many_slots_name_it() -> None:
    search = search_part("output-available", output=[SEARCH_HIT])
    call_id = search["toolCallId"]
    slots = [{"part": "call", "id": call_id}, *[{"part": "result", "id": call_id}] * 50]
    message = assistant_message(STEP_START, search)
    message.metadata = {METADATA_KEY: {"turns": {"msg_1": {"places": slots}}}}
    blocks = assistant_blocks(message)
    assert [block["type"] for block in blocks] == ["server_tool_use", "web_search_tool_result"]


def test_matching_many_steps_and_records_takes_linear_time() -> None:
    def seconds(count: int) -> float:
        message = assistant_message(*[STEP_START] * count, text_part("So."))
        records = {f"msg_{n}": {"places": [{"part": "reasoning"}]} for n in range(count)}
        message.metadata = {METADATA_KEY: {"turns": records}}
        began = time.process_time()
        assert assistant_blocks(message) == [text_part("So.")]
        return time.process_time() - began

    assert seconds(20_000) < 10  # comparing each step with each record would take minutes


def test_records_are_matched_to_steps_in_any_order() -> None:
    first, second = {"type": "novelty", "data": "1"}, {"type": "novelty", "data": "2"}
    message = assistant_message(
        STEP_START, tool_part("output-available", output=1), STEP_START, text_part("So.")
    )
    first_record = {"places": [{"block": first}, {"part": "call", "id": "toolu_1"}]}
    second_record = {"places": [{"block": second}, {"part": "text"}]}
    message.metadata = {METADATA_KEY: {"turns": {"msg_a": second_record, "msg_b": first_record}}}
    history = (user_message(text_part("Hi")), message, user_message(text_part("?")))
    messages = request_messages(*history)
    assert messages[1][1][0] == first
    assert messages[3][1] == [second, text_part("So.")]
