"""The Python backend for React's useChat."""

from usechat_server.agent import Agent, NextStep
from usechat_server.app import ChatApp, create_app, create_router
from usechat_server.compose import StreamWriter
from usechat_server.errors import (
    ChatConflict,
    ChatError,
    ChatNotFound,
    Forbidden,
    InvalidRequest,
    ModelError,
    NotSignedIn,
    PayloadTooLarge,
    RequestTimeout,
    ServiceUnavailable,
    StoreUnavailable,
)
from usechat_server.http.body import read_turn
from usechat_server.http.response import UIMessageStreamResponse
from usechat_server.results import RunResult
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
    "create_router",
    "ChatApp",
    "Settings",
    "Turn",
    "RunResult",
    "StreamWriter",
    "ModelError",
    "ChatError",
    "InvalidRequest",
    "NotSignedIn",
    "Forbidden",
    "ChatNotFound",
    "RequestTimeout",
    "ChatConflict",
    "PayloadTooLarge",
    "ServiceUnavailable",
    "StoreUnavailable",
    "UIMessageStreamResponse",
    "read_turn",
]
