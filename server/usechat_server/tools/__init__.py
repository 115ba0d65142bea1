"""Tools that the model may call: functions of the app, the page's, the provider's."""

from __future__ import annotations

from usechat_server.tools.base import ClientTool, DeclaredTool, ProviderTool
from usechat_server.tools.content import ModelContent
from usechat_server.tools.context import ToolContext
from usechat_server.tools.decorator import DecoratedTool, ToolOptions, tool
from usechat_server.tools.errors import InvalidInput, ToolError
from usechat_server.tools.function_tool import FunctionTool
from usechat_server.tools.outputs import ToolOutput
from usechat_server.tools.source import Tool, ToolSource

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
