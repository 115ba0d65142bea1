"""One connection to an MCP server, opened, used and closed by a task of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import Context
from typing import Any, Generic, TypeVar

import anyio
from mcp import Client, MCPError
from mcp.client._transport import ReadStream, Transport, TransportStreams
from mcp.client.subscriptions import SubscriptionLost
from mcp.types import CallToolResult, Tool, ToolListChangedNotification
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from usechat_server.aio import backoff
from usechat_server.errors import log_text
from usechat_server.mcp.listing import list_tools

__all__ = ["Connection"]

_log = logging.getLogger("usechat.mcp")

ToolsT = TypeVar("ToolsT")

#: Seconds after which the task gives up on a server that does not respond. Turns wait less.
_RESPONSE_TIMEOUT = 120.0
#: Seconds that closing may take: stdin of a process is closed, then it is terminated, then killed.
_CLOSE_TIMEOUT = 10.0
#: Seconds before a lost subscription is renewed, doubled each time up to the longest pause.
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


class Connection(Generic[ToolsT]):
    """A connection to a server, with the current list of its tools.

    Args:
        name: Name of the server, for the log.
        transport: Opens the transport.
        convert: Converts the list of tools to what `tools` returns.
        wait: Seconds that a caller waits for the connection, or for a changed list. Connecting goes
            on after that, so that a slow server is connected for the next turn.
    """

    def __init__(
        self,
        name: str,
        transport: Callable[[], Transport],
        convert: Callable[[Sequence[Tool]], ToolsT],
        *,
        wait: float,
    ) -> None:
        self.name = name
        #: the loop's time when the connection ended; None: it has not
        self.ended: float | None = None
        #: whether the server ever was connected
        self.opened: bool = False
        #: turns and calls that use it now, and the loop's time when it was last asked for
        self.users: int = 0
        self.last_used: float = 0.0
        self._transport = transport
        self._convert = convert
        self._tools: ToolsT | None = None
        self._wait = wait
        self._client: Client | None = None
        self._closing = False
        self._stale = True
        self._stale_since = _now()
        #: set while the list is current, and when the connection has ended
        self._ready = asyncio.Event()
        #: set when there is something to do for the task
        self._wake = asyncio.Event()
        # In an empty context: the spans and other context variables of the first turn do not apply.
        self.task: asyncio.Task[None] = asyncio.create_task(self._run(), context=Context())

    async def tools(self) -> ToolsT | None:
        """Return the converted list of tools, or None if the server is unavailable."""
        with self.in_use():
            await self._wait_until_ready()
        return self._tools if self._client else None

    async def client(self) -> Client | None:
        """Return the client, or None if the server is unavailable."""
        if self._client is None:
            with self.in_use():
                await self._wait_until_ready()
        return self._client

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Count one more user of the connection."""
        self.users += 1
        try:
            yield
        finally:
            self.users -= 1

    def drop(self) -> None:
        """Start closing the connection, without waiting."""
        self._end()
        self._closing = True
        self._wake.set()

    async def aclose(self) -> None:
        """Close the connection, and end the server's process."""
        self._end()
        self.task.cancel()
        await asyncio.wait([self.task], timeout=_CLOSE_TIMEOUT)

    async def _wait_until_ready(self) -> None:
        remaining = self._stale_since + self._wait - _now()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), max(remaining, 0))

    async def _run(self) -> None:
        try:
            transport = _with_end_callback(self._transport(), self.drop)
            client = Client(transport, message_handler=self._handle_message, cache=None)
            async with asyncio.timeout(_RESPONSE_TIMEOUT) as limit, client:
                # A result is the server's word. One that does not fit its output schema would be
                # lost, and checking it may take forever: its schema may have any pattern.
                client.session.validate_tool_result = _accept  # type: ignore[method-assign]
                self._stale = False
                self._tools = self._convert(await list_tools(client))
                limit.reschedule(None)
                self.opened = True
                self._client = client
                if not self._stale:
                    self._ready.set()
                await self._stay_connected(client)
                _log.warning("MCP server %s closed the connection", self.name)
        except Exception as error:
            _log.warning("MCP server %s: %s", self.name, _reason(error))
        finally:
            self._end()

    def _end(self) -> None:
        self._client = None
        self._ready.set()
        if self.ended is None:
            self.ended = _now()

    async def _stay_connected(self, client: Client) -> None:
        async with anyio.create_task_group() as group:
            if client.protocol_version in MODERN_PROTOCOL_VERSIONS:
                group.start_soon(self._subscribe, client)
            while not self._closing:
                await self._wake.wait()
                self._wake.clear()
                while self._stale and not self._closing:
                    await self._refresh(client)
                self._ready.set()
            group.cancel_scope.cancel()

    async def _refresh(self, client: Client) -> None:
        self._stale = False
        try:
            async with asyncio.timeout(_RESPONSE_TIMEOUT):
                self._tools = self._convert(await list_tools(client))
        except Exception as error:
            _log.warning("MCP server %s: cannot list its tools: %s", self.name, _reason(error))

    async def _subscribe(self, client: Client) -> None:
        """Subscribe to changes of the list, as servers from MCP 2026-07-28 on require."""
        for pause in backoff(_FIRST_PAUSE, _LONGEST_PAUSE):
            try:
                async with client.listen(tools_list_changed=True) as changes:
                    # Changes between the first list and the subscription were not reported.
                    self._mark_stale()
                    async for _ in changes:
                        self._mark_stale()
            except MCPError as error:
                _log.info(
                    "MCP server %s does not report changes of its tools: %s", self.name, error
                )
                return
            except SubscriptionLost:
                pass
            await anyio.sleep(pause)

    async def _handle_message(self, message: Any) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._mark_stale()

    def _mark_stale(self) -> None:
        if self.ended is None:
            self._stale = True
            self._stale_since = _now()
            self._ready.clear()
            self._wake.set()


@asynccontextmanager
async def _with_end_callback(
    transport: Transport, on_end: Callable[[], None]
) -> AsyncGenerator[TransportStreams]:
    """Open a transport that reports when the server's end is closed, which the client does not."""
    async with transport as (read, write):
        yield _StreamWithEndCallback(read, on_end), write


class _StreamWithEndCallback:
    def __init__(self, stream: ReadStream[Any], on_end: Callable[[], None]) -> None:
        self._stream = stream
        self._on_end = on_end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def __aenter__(self) -> _StreamWithEndCallback:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> bool | None:
        return await self._stream.__aexit__(*error)

    def __aiter__(self) -> _StreamWithEndCallback:
        return self

    async def __anext__(self) -> Any:
        try:
            return await anext(self._stream)
        except (StopAsyncIteration, anyio.ClosedResourceError):
            self._on_end()
            raise


async def _accept(name: str, result: CallToolResult) -> None:
    """Accept any result."""


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return log_text(str(error) or type(error).__name__)


def _now() -> float:
    return asyncio.get_running_loop().time()
