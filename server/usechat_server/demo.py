"""The agent that `usechat-server serve` runs when it is not given one."""

from __future__ import annotations

import os

from usechat_server.agent import Agent
from usechat_server.tools import ClientTool

__all__ = ["BROWSER_TIME", "CLAUDE", "default_agent"]

#: the model that answers when there is a key
CLAUDE = "claude-sonnet-5-5"

#: answered by the bundled page, in web-demo/src/tools.ts
BROWSER_TIME = ClientTool(
    name="browser_time",
    title="Time in the browser",
    description="The date, the time and the time zone where the person is.",
    input_schema={
        "type": "object",
        "properties": {
            "clock": {"enum": ["24-hour", "12-hour"], "description": "How the time is written."},
        },
        "required": ["clock"],
        "additionalProperties": False,
    },
)


def default_agent() -> Agent:
    """Claude when ANTHROPIC_API_KEY is set, else the demo model; both may ask for the time."""
    model = CLAUDE if os.environ.get("ANTHROPIC_API_KEY") else "demo"
    return Agent(model, tools=[BROWSER_TIME])
