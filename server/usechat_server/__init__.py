"""The Python backend for React's useChat.

Everything that an application needs is exported here, apart from these modules:
`usechat_server.anthropic` (Claude's tools and options), `usechat_server.openai` (the models and
options of OpenAI's API), `usechat_server.mcp` (MCP servers), `usechat_server.store` (stored chats),
and `ui_message_stream` (the protocol).
"""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from ui_message_stream.versions import ClientVersion

from usechat_server.agent import Agent, NextStep
from usechat_server.app import ChatApp, create_app, create_router
from usechat_server.approvals import Approve, Ask, Deny
from usechat_server.compose import ChatHandler, StreamWriter
from usechat_server.doors.completion import Completion
from usechat_server.doors.object import Object
from usechat_server.doors.sse import RawSSE
from usechat_server.doors.text import Text
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
    TooManyRequests,
    UsechatDeprecationWarning,
)
from usechat_server.http.body import read_turn
from usechat_server.http.respond import respond
from usechat_server.http.response import (
    CompletionStreamResponse,
    NDJSONResponse,
    ObjectStreamResponse,
    RawSSEResponse,
    TextStreamResponse,
    UIMessageStreamResponse,
)
from usechat_server.http.sign_in import UserHook
from usechat_server.loop.spec import StartMetadataHook, StepHook, SystemHook
from usechat_server.message_metadata import timing_metadata, usage_metadata
from usechat_server.providers.base import Model, ModelCall, ModelStream, StepResult
from usechat_server.results import MetadataHook, RunResult, Step, Usage
from usechat_server.runs import ChatCreatedHook, FinishHook, MessageHook
from usechat_server.runs.responder_factory import AgentHook
from usechat_server.settings import Settings
from usechat_server.telemetry.request import RequestIdFilter
from usechat_server.tools import ClientTool, ToolContext, ToolError, tool
from usechat_server.turn import Decision, Turn

if TYPE_CHECKING:
    from usechat_server.http.router import ChatRouter
else:

    def __getattr__(name: str) -> Any:
        # Imported on use: it imports FastAPI where that is installed.
        if name == "ChatRouter":
            from usechat_server.http.router import ChatRouter

            return ChatRouter
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [  # noqa: RUF022
    # an agent and its tools
    "Agent",
    "NextStep",
    "tool",
    "ToolContext",
    "ToolError",
    "ClientTool",
    "Approve",
    "Ask",
    "Deny",
    # an app
    "create_app",
    "create_router",
    "ChatApp",
    "ChatRouter",
    "Settings",
    # routes for other clients than useChat
    "Text",
    "Completion",
    "Object",
    "RawSSE",
    # what hooks and handlers get
    "Turn",
    "Decision",
    "StreamWriter",
    "RunResult",
    "Step",
    "Usage",
    "usage_metadata",
    "timing_metadata",
    "RequestIdFilter",
    # the types of functions that an app passes
    "AgentHook",
    "ChatHandler",
    "UserHook",
    "MessageHook",
    "FinishHook",
    "ChatCreatedHook",
    "StartMetadataHook",
    "SystemHook",
    "StepHook",
    "MetadataHook",
    # routes of one's own
    "respond",
    "read_turn",
    "UIMessageStreamResponse",
    "TextStreamResponse",
    "CompletionStreamResponse",
    "ObjectStreamResponse",
    "RawSSEResponse",
    "NDJSONResponse",
    "ClientVersion",
    # a model of one's own
    "Model",
    "ModelCall",
    "ModelStream",
    "StepResult",
    # errors
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
    "TooManyRequests",
    "StoreUnavailable",
    "UsechatDeprecationWarning",
    "__version__",
]

try:
    #: The version of this distribution; "unknown" where it is not installed.
    __version__ = version("usechat-server")
except PackageNotFoundError:
    __version__ = "unknown"
