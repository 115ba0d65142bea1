"""`MCPServer`: the tools of an MCP server, for an agent."""

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

#: Seconds before the next attempt to connect to a server.
_RETRY_SECONDS = 5.0
#: Seconds that a turn waits for a server, by default.
_WAIT_SECONDS = 10.0


def mcp_stdio(
    command: str,
    *args: str,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
    **options: Unpack[MCPOptions],
) -> MCPServer:
    """Return the tools of an MCP server that runs as a process of its own.

    Args:
        command: The program.
        args: Its arguments.
        env: Environment variables, added to the few that it inherits (`PATH`, `HOME`, …).
        cwd: Its working directory; by default that of this process.
        options: See `MCPOptions`.

    Returns:
        A source of tools for `Agent(tools=[…])`.
    """
    parameters = StdioServerParameters(
        command=command, args=list(args), env=dict(env) if env else None, cwd=cwd
    )
    return MCPServer(Path(command).name, lambda: stdio_client(parameters), **options)


def mcp_http(
    url: str, *, headers: Mapping[str, str] | None = None, **options: Unpack[MCPOptions]
) -> MCPServer:
    """Return the tools of an MCP server at a URL (streamable HTTP).

    Args:
        url: The URL.
        headers: Headers of every request.
        options: See `MCPOptions`.

    Returns:
        A source of tools for `Agent(tools=[…])`.
    """
    # No read timeout: calls have their own time limits.
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
    """The tools that an MCP server currently lists. `mcp_stdio` and `mcp_http` create one.

    Each event loop has a connection, which is opened on first use. While the server is unavailable
    it has no tools, and a warning is logged.

    Args:
        name: The server's name for the log, unless the options have one.
        transport: Opens a connection to the server.
        options: See `MCPOptions`.
    """

    def __init__(
        self,
        name: str,
        transport: Callable[[], AbstractAsyncContextManager[TransportStreams]],
        /,
        **options: Unpack[MCPOptions],
    ) -> None:
        self.name: str = options.get("name", name)
        self._transport = transport
        self._options = options
        #: newest last; the others are closing
        self._connections: PerLoop[list[Connection[tuple[FunctionTool, ...]]]] = PerLoop(list)

    @property
    def may_require_approval(self) -> bool:
        """Whether the user may have to approve a call of one of its tools."""
        return self._options.get("needs_approval", False) is not False

    async def tools(self, turn: Turn) -> Sequence[FunctionTool]:
        """Return the server's current tools; none while it is unavailable.

        Args:
            turn: The turn that they are for.
        """
        tools = await self._connection().tools()
        if tools is None:
            _log.warning("MCP server %s unavailable; running the turn without its tools", self.name)
        return tools or ()

    async def aclose(self) -> None:
        """Close the connection of the running event loop, and end the server's process."""
        connections = self._connections.pop() or []
        await asyncio.gather(*(connection.aclose() for connection in connections))

    def _connection(self) -> Connection[tuple[FunctionTool, ...]]:
        connections = self._connections.get()
        connections[:-1] = [old for old in connections[:-1] if not old.task.done()]
        newest = connections[-1] if connections else None
        if newest is None or (newest.ended is not None and (newest.opened or _may_retry(newest))):
            newest = Connection(
                self.name,
                self._transport,
                self._to_function_tools,
                wait=self._options.get("wait", _WAIT_SECONDS),
            )
            connections.append(newest)
        return newest

    def _to_function_tools(self, tools: Sequence[Tool]) -> tuple[FunctionTool, ...]:
        return function_tools(tools, self._call, self._options)

    async def _call(
        self, tool: Tool, arguments: dict[str, Any], context: ToolContext
    ) -> CallToolResult:
        """Call a tool of the server. Raises ToolError."""

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            data: dict[str, Any] = {"toolCallId": context.tool_call_id, "progress": progress}
            optional = {"total": total, "message": message}
            data |= {key: value for key, value in optional.items() if value is not None}
            context.data("tool-progress", data, transient=True)

        attempts = 0
        while True:
            attempts += 1
            connection = self._connection()
            client = await connection.client()
            if client is None:
                raise ToolError(f"The MCP server {self.name} is unavailable.")
            try:
                return await client.call_tool(tool.name, arguments, progress_callback=on_progress)
            except MCPError as error:
                session_lost = (error.code, error.message) == _SESSION_LOST
                if not session_lost and (error.code, error.message) != _CONNECTION_LOST:
                    raise ToolError(error.message or "The tool failed.") from None
                connection.drop()
                # A server that does not know the session did not run the call; one whose connection
                # was lost may have.
                if attempts > 1 or not (session_lost or is_idempotent(tool)):
                    raise ToolError(
                        f"The connection to the MCP server {self.name} was lost."
                    ) from None


#: Errors of the transports: the server does not know the session any more; the connection is
#: closed. (Servers use the same codes with other messages.)
_SESSION_LOST = (INVALID_REQUEST, "Session terminated")
_CONNECTION_LOST = (CONNECTION_CLOSED, "Connection closed")


def _may_retry(connection: Connection[Any]) -> bool:
    now = asyncio.get_running_loop().time()
    return connection.ended is not None and now - connection.ended >= _RETRY_SECONDS
