"""The agent that `usechat-server serve` runs by default."""

from __future__ import annotations

import os

from usechat_server.agent import Agent
from usechat_server.demo.metadata import page_metadata
from usechat_server.demo.tools import BROWSER_TIME, look_up, roll_dice, send_postcard, weather
from usechat_server.providers.base import Model

__all__ = ["CLAUDE", "default_agent", "demo_agent"]

#: The model if there is an API key.
CLAUDE = "claude-sonnet-5-5"

#: The bundled page renders formulas between double dollar signs only: a single one is money.
SYSTEM = """\
Answer in Markdown. Write formulas in LaTeX between double dollar signs, also within a line: \
$$e^{i\\pi} = -1$$. The weather, the library of look_up and the postcards are not real: say \
so when it matters."""


def default_agent() -> Agent:
    """Return an agent on Claude if ANTHROPIC_API_KEY is set, else on the demo model."""
    return demo_agent(CLAUDE if os.environ.get("ANTHROPIC_API_KEY") else "demo")


def demo_agent(model: str | Model) -> Agent:
    """Return an agent with the demo's tools and the metadata that the bundled page shows."""
    return Agent(
        model,
        system=SYSTEM,
        tools=[BROWSER_TIME, roll_dice, weather, look_up, send_postcard],
        metadata=page_metadata,
    )
