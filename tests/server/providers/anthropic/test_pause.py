"""Pauses of the provider (`pause_turn`, `compaction`), for the client and for the provider."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic import AsyncAnthropic
from ui_message_stream.messages import TextPart, ToolPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION
from usechat_server.agent import Agent
from usechat_server.providers.anthropic import AnthropicModel
from usechat_server.runs import Runs
from usechat_server.turn import Turn

from tests.harness.asgi_host import AsgiHost
from tests.harness.fake_provider import FakeProvider, Reply
from tests.harness.fake_provider_events import block, message, text
from tests.harness.fake_provider_rules import request_errors
from tests.harness.lifecycle import start_run

CALL = {
    "type": "server_tool_use",
    "id": "srvtoolu_1",
    "name": "web_search",
    "input": {"query": "x"},
}
HIT = {
    "type": "web_search_result",
    "url": "https://example.com/",
    "title": "T",
    "page_age": None,
    "encrypted_content": "ZQ==",
}
RESULT = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [HIT]}


async def respond(*replies: Reply) -> tuple[UIMessage, list[str], list[Any]]:
    """Run a turn. Return its message, the types of its chunks, and the bodies of the requests."""
    with FakeProvider() as provider:
        provider.script(*replies)
        question = UIMessage(id="u", role="user", parts=[TextPart(text="?")])
        turn = Turn(
            user=None,
            chat_id="c",
            client_version=DEFAULT_CLIENT_VERSION,
            messages=[question],
            message_id="m",
        )
        async with AsyncAnthropic(base_url=provider.url, api_key="any") as client:
            agent = Agent(AnthropicModel("m", client=client), max_tokens=100)
            run = await start_run(Runs(), turn, agent)
            chunks = await AsgiHost(run.response()).read_chunks()
    requests = [request.json for request in provider.requests]
    return reduce(chunks), [chunk.type for chunk in chunks], requests


async def test_a_paused_search_is_one_message_with_two_steps() -> None:
    message_so_far, chunk_types, requests = await respond(
        Reply(message(block(CALL), stop_reason="pause_turn", message_id="msg_1")),
        Reply(message(block(RESULT), text("Found."), message_id="msg_2")),
    )
    assert requests[1]["messages"][1:] == [{"role": "assistant", "content": [CALL]}]
    assert request_errors(requests[1]) == []
    assert chunk_types.count("finish") == 1
    parts = message_so_far.parts
    [search] = [part for part in parts if isinstance(part, ToolPart)]
    assert search.state == "output-available"
    assert [part.text for part in parts if isinstance(part, TextPart)] == ["Found."]


@pytest.mark.parametrize("stop_reason", ["compaction", "pause_turn", "pause_of_a_later_api"])
async def test_every_pause_is_followed_by_another_call(stop_reason: str) -> None:
    summary = {"type": "compaction", "content": "They said hello."}
    message_so_far, _, requests = await respond(
        Reply(message(block(summary), stop_reason=stop_reason, message_id="msg_1")),
        Reply(message(text("Hello again."), message_id="msg_2")),
    )
    assert requests[1]["messages"][1:] == [{"role": "assistant", "content": [summary]}]
    texts = [part.text for part in message_so_far.parts if isinstance(part, TextPart)]
    assert texts == ["They said hello.", "Hello again."]


async def test_an_unknown_stop_reason_ends_the_response() -> None:
    _, chunk_types, requests = await respond(Reply(message(text("Hi."), stop_reason="bored")))
    assert (len(requests), chunk_types[-1]) == (1, "finish")
