"""`MCPServer`: the tools of an MCP server, for an agent."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Unpack
from urllib.parse import urlsplit

import httpx2
from mcp import MCPError, StdioServerParameters, stdio_client
from mcp.client._transport import TransportStreams
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CONNECTION_CLOSED, INVALID_REQUEST, CallToolResult, Tool

from usechat_server.aio import PerLoop, call_hook
from usechat_server.errors import log_text
from usechat_server.mcp.connection import Connection
from usechat_server.mcp.connections import Connections, checked_headers
from usechat_server.mcp.listing import MCPOptions, function_tools, is_idempotent
from usechat_server.tools import FunctionTool, ToolContext, ToolError
from usechat_server.turn import Turn

__all__ = ["MCPOptions", "MCPServer", "mcp_http", "mcp_stdio"]

_log = logging.getLogger("usechat.mcp")

#: Seconds that a turn waits for a server, by default.
_WAIT_SECONDS = 10.0

#: Returns the headers of the requests for a turn. A sync function runs in a thread.
HeadersHook = Callable[[Turn], Mapping[str, str] | Awaitable[Mapping[str, str]]]


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
    return MCPServer(Path(command).name, lambda _: stdio_client(parameters), **options)


def mcp_http(
    url: str,
    *,
    headers: Mapping[str, str] | HeadersHook | None = None,
    **options: Unpack[MCPOptions],
) -> MCPServer:
    """Return the tools of an MCP server at a URL (streamable HTTP).

    Args:
        url: The URL.
        headers: Headers of every request; or a function, sync or async, that returns those for a
            turn, such as the user's own token. Turns with the same headers share a connection.
        options: See `MCPOptions`.

    Returns:
        A source of tools for `Agent(tools=[…])`.
    """
    # No read timeout: calls have their own time limits.
    timeout = httpx2.Timeout(10.0, read=None)

    @asynccontextmanager
    async def transport(headers: Mapping[str, str]) -> AsyncGenerator[TransportStreams]:
        async with (
            httpx2.AsyncClient(headers=headers, timeout=timeout) as client,
            streamable_http_client(url, http_client=client) as streams,
        ):
            yield streams

    return MCPServer(urlsplit(url).hostname or url, transport, headers, **options)


class MCPServer:
    """The tools that an MCP server currently lists. `mcp_stdio` and `mcp_http` create one.

    Each event loop has a connection, or one for each set of headers, which is opened on first use.
    While the server is unavailable it has no tools, and a warning is logged.

    Args:
        name: The server's name for the log, unless the options have one.
        transport: Opens a connection to the server, with headers.
        headers: The headers, or a function that returns those for a turn.
        options: See `MCPOptions`.
    """

    def __init__(
        self,
        name: str,
        transport: Callable[[Mapping[str, str]], AbstractAsyncContextManager[TransportStreams]],
        headers: Mapping[str, str] | HeadersHook | None = None,
        /,
        **options: Unpack[MCPOptions],
    ) -> None:
        self.name: str = options.get("name", name)
        self._headers = headers or {}
        self._options = options
        self._connections = PerLoop(
            lambda: Connections(
                self.name,
                transport,
                self._to_function_tools,
                wait=options.get("wait", _WAIT_SECONDS),
                close_idle=callable(headers),
            )
        )

    @property
    def may_require_approval(self) -> bool:
        """Whether the user may have to approve a call of one of its tools."""
        return self._options.get("needs_approval", False) is not False

    async def tools(self, turn: Turn) -> Sequence[FunctionTool]:
        """Return the server's current tools; none while it is unavailable.

        Args:
            turn: The turn that they are for.
        """
        connection = await self._connection(turn)
        tools = None if connection is None else await connection.tools()
        if tools is None:
            _log.warning("MCP server %s unavailable; running the turn without its tools", self.name)
        return tools or ()

    async def aclose(self) -> None:
        """Close the connections of the running event loop, and end the server's process."""
        if (connections := self._connections.pop()) is not None:
            await connections.aclose()

    async def _connection(self, turn: Turn) -> Connection[tuple[FunctionTool, ...]] | None:
        """Return the connection for a turn; None if its headers cannot be told."""
        try:
            headers = self._headers
            if callable(headers):
                headers = await call_hook(headers, turn)
            return self._connections.get().get(checked_headers(headers))
        except Exception:
            _log.exception("MCP server %s: headers= failed", self.name)
            return None

    def _to_function_tools(self, tools: Sequence[Tool]) -> tuple[FunctionTool, ...]:
        return function_tools(tools, self._call, self._options)

    async def _call(
        self, tool: Tool, arguments: dict[str, Any], context: ToolContext
    ) -> CallToolResult:
        """Call a tool of the server.

        Raises:
            ToolError: The call failed, for whatever reason: nothing in it is this server's code.
        """

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            data: dict[str, Any] = {"toolCallId": context.tool_call_id, "progress": progress}
            optional = {"total": total, "message": message}
            data |= {key: value for key, value in optional.items() if value is not None}
            context.data("tool-progress", data, transient=True)

        attempts = 0
        while True:
            attempts += 1
            connection = await self._connection(context.turn)
            client = None if connection is None else await connection.client()
            if connection is None or client is None:
                raise ToolError(f"The MCP server {self.name} is unavailable.")
            try:
                with connection.in_use():
                    return await client.call_tool(
                        tool.name, arguments, progress_callback=on_progress
                    )
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
            except Exception as error:
                # Such as a result that is none, or a question to the user, which is not supported.
                _log.warning(
                    "MCP server %s: the call of %s failed: %s",
                    self.name,
                    log_text(tool.name),
                    log_text(repr(error)),
                )
                raise ToolError(
                    f"The MCP server {self.name} sent a result that cannot be used."
                ) from None


#: Errors of the transports: the server does not know the session any more; the connection is
#: closed. (Servers use the same codes with other messages.)
_SESSION_LOST = (INVALID_REQUEST, "Session terminated")
_CONNECTION_LOST = (CONNECTION_CLOSED, "Connection closed")
