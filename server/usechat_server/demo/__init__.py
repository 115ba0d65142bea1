"""The agent that `usechat-server serve` runs when it is not given one."""

from __future__ import annotations

import os

from usechat_server.agent import Agent
from usechat_server.demo.metadata import page_metadata
from usechat_server.demo.tools import BROWSER_TIME, look_up, roll_dice, send_postcard, weather
from usechat_server.providers.base import Model

__all__ = ["CLAUDE", "default_agent", "demo_agent"]

#: the model that answers when there is a key
CLAUDE = "claude-sonnet-5-5"

#: what the page shows: formulas between two dollars (one is money), no pictures from elsewhere
SYSTEM = """\
Answer in Markdown. Write formulas in LaTeX between double dollar signs, also within a line: \
$$e^{i\\pi} = -1$$. The weather, the library of look_up and the postcards are toys of this demo: \
say so when it matters."""


def default_agent() -> Agent:
    """Claude when ANTHROPIC_API_KEY is set, else the demo model."""
    return demo_agent(CLAUDE if os.environ.get("ANTHROPIC_API_KEY") else "demo")


def demo_agent(model: str | Model) -> Agent:
    """A model with the tools of the demo, and what the bundled page needs to show."""
    return Agent(
        model,
        system=SYSTEM,
        tools=[BROWSER_TIME, roll_dice, weather, look_up, send_postcard],
        metadata=page_metadata,
    )
