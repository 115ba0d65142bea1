"""Opens connections, and keeps idle ones for the next request to the same server."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import NamedTuple

import aiohappyeyeballs
import httpx2

from usechat_server.providers.transport.connection import Connection

__all__ = ["Origin", "Pool"]

#: Seconds that an idle connection is kept: the next turn then needs no TLS handshake.
_KEEP_ALIVE = 60.0
#: Seconds until the next address of a server is tried beside the first one (RFC 8305).
_NEXT_ADDRESS_DELAY = 0.25
#: Seconds without traffic after which the peer is probed, and between two probes: a connection
#: whose network is gone is found even while a model thinks for minutes.
_PROBE_SECONDS = 60
_PROBES = 5


class Origin(NamedTuple):
    """What connections of one server have in common."""

    host: str
    port: int
    #: the name that the certificate must have; None: no TLS
    server_name: str | None


class Pool:
    """The connections of one event loop."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._idle: dict[Origin, list[Connection]] = {}
        self._expiries: dict[Connection, asyncio.TimerHandle] = {}
        self._open: set[Connection] = set()

    async def acquire(self, origin: Origin) -> Connection:
        """Return an idle connection, or open one.

        Raises:
            httpx2.ConnectError: None of the server's addresses could be reached, or its
                certificate was refused.
        """
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()  # the newest one: the server is least likely to close it now
            self._expiries.pop(connection).cancel()
            if connection.is_open:
                return connection
        return await self._connect(origin)

    def release(self, origin: Origin, connection: Connection) -> None:
        """Take back a connection whose response was read, or break it off."""
        if connection.end_exchange():
            loop = asyncio.get_running_loop()
            self._idle.setdefault(origin, []).append(connection)
            self._expiries[connection] = loop.call_later(_KEEP_ALIVE, connection.abort)

    def close(self) -> None:
        """Close all connections, those in use too."""
        for connection in list(self._open):
            connection.abort()

    async def _connect(self, origin: Origin) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            addresses = await loop.getaddrinfo(
                origin.host, origin.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
            )
            # uvloop's own `create_connection` does not race the addresses.
            sock = await aiohappyeyeballs.start_connection(
                addresses, happy_eyeballs_delay=_NEXT_ADDRESS_DELAY, loop=loop
            )
            connection = Connection(sock, self._remove)
            try:
                _set_options(sock)
                tls = None if origin.server_name is None else self._tls
                await loop.create_connection(
                    lambda: connection, sock=sock, ssl=tls, server_hostname=origin.server_name
                )
            except BaseException:
                sock.close()
                raise
        except OSError as error:  # ssl.SSLError too
            raise httpx2.ConnectError(str(error) or type(error).__name__) from error
        self._open.add(connection)
        return connection

    def _remove(self, connection: Connection) -> None:
        self._open.discard(connection)
        if (expiry := self._expiries.pop(connection, None)) is None:
            return
        expiry.cancel()
        for origin, idle in list(self._idle.items()):
            if connection in idle:
                idle.remove(connection)
            if not idle:
                del self._idle[origin]


def _set_options(sock: socket.socket) -> None:
    """Send small writes at once, and probe a silent peer. Source: `DefaultAsyncHttpxClient` of the
    anthropic SDK."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # macOS calls the idle time TCP_KEEPALIVE.
    idle = getattr(socket, "TCP_KEEPIDLE", None) or getattr(socket, "TCP_KEEPALIVE", None)
    for option, value in (
        (idle, _PROBE_SECONDS),
        (getattr(socket, "TCP_KEEPINTVL", None), _PROBE_SECONDS),
        (getattr(socket, "TCP_KEEPCNT", None), _PROBES),
    ):
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
