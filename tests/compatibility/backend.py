"""The app that opens the data of earlier releases, and a client of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from anthropic import AsyncAnthropic
from usechat_server import Agent, ClientTool, create_app, tool
from usechat_server.anthropic import code_execution, web_search

from tests.harness.common import JSON, user_from_header
from tests.harness.fake_provider import FakeProvider, Reply, message, text
from tests.harness.live import LiveServer, chunks

__all__ = [
    "DATA",
    "BackendClient",
    "answer_all",
    "assistant_blocks",
    "backend",
    "run_db",
    "summary",
    "tool_results",
    "upgrade",
    "user_message",
]


DATA = Path(__file__).parent / "data" / "0.1.0"


@dataclass(frozen=True)
class BackendClient:
    """A client of one user. `tool_runs` lists the calls that the server's tools got."""

    server: LiveServer
    user: str | None
    #: the release of the npm package `ai`
    version: str = "7.0.173"
    tool_runs: list[tuple[Any, ...]] = field(default_factory=list)

    def of_version(self, version: str) -> BackendClient:
        """The same client with another release of `ai`."""
        return replace(self, version=version)

    def request(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """A response of this status: its JSON, or its text."""
        # The second name is that of later releases.
        headers = {"x-usechat-floor": self.version, "x-usechat-client": f"ai/{self.version}"}
        if self.user is not None:
            headers["x-user"] = self.user
        response = self.server.request(method, path, body, headers)
        assert response.status_code == status, response.text
        kind = response.headers.get("content-type", "")
        return response.json() if kind == "application/json" else response.text

    def post(self, body: JSON) -> list[JSON]:
        """The chunks of the response to a chat request, which must end without an error."""
        stream: list[JSON] = chunks(self.request("POST", "/api/chat", body))
        assert stream[-1]["type"] == "finish", stream
        return stream

    def send(self, chat_id: str, message: JSON, **body: Any) -> list[JSON]:
        """Send the newest message of a stored chat."""
        return self.post({"id": chat_id, "message": message, **body})

    def messages(self, chat_id: str) -> list[JSON]:
        """The messages of a stored chat."""
        messages: list[JSON] = self.request("GET", f"/api/chat/{chat_id}")["messages"]
        return messages

    def turns(self, chat_id: str) -> list[JSON]:
        """The turns of a stored chat and their usage."""
        turns: list[JSON] = self.request("GET", f"/api/chat/{chat_id}/usage")["turns"]
        return turns


@contextmanager
def backend(
    provider: FakeProvider, *, store: str | None = None, user: str | None = "ann", **options: Any
) -> Iterator[BackendClient]:
    """Serve the app until the block ends; `options` are the agent's. Without a user, the app has no
    `user=`."""
    tool_runs: list[tuple[Any, ...]] = []
    claude = AsyncAnthropic(base_url=provider.url, api_key="any", max_retries=0)
    agent = Agent("claude-sonnet-5-5", client=claude, tools=_tools(tool_runs), **options)
    app = create_app(agent, store=store, user=None if user is None else user_from_header)
    with LiveServer(app) as server:
        yield BackendClient(server, user, tool_runs=tool_runs)


def run_db(action: str, url: str) -> subprocess.CompletedProcess[str]:
    """Run `usechat-server db` as an operator does."""
    program = Path(sys.executable).parent / "usechat-server"
    return subprocess.run(
        [program, "db", action, "--store", url], capture_output=True, text=True, check=False
    )


def upgrade(url: str) -> None:
    """Make a store ready for this release."""
    for action in ("upgrade", "check"):
        process = run_db(action, url)
        assert process.returncode == 0, process.stderr


def _tools(tool_runs: list[tuple[Any, ...]]) -> list[Any]:
    """The tools that the chats in the data have."""

    @tool
    def weather(city: str) -> dict[str, int]:
        """The weather of a city."""
        tool_runs.append(("weather", city))
        return {"degrees": 20}

    @tool(needs_approval=True)
    def send(to: str, amount: int | float = 1) -> str:
        """Sends money."""
        tool_runs.append(("send", to, amount))
        return f"sent {amount} to {to}"

    @tool
    def charge(amount: int) -> str:
        """Charges the customer."""
        tool_runs.append(("charge", amount))
        return "charge done"

    @tool(idempotent=True)
    def look(city: str) -> str:
        """Looks out of the window."""
        tool_runs.append(("look", city))
        return "look done"

    locate = ClientTool("locate", "Where the user is.", {"type": "object", "properties": {}})
    return [weather, send, charge, look, locate, web_search(), code_execution()]


def answer_all(provider: FakeProvider, reply: str = "Of course.") -> None:
    """Let the provider respond to every request with a text."""
    provider.on(lambda _: Reply(message(text(reply))))


def user_message(value: str, message_id: str = "new") -> JSON:
    return {"id": message_id, "role": "user", "parts": [{"type": "text", "text": value}]}


def summary(message: JSON) -> list[str]:
    """What a message shows: its texts, the states of its tool calls, and the types of the rest."""
    return [
        _part(part) for part in message["parts"] if part["type"] not in ("step-start", "custom")
    ]


def _part(part: JSON) -> str:
    if "toolCallId" in part:
        name = part.get("toolName") or part["type"].removeprefix("tool-")
        return f"{name}: {part['state']}"
    if part["type"] == "text":
        return str(part["text"])
    return str(part["type"])


def assistant_blocks(request: JSON) -> list[JSON]:
    """The blocks of the assistant's turns in a request to the provider."""
    return [
        block
        for turn in request["messages"]
        if turn["role"] == "assistant"
        for block in _content(turn)
    ]


def tool_results(request: JSON) -> list[JSON]:
    """The results of tools in a request to the provider."""
    return [
        block
        for turn in request["messages"]
        for block in _content(turn)
        if block["type"] == "tool_result"
    ]


def _content(turn: JSON) -> list[JSON]:
    """The blocks of a turn, without the marks for the cache."""
    content = turn["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [
        {key: value for key, value in block.items() if key != "cache_control"}
        for block in json.loads(json.dumps(blocks))
    ]
