"""The Python backend for React's useChat."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from usechat_server.agent import Agent as Agent
    from usechat_server.agent import NextStep as NextStep
    from usechat_server.app import ChatApp as ChatApp
    from usechat_server.app import create_app as create_app
    from usechat_server.compose import StreamWriter as StreamWriter
    from usechat_server.errors import BadRequest as BadRequest
    from usechat_server.http.body import read_turn as read_turn
    from usechat_server.http.response import UIMessageStreamResponse as UIMessageStreamResponse
    from usechat_server.settings import Settings as Settings
    from usechat_server.tools import ClientTool as ClientTool
    from usechat_server.tools import ToolContext as ToolContext
    from usechat_server.tools import ToolError as ToolError
    from usechat_server.tools import tool as tool
    from usechat_server.turn import Turn as Turn

#: Loaded on first use, so that taking one name brings no more than it needs.
_HOMES = {
    "Agent": "agent",
    "BadRequest": "providers.base",
    "ChatApp": "app",
    "ClientTool": "tools",
    "NextStep": "agent",
    "Settings": "settings",
    "StreamWriter": "compose",
    "ToolContext": "tools",
    "ToolError": "tools",
    "Turn": "turn",
    "UIMessageStreamResponse": "http.response",
    "create_app": "app",
    "read_turn": "own_route",
    "tool": "tools",
}

__all__ = [  # noqa: RUF022
    "Agent",
    "tool",
    "ToolContext",
    "ToolError",
    "ClientTool",
    "NextStep",
    "create_app",
    "ChatApp",
    "Settings",
    "Turn",
    "StreamWriter",
    "BadRequest",
    "UIMessageStreamResponse",
    "read_turn",
]

if not TYPE_CHECKING:  # to a type checker every name would be there

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
