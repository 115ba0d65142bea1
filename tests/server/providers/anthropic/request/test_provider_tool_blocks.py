"""Tool parts → calls and results of provider-executed tools."""

from __future__ import annotations

import pytest

from tests.server.providers.anthropic.messages import (
    SEARCH_HIT,
    STEP_START,
    assistant_blocks,
    assistant_message,
    request_messages,
    search_part,
    text_part,
    user_message,
)


@pytest.mark.parametrize("state", ["input-streaming", "input-available"])
def test_a_provider_call_without_a_result_is_left_out(state: str) -> None:
    message = assistant_message(STEP_START, text_part("Let me see."), search_part(state))
    assert assistant_blocks(message) == [text_part("Let me see.")]


def test_a_provider_tool_may_have_another_name() -> None:
    search = {**search_part("output-available", output=[SEARCH_HIT]), "type": "tool-look_it_up"}
    use, result = assistant_blocks(assistant_message(STEP_START, search))
    assert (use["type"], use["name"]) == ("server_tool_use", "web_search")
    hit = {"url": "u", "title": "T", "page_age": None, "encrypted_content": "e"}
    assert result["content"] == [{**hit, "type": "web_search_result"}]


@pytest.mark.parametrize(
    ("error_text", "code"),
    [
        ('{"type":"web_search_tool_result_error","errorCode":"query_too_long"}', "query_too_long"),
        ("An error occurred.", "unavailable"),
    ],
)
def test_an_error_of_a_provider_tool_is_sent_back_even_if_it_was_masked(
    error_text: str, code: str
) -> None:
    failed = search_part("output-error", errorText=error_text)
    result = assistant_blocks(assistant_message(STEP_START, failed))[1]
    assert result["type"] == "web_search_tool_result"
    assert result["content"] == {"type": "web_search_tool_result_error", "error_code": code}


def test_tools_of_another_provider_and_message_start_parts_are_left_out() -> None:
    foreign = {**search_part("output-available", output={"rows": 1}), "type": "tool-file_search"}
    message_start = {"type": "custom", "kind": "anthropic.message_start", "providerMetadata": {}}
    history = (
        user_message(text_part("Hi")),
        assistant_message(STEP_START, message_start, foreign, text_part("So.")),
        user_message(text_part("?")),
    )
    assert request_messages(*history)[1] == ("assistant", [text_part("So.")])


def test_an_mcp_call_without_output_is_left_out() -> None:
    metadata = {"anthropic": {"type": "mcp-tool-use", "serverName": "s"}}
    part = {"type": "dynamic-tool", "toolName": "echo", "toolCallId": "mcptoolu_1", "input": {}}
    mcp = {**part, "state": "output-available", "providerExecuted": True}
    without_output = assistant_message(
        STEP_START, text_part("So."), {**mcp, "callProviderMetadata": metadata}
    )
    assert assistant_blocks(without_output) == [text_part("So.")]
