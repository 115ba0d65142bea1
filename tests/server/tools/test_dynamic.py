"""`@tool(dynamic=True)`: calls that the client gets as `dynamic-tool` parts."""

from __future__ import annotations

from pathlib import Path

from anthropic import AsyncAnthropic
from usechat_server import Agent, create_app, tool

from tests.harness.fake_provider import FakeProvider, Reply, message, text, tool_use
from tests.harness.live import LiveServer, user


@tool
def clock() -> str:
    """The time."""
    return "noon"


@tool(dynamic=True)
def plugin(city: str) -> str:
    """A tool that was installed at run time."""
    return f"{city} is sunny"


def test_a_dynamic_tool_gives_dynamic_parts(tmp_path: Path) -> None:
    with FakeProvider() as provider:
        calls = [
            tool_use("toolu_1", "clock", {}),
            tool_use("toolu_2", "plugin", {"city": "Bern"}),
        ]
        provider.script(
            Reply(message(*calls, stop_reason="tool_use")), Reply(message(text("Done.")))
        )
        client = AsyncAnthropic(base_url=provider.url, api_key="any", max_retries=0)
        agent = Agent("claude-sonnet-5-5", tools=[clock, plugin], client=client)
        with LiveServer(create_app(agent, store=f"sqlite:///{tmp_path}/chats.db")) as server:
            body = {"id": "c1", "message": user("Go")}
            assert server.request("POST", "/api/chat", body).status_code == 200
            _, assistant = server.request("GET", "/api/chat/c1").json()["messages"]
    static, dynamic = (part for part in assistant["parts"] if "toolCallId" in part)
    assert static["type"] == "tool-clock"
    assert (dynamic["type"], dynamic["toolName"]) == ("dynamic-tool", "plugin")
    assert (dynamic["state"], dynamic["output"]) == ("output-available", "Bern is sunny")
