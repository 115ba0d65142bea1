"""Where a request says that its beginning is worth keeping for the next one.

The provider keeps what comes before a breakpoint (tools, system prompt, turns, in this order) and
charges a tenth for what it finds again. Below a size that depends on the model a breakpoint costs
and does nothing. Source: the API's page on prompt caching.
"""

from __future__ import annotations

from typing import Any, Literal

__all__ = ["BREAKPOINTS", "mark"]

#: The most that a request may have: the last tool, the system prompt, and two turns.
BREAKPOINTS = 4
_TURNS = 2


def mark(request: dict[str, Any], keep: Literal["5m", "1h"]) -> None:
    """Adds the breakpoints to a request of `messages`, and of `system` and `tools` if it has any.

    Turns: the person's last one, whose breakpoint the next call finds again, and the one before it,
    which is where the last call put its own: the provider looks back only some twenty blocks.
    """
    # Five minutes is what the API takes without being told.
    control = {"type": "ephemeral", **({"ttl": keep} if keep == "1h" else {})}
    tools = [tool for tool in request.get("tools", ()) if not _deferred(tool)]
    # An app may have put its own there.
    left = BREAKPOINTS - sum("cache_control" in tool for tool in tools)
    if tools and left == BREAKPOINTS:
        tools[-1]["cache_control"] = control
        left -= 1
    if left and (system := request.get("system")):
        request["system"] = [{"type": "text", "text": system, "cache_control": control}]
        left -= 1
    turns = [turn for turn in request["messages"] if turn["role"] == "user"]
    for turn in turns[::-1][: min(left, _TURNS)]:
        *before, last = turn["content"]
        turn["content"] = [*before, {**last, "cache_control": control}]


def _deferred(tool: dict[str, Any]) -> bool:
    """Whether it is not in the prompt yet, where the API refuses a breakpoint."""
    default = tool.get("default_config") or {}  # of an MCP server's tools
    return bool(tool.get("defer_loading") or default.get("defer_loading"))
