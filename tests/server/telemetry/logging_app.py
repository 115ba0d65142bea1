"""An agent with a tool that logs a line."""

from __future__ import annotations

import logging

from usechat_server import Agent
from usechat_server.tools import tool

__all__ = ["agent"]


@tool
def log_a_line() -> str:
    """Log a line."""
    logging.getLogger("usechat.app").info("the tool runs")
    return "done"


agent = Agent("claude-sonnet-5-5", tools=[log_a_line])
