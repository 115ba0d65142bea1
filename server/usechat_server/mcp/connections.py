"""The connections to an MCP server in one event loop: one for each set of headers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Generic, TypeVar

from mcp.client._transport import TransportStreams
from mcp.types import Tool

from usechat_server.mcp.connection import Connection

__all__ = ["Connections", "checked_headers"]

ToolsT = TypeVar("ToolsT")

#: Seconds before the next attempt to connect to a server.
_RETRY_SECONDS = 5.0
#: Connections with different headers that are open at the same time, and the seconds after which
#: one that no turn has used is closed.
_MAX_CONNECTIONS = 100
_IDLE_SECONDS = 300.0

#: Headers as a key.
Headers = tuple[tuple[str, str], ...]


def checked_headers(headers: Mapping[str, str]) -> Headers:
    """Return headers as a key.

    Raises:
        ValueError: A value has control characters. It is not in the text: it may be a secret.
    """
    for name, value in headers.items():
        if not value.isprintable():
            raise ValueError(f"header {name}: expected a value without control characters")
    return tuple(sorted(headers.items()))


class Connections(Generic[ToolsT]):
    """Opens connections as they are needed, and again when they have ended.

    Args:
        name: Name of the server, for the log.
        transport: Opens a transport with headers.
        convert: Converts the list of tools.
        wait: Seconds that a caller waits for a connection.
        close_idle: Whether to close what no turn has used for some time.
    """

    def __init__(
        self,
        name: str,
        transport: Callable[[Mapping[str, str]], AbstractAsyncContextManager[TransportStreams]],
        convert: Callable[[Sequence[Tool]], ToolsT],
        *,
        wait: float,
        close_idle: bool,
    ) -> None:
        self._name = name
        self._transport = transport
        self._convert = convert
        self._wait = wait
        self._close_idle = close_idle
        #: the current connection of each set of headers; the one that was used last comes last
        self._current: dict[Headers, Connection[ToolsT]] = {}
        #: what is being closed
        self._closing: set[Connection[ToolsT]] = set()

    def get(self, headers: Headers) -> Connection[ToolsT]:
        """Return the connection with these headers, which may not be open yet."""
        connection = self._current.pop(headers, None)
        if connection is not None and _may_open_again(connection):
            self._drop(connection)
            connection = None
        if connection is None:
            connection = Connection(
                self._name,
                partial(self._transport, dict(headers)),
                self._convert,
                wait=self._wait,
            )
        connection.last_used = _now()
        self._current[headers] = connection
        if self._close_idle:
            self._drop_idle()
        return connection

    async def aclose(self) -> None:
        """Close all connections."""
        connections = [*self._current.values(), *self._closing]
        await asyncio.gather(*(connection.aclose() for connection in connections))

    def _drop_idle(self) -> None:
        oldest_first = list(self._current.items())[:-1]
        excess = len(self._current) - _MAX_CONNECTIONS
        for index, (headers, connection) in enumerate(oldest_first):
            is_idle = _now() - connection.last_used >= _IDLE_SECONDS or index < excess
            if is_idle and not connection.users:
                self._drop(self._current.pop(headers))

    def _drop(self, connection: Connection[ToolsT]) -> None:
        connection.drop()
        self._closing.add(connection)
        connection.task.add_done_callback(lambda _: self._closing.discard(connection))


def _may_open_again(connection: Connection[ToolsT]) -> bool:
    ended = connection.ended
    return ended is not None and (connection.opened or _now() - ended >= _RETRY_SECONDS)


def _now() -> float:
    return asyncio.get_running_loop().time()
