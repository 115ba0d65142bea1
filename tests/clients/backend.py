"""The server under test, as `usechat-server serve clients.backend:agent` runs it."""

from __future__ import annotations

from usechat_server import Agent
from usechat_server.tools import ClientTool

__all__ = ["agent"]

agent = Agent(
    "claude-sonnet-5-5",
    tools=[
        ClientTool(
            name="weather",
            description="The weather in a city, as the page knows it.",
            input_schema={"type": "object", "properties": {"city": {"type": "string"}}},
        )
    ],
)
