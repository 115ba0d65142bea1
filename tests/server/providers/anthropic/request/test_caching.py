"""Cache breakpoints of requests."""

from __future__ import annotations

from typing import Any

import pytest
from usechat_server import Agent, ClientTool
from usechat_server.anthropic import AnthropicOptions, mcp_server, tool_search, web_search

from tests.harness.fake_provider import FakeProvider
from tests.server.providers.anthropic.agent_requests import (
    CLOCK,
    MODEL,
    response_message,
    sent_request,
)
from tests.server.providers.anthropic.messages import text_part, user_message


def breakpoints(body: dict[str, Any]) -> list[str]:
    """Return where a request has cache breakpoints, in the order in which the provider reads it."""
    places = [f"tool {tool['name']}" for tool in body.get("tools", []) if "cache_control" in tool]
    if isinstance(body.get("system"), list):
        places += ["system" for block in body["system"] if "cache_control" in block]
    for index, turn in enumerate(body["messages"]):
        places += [
            f"turn {index}.{n}" for n, b in enumerate(turn["content"]) if "cache_control" in b
        ]
    return places


def test_tools_system_prompt_and_history_are_cached(provider: FakeProvider) -> None:
    agent = Agent(MODEL, system="Be brief.", tools=[web_search(), CLOCK])
    first = [user_message(text_part("One"), text_part("more"))]
    request = sent_request(provider, agent, *first).json
    assert breakpoints(request) == ["tool clock", "system", "turn 0.1"]
    assert request["system"][0]["text"] == "Be brief."
    assert request["system"][0]["cache_control"] == {"type": "ephemeral"}
    second = [
        *first,
        response_message(text_part("Yes.")),
        user_message(text_part("Two"), message_id="u2"),
    ]
    request = sent_request(provider, agent, *second).json
    # Where the previous call had its last one, so that its cache is found.
    assert breakpoints(request) == ["tool clock", "system", "turn 0.1", "turn 2.0"]
    third = [
        *second,
        response_message(text_part("Yes."), message_id="a2"),
        user_message(text_part("3"), message_id="u3"),
    ]
    request = sent_request(provider, agent, *third).json
    assert breakpoints(request) == ["tool clock", "system", "turn 2.0", "turn 4.0"]


def test_tool_results_have_a_breakpoint(provider: FakeProvider) -> None:
    called = {
        "type": "tool-clock",
        "toolCallId": "toolu_1",
        "state": "output-available",
        "input": {},
        "output": "noon",
    }
    request = sent_request(
        provider,
        Agent(MODEL, tools=[CLOCK]),
        user_message(text_part("Time?")),
        response_message(called),
    ).json
    assert breakpoints(request) == ["tool clock", "turn 0.0", "turn 2.0"]
    assert request["messages"][2]["content"][0]["type"] == "tool_result"


def test_a_deferred_tool_has_no_breakpoint(provider: FakeProvider) -> None:
    late = ClientTool("late", "", {}, provider_options={"anthropic": {"defer_loading": True}})
    request = sent_request(provider, Agent(MODEL, tools=[tool_search(), late])).json
    assert breakpoints(request) == ["tool tool_search_tool_bm25", "turn 0.0"]


def test_a_deferred_mcp_server_has_no_breakpoint(
    provider: FakeProvider,
) -> None:
    late = mcp_server("late", url="https://late.example/mcp", defer_loading=True)
    request = sent_request(provider, Agent(MODEL, tools=[CLOCK, late]))
    assert ["cache_control" in tool for tool in request.json["tools"]] == [True, False]


@pytest.mark.parametrize("own", [1, 2, 3, 4])
def test_the_apps_own_breakpoints_count(provider: FakeProvider, own: int) -> None:
    marked = {"anthropic": {"cache_control": {"type": "ephemeral"}}}
    tools = [ClientTool(f"own{n}", "", {}, provider_options=marked) for n in range(own)]
    agent = Agent(MODEL, system="Be brief.", tools=[*tools, CLOCK])
    history = [
        user_message(text_part("One")),
        response_message(text_part("Yes.")),
        user_message(text_part("Two"), message_id="u2"),
    ]
    places = breakpoints(sent_request(provider, agent, *history).json)
    ours = ["system", "turn 2.0", "turn 0.0"][: 4 - own]
    assert sorted(places) == sorted([*(f"tool own{n}" for n in range(own)), *ours])


def test_breakpoints_of_one_request_are_not_in_the_next(provider: FakeProvider) -> None:
    history = [user_message(text_part("Go")), response_message(text_part("Half"))]
    agent = Agent(MODEL)
    assert breakpoints(sent_request(provider, agent, *history).json) == ["turn 0.0", "turn 2.0"]
    off = Agent(MODEL, options=AnthropicOptions(cache=False))
    assert breakpoints(sent_request(provider, off, *history).json) == []


def test_after_a_shorter_breakpoint_of_the_app_there_are_no_longer_ones(
    provider: FakeProvider,
) -> None:
    marked = {"anthropic": {"cache_control": {"type": "ephemeral"}}}
    own = ClientTool("own", "", {}, provider_options=marked)
    options = AnthropicOptions(cache="1h")
    agent = Agent(MODEL, system="Be brief.", tools=[own, CLOCK], options=options)
    request = sent_request(provider, agent).json  # which the fake provider has accepted
    assert breakpoints(request) == ["tool own", "system", "turn 0.0"]
    assert "1h" not in str(request)


def test_cache_for_an_hour(provider: FakeProvider) -> None:
    request = sent_request(provider, Agent(MODEL, options=AnthropicOptions(cache="1h"))).json
    sent = request["messages"][0]["content"][0]["cache_control"]
    assert sent == {"type": "ephemeral", "ttl": "1h"}
