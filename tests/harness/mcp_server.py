"""An MCP server: `python mcp_server.py` serves over stdio, `app` over streamable HTTP."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, EmbeddedResource, TextResourceContents, ToolAnnotations

#: A file; the server does not respond before it exists.
STARTS_WITH = os.environ.get("MCP_STARTS_WITH")

#: A PNG of one pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)

server = MCPServer("testing")
#: the cancelled calls
cancelled: list[str] = []
waiting: set[str] = set()


@server.tool(
    title="Echo",
    annotations=ToolAnnotations(read_only_hint=True),
    meta={"com.example/tier": "free"},
)
def echo(text: str) -> str:
    """Says it again."""
    return text


@server.tool()
def add(a: int, b: int) -> dict[str, int]:
    """The sum."""
    return {"sum": a + b}


@server.tool(name="pictures.show", structured_output=False)
def show() -> list[object]:
    contents = TextResourceContents(uri="note://1", text="A note.")
    return ["A pixel:", Image(data=PNG, format="png"), EmbeddedResource(resource=contents)]


@server.tool()
def fail() -> str:
    raise ToolError("The printer is on fire.")


@server.tool()
def structured() -> CallToolResult:
    """A result without words, and with a key that kills pages."""
    return CallToolResult(content=[], structured_content={"__proto__": {"a": 1}, "fine": 1})


@server.tool()
async def grow(ctx: Context) -> str:
    """From now on there is one more tool."""
    server.add_tool(lambda: "grown", name="grown", description="New.")
    await ctx.session.send_tool_list_changed()
    await ctx.notify_tools_changed()
    return "done"


@server.tool()
async def work(ctx: Context) -> str:
    await ctx.report_progress(1, 2, "half of it")
    return "worked"


@server.tool()
async def hang(name: str) -> str:
    """Works until it is cancelled."""
    waiting.add(name)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        cancelled.append(name)
        raise
    return ""


@server.tool()
def state() -> dict[str, Any]:
    return {"waiting": sorted(waiting), "cancelled": cancelled, "pid": os.getpid()}


@server.tool()
def die() -> str:
    os._exit(3)


app = server.streamable_http_app()

if __name__ == "__main__":
    if STARTS_WITH:
        import time

        while not Path(STARTS_WITH).exists():
            time.sleep(0.02)
    sys.stderr.write("an MCP server runs\n")
    server.run("stdio")
