"""Prompt caching: where a request asks the provider to cache its beginning.

The provider caches what comes before a breakpoint (tools, system prompt and messages, in this
order) and charges a tenth for what it finds again. Below a size that depends on the model a
breakpoint neither costs nor does anything. Source: the API's page on prompt caching.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

__all__ = ["add_cache_breakpoints", "check_own_breakpoints"]

#: The most that a request may have: the last tool, the system prompt, and two user messages.
MAX_BREAKPOINTS = 4
_USER_MESSAGES = 2


def check_own_breakpoints(tools: Sequence[Mapping[str, Any]]) -> None:
    """Check the breakpoints that the app has put on its tools.

    Args:
        tools: The definitions of the tools.

    Raises:
        ValueError: The API refuses them; the text names the tool.
    """
    marked = [tool for tool in tools if "cache_control" in tool]
    if len(marked) > MAX_BREAKPOINTS:
        raise ValueError(f"tools: expected at most {MAX_BREAKPOINTS} with cache_control")
    for tool in marked:
        name, control = tool.get("name", tool.get("mcp_server_name")), tool["cache_control"]
        if not isinstance(control, Mapping) or control.get("type") != "ephemeral":
            raise ValueError(f"tools: {name}: cache_control: expected the type 'ephemeral'")
        if control.get("ttl", "5m") not in ("5m", "1h"):
            raise ValueError(f"tools: {name}: cache_control: expected the ttl '5m' or '1h'")
        if _is_deferred(tool):
            raise ValueError(f"tools: {name}: cache_control requires a tool that is not deferred")
        if control.get("ttl") == "1h" and any(map(_is_short, marked[: marked.index(tool)])):
            raise ValueError(f"tools: {name}: cache_control for 1h comes after one for 5m")


def add_cache_breakpoints(request: dict[str, Any], ttl: Literal["5m", "1h"]) -> None:
    """Add breakpoints to a request body. After one of the app for five minutes the API accepts no
    longer ones.

    They go on the last tool, the system prompt, the last user message, where the next call finds
    it, and the one before, where the last call put its own: the provider looks back only some
    twenty blocks.

    Args:
        request: The request body, changed in place.
        ttl: How long the provider keeps the cache.
    """
    tools = [tool for tool in request.get("tools", ()) if not _is_deferred(tool)]
    is_long = ttl == "1h" and not any(map(_is_short, tools))
    # Five minutes is the API's default.
    cache_control = {"type": "ephemeral", **({"ttl": ttl} if is_long else {})}
    # Apps may have put their own on tools.
    left = MAX_BREAKPOINTS - sum("cache_control" in tool for tool in tools)
    if tools and left == MAX_BREAKPOINTS:
        tools[-1]["cache_control"] = cache_control
        left -= 1
    if left and (system := request.get("system")):
        request["system"] = [{"type": "text", "text": system, "cache_control": cache_control}]
        left -= 1
    messages = [message for message in request["messages"] if message["role"] == "user"]
    for message in messages[::-1][: min(left, _USER_MESSAGES)]:
        *blocks, last = message["content"]
        message["content"] = [*blocks, {**last, "cache_control": cache_control}]


def _is_short(tool: Mapping[str, Any]) -> bool:
    """Whether the tool has a breakpoint for five minutes."""
    return "cache_control" in tool and tool["cache_control"].get("ttl", "5m") == "5m"


def _is_deferred(tool: Mapping[str, Any]) -> bool:
    """Whether the tool is not in the prompt yet: there the API refuses a breakpoint."""
    default_config = tool.get("default_config") or {}  # of an MCP server's tools
    return bool(tool.get("defer_loading") or default_config.get("defer_loading"))
