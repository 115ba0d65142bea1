"""Tools that the model may call: functions of the app, client tools and provider tools."""

from __future__ import annotations

from usechat_server.errors import InvalidInput, ToolError
from usechat_server.tools.approval_policy import (
    ApprovalPolicy,
    Approve,
    Ask,
    Deny,
    NeedsApproval,
)
from usechat_server.tools.base import (
    ClientTool,
    DeclaredTool,
    FunctionTool,
    ProviderTool,
    Tool,
    ToolSource,
)
from usechat_server.tools.context import ToolContext
from usechat_server.tools.decorator import DecoratedTool, ToolOptions, tool
from usechat_server.tools.outputs import ModelContent, ToolOutput

__all__ = [
    "ApprovalPolicy",
    "Approve",
    "Ask",
    "ClientTool",
    "DeclaredTool",
    "DecoratedTool",
    "Deny",
    "FunctionTool",
    "InvalidInput",
    "ModelContent",
    "NeedsApproval",
    "ProviderTool",
    "Tool",
    "ToolContext",
    "ToolError",
    "ToolOptions",
    "ToolOutput",
    "ToolSource",
    "tool",
]
