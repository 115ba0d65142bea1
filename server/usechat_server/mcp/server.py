"""MCPServer: the tools of an MCP server, for an agent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Unpack
from urllib.parse import urlsplit

import httpx2
from mcp import MCPError, StdioServerParameters, stdio_client
from mcp.client._transport import TransportStreams
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CONNECTION_CLOSED, INVALID_REQUEST, CallToolResult, Tool

from usechat_server.aio import PerLoop
from usechat_server.mcp.connection import Connection
from usechat_server.mcp.listing import MCPOptions, function_tools, is_idempotent
from usechat_server.tools import FunctionTool, ToolContext, ToolError
from usechat_server.turn import Turn

__all__ = ["MCPOptions", "MCPServer", "mcp_http", "mcp_stdio"]

_log = logging.getLogger("usechat.mcp")

#: Seconds before a server that could not be reached is tried again.
_RETRY = 5.0
#: Seconds that a turn waits for a server.
_WAIT = 10.0


def mcp_stdio(
    command: str,
    *args: str,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    **options: Unpack[MCPOptions],
) -> MCPServer:
    """The tools of an MCP server that runs as a process of its own.

    `env` is added to the few variables that it gets (`PATH`, `HOME`, …). What it writes to stderr
    goes to that of this process.
    """
    told = StdioServerParameters(
        command=command, args=list(args), env=dict(env) if env else None, cwd=cwd
    )
    return MCPServer(Path(command).name, lambda: stdio_client(told), **options)


def mcp_http(
    url: str, *, headers: Mapping[str, str] | None = None, **options: Unpack[MCPOptions]
) -> MCPServer:
    """The tools of an MCP server at a URL (streamable HTTP). `headers` come with every request."""
    # No read timeout: calls have limits of their own.
    timeout = httpx2.Timeout(10.0, read=None)

    @asynccontextmanager
    async def transport() -> AsyncGenerator[TransportStreams]:
        async with (
            httpx2.AsyncClient(headers=headers, timeout=timeout) as client,
            streamable_http_client(url, http_client=client) as streams,
        ):
            yield streams

    return MCPServer(urlsplit(url).hostname or url, transport, **options)


class MCPServer:
    """The tools of an MCP server, as it lists them now. `mcp_stdio` and `mcp_http` make one.

    Each event loop has a connection, opened when it is needed. A server that is not there has no
    tools, and a warning is logged; it is tried again later.
    """

    def __init__(
        self,
        name: str,
        transport: Callable[[], AbstractAsyncContextManager[TransportStreams]],
        /,
        **options: Unpack[MCPOptions],
    ) -> None:
        self.name = options.get("name", name)
        self._transport = transport
        self._options = options
        #: newest last; those before are about to end
        self._connections: PerLoop[list[Connection[tuple[FunctionTool, ...]]]] = PerLoop(list)

    @property
    def asks(self) -> bool:
        """Whether a person may have to approve a call of any of its tools."""
        return self._options.get("needs_approval", False) is not False

    async def tools(self, turn: Turn) -> Sequence[FunctionTool]:
        """The tools that the server has now."""
        tools = await self._connection().tools()
        if tools is None:
            _log.warning("MCP server %s is not there: a turn goes without its tools", self.name)
        return tools or ()

    async def aclose(self) -> None:
        """Ends the connection of the running event loop, and the server's process."""
        connections = self._connections.pop() or []
        await asyncio.gather(*(connection.aclose() for connection in connections))

    def _connection(self) -> Connection[tuple[FunctionTool, ...]]:
        connections = self._connections.get()
        connections[:-1] = [old for old in connections[:-1] if not old.task.done()]
        newest = connections[-1] if connections else None
        if newest is None or (newest.ended is not None and (newest.opened or _is_over(newest))):
            newest = Connection(
                self.name, self._transport, self._made, wait=self._options.get("wait", _WAIT)
            )
            connections.append(newest)
        return newest

    def _made(self, listed: Sequence[Tool]) -> tuple[FunctionTool, ...]:
        return function_tools(listed, self._call, self._options)

    async def _call(
        self, tool: Tool, arguments: dict[str, Any], context: ToolContext
    ) -> CallToolResult:
        """Raises ToolError."""

        async def heard(progress: float, total: float | None, message: str | None) -> None:
            told: dict[str, Any] = {"toolCallId": context.tool_call_id, "progress": progress}
            more = {"total": total, "message": message}
            told |= {key: value for key, value in more.items() if value is not None}
            context.data("tool-progress", told, transient=True)

        tries = 0
        while True:
            tries += 1
            connection = self._connection()
            client = await connection.client()
            if client is None:
                raise ToolError(f"The MCP server {self.name} cannot be reached.")
            try:
                return await client.call_tool(tool.name, arguments, progress_callback=heard)
            except MCPError as error:
                forgotten = (error.code, error.message) == _FORGOTTEN
                if not forgotten and (error.code, error.message) != _LOST:
                    raise ToolError(error.message or "The tool failed.") from None
                connection.drop()
                # A server that forgot its sessions did nothing yet. One that went away may have.
                if tries > 1 or not (forgotten or is_idempotent(tool)):
                    raise ToolError(f"The MCP server {self.name} went away.") from None


#: What the transports say when the server does not know the session any more, and when nobody is
#: there. (The codes alone are used by servers, too.)
_FORGOTTEN = (INVALID_REQUEST, "Session terminated")
_LOST = (CONNECTION_CLOSED, "Connection closed")


def _is_over(connection: Connection[Any]) -> bool:
    now = asyncio.get_running_loop().time()
    return connection.ended is not None and now - connection.ended >= _RETRY
