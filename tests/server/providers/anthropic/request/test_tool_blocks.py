"""Tool parts → tool calls and results of the tools that the app or the client executes."""

from __future__ import annotations

import time
from typing import Any

import pytest
from usechat_server.providers.history.tool_calls import ToolCallIds

from tests.server.providers.anthropic.messages import (
    STEP_START,
    assistant_message,
    request_messages,
    text_part,
    tool_part,
    user_message,
)

INTERRUPTED = "The call was interrupted and has no result."


@pytest.mark.parametrize(
    ("part", "content", "is_error"),
    [
        (tool_part("output-available", output="sunny"), "sunny", False),
        (tool_part("output-available", output=None), "null", False),
        (tool_part("output-available", output=[1, "é"]), '[1,"é"]', False),
        (tool_part("output-available", output=""), None, False),
        (tool_part("output-available", output={"half": 1}, preliminary=True), '{"half":1}', False),
        (tool_part("output-error", errorText="No such city."), "No such city.", True),
        (tool_part("output-error", errorText=""), "The tool failed.", True),
        (
            tool_part(
                "output-denied", approval={"id": "1", "approved": False, "reason": "Too dear."}
            ),
            "Too dear.",
            True,
        ),
        (tool_part("output-denied"), "The user denied this call.", True),
        (
            tool_part("approval-responded", approval={"id": "1", "approved": False}),
            "The user denied this call.",
            True,
        ),
        (
            tool_part("approval-responded", approval={"id": "1", "approved": True}),
            INTERRUPTED,
            True,
        ),
        (
            tool_part("approval-requested", approval={"id": "1"}),
            "The call was not run: it was not approved.",
            True,
        ),
        (tool_part("input-available"), INTERRUPTED, True),
        (tool_part("input-streaming"), INTERRUPTED, True),
    ],
)
def test_every_call_has_a_result(part: dict[str, Any], content: str | None, is_error: bool) -> None:
    *_, (role, [result, _]) = request_messages(
        user_message(text_part("?")),
        assistant_message(STEP_START, part),
        user_message(text_part("Go on")),
    )
    assert role == "user"
    assert result["tool_use_id"] == "toolu_1"
    assert result.get("content") == content
    assert result.get("is_error", False) is is_error


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"input": {"city": "Par"}}, {"city": "Par"}),
        # After stop(), versions 5 and 6 send no input, some releases the raw text or null.
        ({}, {}),
        ({"input": None}, {}),
        ({"rawInput": '{"city": "Par'}, {"invalid_input": '{"city": "Par'}),
        ({"input": None, "rawInput": {"city": "Par"}}, {"city": "Par"}),
        ({"rawInput": '{"city": "Paris"}'}, {"city": "Paris"}),
        ({"input": ["Paris"]}, {"invalid_input": ["Paris"]}),
    ],
)
def test_the_input_of_a_stopped_call_is_an_object(
    fields: dict[str, Any], sent: dict[str, Any]
) -> None:
    part = {"type": "tool-weather", "toolCallId": "toolu_1", "state": "input-streaming", **fields}
    _, (_, [use]), _ = request_messages(
        user_message(text_part("?")),
        assistant_message(STEP_START, part),
        user_message(text_part("Go on")),
    )
    assert use["input"] == sent


def test_ids_and_names_are_changed_to_what_the_api_allows() -> None:
    other = {
        "type": "dynamic-tool",
        "toolName": "mcp.search web",
        "toolCallId": "call:1.a",
        "state": "output-available",
        "input": {},
        "output": 1,
    }
    _, (_, first), (_, results), *_ = request_messages(
        user_message(text_part("?")),
        assistant_message(STEP_START, other, other),
        user_message(text_part("Go on")),
    )
    assert [(use["id"], use["name"]) for use in first] == [
        ("call_1_a", "mcp_search_web"),
        ("call_1_a_2", "mcp_search_web"),
    ]
    assert [result.get("tool_use_id") for result in results[:2]] == ["call_1_a", "call_1_a_2"]


def test_one_id_for_all_calls_takes_linear_time() -> None:
    ids = ToolCallIds()
    began = time.process_time()
    assert len({ids.assign("same") for _ in range(30_000)}) == 30_000
    assert time.process_time() - began < 5
