"""Tools that the model may call: functions of the app, the page's, the provider's."""

from __future__ import annotations

from usechat_server.errors import InvalidInput, ToolError
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
    "ClientTool",
    "DeclaredTool",
    "DecoratedTool",
    "FunctionTool",
    "InvalidInput",
    "ModelContent",
    "ProviderTool",
    "Tool",
    "ToolContext",
    "ToolError",
    "ToolOptions",
    "ToolOutput",
    "ToolSource",
    "tool",
]
