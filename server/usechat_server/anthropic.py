"""What an agent on Claude is set up with: the model, its options, the provider's own tools."""

from usechat_server.models.anthropic.memory import memory
from usechat_server.models.anthropic.model import AnthropicModel
from usechat_server.models.anthropic.options import AnthropicOptions
from usechat_server.models.anthropic.server_tools import (
    AnthropicTool,
    advisor,
    code_execution,
    mcp_server,
    tool_search,
    web_fetch,
    web_search,
)

__all__ = [
    "AnthropicModel",
    "AnthropicOptions",
    "AnthropicTool",
    "advisor",
    "code_execution",
    "mcp_server",
    "memory",
    "tool_search",
    "web_fetch",
    "web_search",
]
