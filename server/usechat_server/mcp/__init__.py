"""The tools of MCP servers, as dynamic tools (`pip install 'usechat-server[mcp]'`).

Agent(model, tools=[weather, mcp_stdio("uvx", "mcp-server-time"), mcp_http("https://…/mcp")])
"""

from __future__ import annotations

try:
    from usechat_server.mcp.listing import MCPOptions
    from usechat_server.mcp.server import MCPServer, mcp_http, mcp_stdio
except ModuleNotFoundError as _error:
    if _error.name not in ("mcp", "mcp.types", "jsonschema", "jsonschema.exceptions"):
        raise
    raise ModuleNotFoundError(
        "usechat_server.mcp requires more packages: pip install 'usechat-server[mcp]'",
        name=_error.name,
    ) from None

__all__ = ["MCPOptions", "MCPServer", "mcp_http", "mcp_stdio"]
