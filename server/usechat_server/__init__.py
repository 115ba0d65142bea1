"""The Python backend for React's useChat."""

from usechat_server.agent import Agent, NextStep
from usechat_server.app import ChatApp, create_app
from usechat_server.compose import StreamWriter
from usechat_server.errors import ChatError
from usechat_server.http.body import read_turn
from usechat_server.http.response import UIMessageStreamResponse
from usechat_server.settings import Settings
from usechat_server.tools import ClientTool, ToolContext, ToolError, tool
from usechat_server.turn import Turn

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
    "ChatError",
    "UIMessageStreamResponse",
    "read_turn",
]
