"""An agent with the tools of an MCP server: what the client and the model get."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from usechat_server import Agent, create_app, tool
from usechat_server.mcp import MCPServer, mcp_stdio

from tests.harness import mcp_server
from tests.harness.common import DEADLINE
from tests.harness.fake_provider import FakeProvider, Reply, message, text, tool_use
from tests.harness.live import LiveServer, chunks, user


@tool
def clock() -> str:
    """The time."""
    return "noon"


def tool_calls(*names: str) -> Reply:
    blocks = [tool_use(f"toolu_{name}", name, {}) for name in names]
    return Reply(message(*blocks, stop_reason="tool_use"))


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


def served(provider: FakeProvider, *servers: MCPServer) -> LiveServer:
    client = AsyncAnthropic(base_url=provider.url, api_key="any", max_retries=0)
    agent = Agent("claude-sonnet-5-5", tools=[clock, *servers], client=client)
    return LiveServer(create_app(agent))


def mcp(**options: Any) -> MCPServer:
    path = str(Path(mcp_server.__file__))
    return mcp_stdio(sys.executable, path, wait=DEADLINE, **options)


def send(server: LiveServer) -> list[dict[str, Any]]:
    return chunks(server.chat(user("Go")).text)


def test_images_reach_the_client_and_the_model(provider: FakeProvider) -> None:
    provider.script(
        tool_calls("t_pictures_show", "clock", "t_state"), Reply(message(text("A pixel.")))
    )
    with served(provider, mcp(prefix="t_")) as server:
        sent = send(server)
    start, static, _ = (chunk for chunk in sent if chunk["type"] == "tool-input-start")
    assert (start["dynamic"], static.get("dynamic")) == (True, None)
    outputs = {
        chunk["toolCallId"]: chunk["output"]
        for chunk in sent
        if chunk["type"] == "tool-output-available"
    }
    assert outputs["toolu_clock"] == "noon"
    assert [block["type"] for block in outputs["toolu_t_pictures_show"]["content"]] == [
        *("text", "image", "resource")
    ]
    assert sent[-1]["type"] == "finish"
    # It ended with the app.
    with pytest.raises(ProcessLookupError):
        os.kill(outputs["toolu_t_state"]["structuredContent"]["pid"], 0)
    names = [entry["name"] for entry in provider.request(0).json["tools"]]
    assert names[:2] == ["clock", "t_echo"]
    results = provider.request(1).json["messages"][-1]["content"]
    result = next(r for r in results if r["tool_use_id"] == "toolu_t_pictures_show")
    assert [block["type"] for block in result["content"]] == ["text", "image", "text"]


def test_a_dying_or_missing_server_does_not_break_the_turn(
    provider: FakeProvider, tmp_path: Path
) -> None:
    missing = mcp_stdio(str(tmp_path / "no-such-command"))
    provider.script(tool_calls("die"), tool_calls("echo", "clock"), Reply(message(text("Well."))))
    with served(provider, missing, mcp()) as server:
        sent = send(server)
    errors = [chunk for chunk in sent if chunk["type"].endswith("error")]
    # The process ended; and `echo` wants a text.
    assert [chunk["type"] for chunk in errors] == ["tool-output-error"] * 2
    assert errors[0]["errorText"].endswith("was lost.")
    assert "'text' is a required property" in errors[1]["errorText"]
    assert [chunk["delta"] for chunk in sent if chunk["type"] == "text-delta"] == ["Well."]
    assert sent[-1]["type"] == "finish"
    assert json.dumps(errors[0]["errorText"]) in json.dumps(provider.request(1).json)
