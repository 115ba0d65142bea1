"""Prompt caching: where a request asks the provider to cache its beginning.

The provider caches what comes before a breakpoint (tools, system prompt and messages, in this
order) and charges a tenth for what it finds again. Below a size that depends on the model a
breakpoint neither costs nor does anything. Source: the API's page on prompt caching.
"""

from __future__ import annotations

from typing import Any, Literal

__all__ = ["add_cache_breakpoints"]

#: The most that a request may have: the last tool, the system prompt, and two user messages.
MAX_BREAKPOINTS = 4
_USER_MESSAGES = 2


def add_cache_breakpoints(request: dict[str, Any], ttl: Literal["5m", "1h"]) -> None:
    """Add breakpoints to a request body.

    They go on the last tool, the system prompt, the last user message, where the next call finds
    it, and the one before, where the last call put its own: the provider looks back only some
    twenty blocks.

    Args:
        request: The request body, changed in place.
        ttl: How long the provider keeps the cache.
    """
    # Five minutes is the API's default.
    cache_control = {"type": "ephemeral", **({"ttl": ttl} if ttl == "1h" else {})}
    tools = [tool for tool in request.get("tools", ()) if not _is_deferred(tool)]
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


def _is_deferred(tool: dict[str, Any]) -> bool:
    """Whether the tool is not in the prompt yet: there the API refuses a breakpoint."""
    default_config = tool.get("default_config") or {}  # of an MCP server's tools
    return bool(tool.get("defer_loading") or default_config.get("defer_loading"))
