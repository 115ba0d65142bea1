"""Claude: the model, its options, and the tools that Anthropic executes."""

from usechat_server.providers.anthropic.memory_tool import memory
from usechat_server.providers.anthropic.model import AnthropicModel
from usechat_server.providers.anthropic.options import AnthropicOptions
from usechat_server.providers.anthropic.tools import (
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
