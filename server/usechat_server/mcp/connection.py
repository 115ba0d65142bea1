"""One connection to an MCP server: opened, listened to and closed by one task of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from typing import Any, Generic, TypeVar

import anyio
from mcp import Client, MCPError
from mcp.client._transport import ReadStream, Transport, TransportStreams
from mcp.client.subscriptions import SubscriptionLost
from mcp.types import Tool, ToolListChangedNotification
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

__all__ = ["Connection"]

_log = logging.getLogger("usechat.mcp")

T = TypeVar("T")

#: Seconds after which a server that does not answer is given up. (Nobody waits that long for it.)
_GIVE_UP = 120.0
#: Seconds that closing may take: a process is asked to end, told to, and killed.
_CLOSING = 10.0
#: Seconds before a subscription that was lost is renewed; doubled each time, up to the longest.
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
#: Pages of a list that never ends.
_MOST_PAGES = 100


class Connection(Generic[T]):
    """A connection to a server, and what is made of its list of tools.

    `wait`: seconds that a caller waits for the server to be there, and for a list that changed. The
    connection goes on without the caller, so that a slow server is there the next time.
    """

    def __init__(
        self,
        name: str,
        transport: Callable[[], Transport],
        made: Callable[[Sequence[Tool]], T],
        *,
        wait: float,
    ) -> None:
        self.name = name
        #: the loop's time when it ended; None while it may be used
        self.ended: float | None = None
        #: whether it ever was there
        self.opened = False
        self._transport = transport
        self._make = made
        self._made: T | None = None
        self._wait = wait
        self._client: Client | None = None
        self._closing = False
        self._stale = True
        self._stale_since = _now()
        #: the list is what the server has, or the connection ended
        self._settled = asyncio.Event()
        #: there is something to do for the task
        self._woken = asyncio.Event()
        # (The spans and other context of the turn that comes first are not the connection's.)
        self.task = asyncio.create_task(self._run(), context=Context())

    async def tools(self) -> T | None:
        """What was made of the list; None if the server is not there."""
        await self._settle()
        return self._made if self._client else None

    async def client(self) -> Client | None:
        """The client; None if the server is not there."""
        if self._client is None:
            await self._settle()
        return self._client

    def drop(self) -> None:
        """Ends it, without waiting for its end."""
        self._end()
        self._closing = True
        self._woken.set()

    async def aclose(self) -> None:
        """Ends it, the server's process too."""
        self._end()
        self.task.cancel()
        await asyncio.wait([self.task], timeout=_CLOSING)

    async def _settle(self) -> None:
        left = self._stale_since + self._wait - _now()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), max(left, 0))

    async def _run(self) -> None:
        try:
            transport = _watched(self._transport(), self.drop)
            client = Client(transport, message_handler=self._heard, cache=None)
            async with asyncio.timeout(_GIVE_UP) as limit, client:
                self._stale = False
                self._made = self._make(await _listed(client))
                limit.reschedule(None)
                self.opened = True
                self._client = client
                if not self._stale:
                    self._settled.set()
                await self._live(client)
                _log.warning("MCP server %s went away", self.name)
        except Exception as error:
            _log.warning("MCP server %s: %s", self.name, _reason(error))
        finally:
            self._end()

    def _end(self) -> None:
        self._client = None
        self._settled.set()
        if self.ended is None:
            self.ended = _now()

    async def _live(self, client: Client) -> None:
        async with anyio.create_task_group() as group:
            if client.protocol_version in MODERN_PROTOCOL_VERSIONS:
                group.start_soon(self._follow, client)
            while not self._closing:
                await self._woken.wait()
                self._woken.clear()
                while self._stale and not self._closing:
                    await self._list_again(client)
                self._settled.set()
            group.cancel_scope.cancel()

    async def _list_again(self, client: Client) -> None:
        self._stale = False
        try:
            async with asyncio.timeout(_GIVE_UP):
                self._made = self._make(await _listed(client))
        except (MCPError, TimeoutError) as error:
            _log.warning("MCP server %s: no new list: %s", self.name, _reason(error))

    async def _follow(self, client: Client) -> None:
        """Hears of changes, from servers that tell only who asks (MCP 2026-07-28)."""
        pause = _FIRST_PAUSE
        while True:
            try:
                async with client.listen(tools_list_changed=True) as changes:
                    # What changed between the first list and now was not told.
                    self._changed()
                    async for _ in changes:
                        self._changed()
            except MCPError as error:
                _log.info("MCP server %s tells no changes: %s", self.name, error)
                return
            except SubscriptionLost:
                pass
            await anyio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _heard(self, message: Any) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._changed()

    def _changed(self) -> None:
        if self.ended is None:
            self._stale = True
            self._stale_since = _now()
            self._settled.clear()
            self._woken.set()


async def _listed(client: Client) -> list[Tool]:
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return tools


@asynccontextmanager
async def _watched(
    transport: Transport, lost: Callable[[], None]
) -> AsyncGenerator[TransportStreams]:
    """The transport, which says when the server's end of it is gone. (The client does not.)"""
    async with transport as (read, write):
        yield _WatchedStream(read, lost), write


class _WatchedStream:
    def __init__(self, stream: ReadStream[Any], lost: Callable[[], None]) -> None:
        self._stream = stream
        self._lost = lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def __aenter__(self) -> _WatchedStream:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> bool | None:
        return await self._stream.__aexit__(*error)

    def __aiter__(self) -> _WatchedStream:
        return self

    async def __anext__(self) -> Any:
        try:
            return await anext(self._stream)
        except (StopAsyncIteration, anyio.ClosedResourceError):
            self._lost()
            raise


def _reason(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


def _now() -> float:
    return asyncio.get_running_loop().time()
