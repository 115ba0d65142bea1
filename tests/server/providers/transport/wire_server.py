"""A server on a loopback port that answers with bytes as they are."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
from usechat_server.providers.transport import Transport


class Exchange:
    """One connection, as the server sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        #: the heads of the requests so far
        self.requests: list[bytes] = []

    async def request(self) -> bytes:
        """Read a request with its body, and return the body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        if b"chunked" in head:
            body = b""
            while size := int(await self.reader.readline(), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readexactly(2)
            return body
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return await self.reader.readexactly(int(length or 0))

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def wait_closed(self) -> None:
        """Wait until the client has closed the connection."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        self.writer.transport.abort()


Script = Callable[[Exchange], Awaitable[None]]


class WireServer:
    def __init__(self, url: str, exchanges: list[Exchange]) -> None:
        self.url = url
        #: the connections so far
        self.exchanges = exchanges


@asynccontextmanager
async def serve(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[WireServer]:
    """Run the script for each connection; what it raises fails the test."""
    exchanges: list[Exchange] = []
    tasks: set[asyncio.Task[None]] = set()

    async def run(exchange: Exchange) -> None:
        try:
            await script(exchange)
        finally:
            exchange.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        exchange = Exchange(reader, writer)
        exchanges.append(exchange)
        tasks.add(asyncio.create_task(run(exchange)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls, limit=2**20)
    port = server.sockets[0].getsockname()[1]
    scheme = "http" if tls is None else "https"
    host = "127.0.0.1" if tls is None else "localhost"
    try:
        yield WireServer(f"{scheme}://{host}:{port}/v1", exchanges)
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, OSError | EOFError):
                raise result


@asynccontextmanager
async def client(
    script: Script, timeout: httpx2.Timeout | None = None
) -> AsyncIterator[tuple[httpx2.AsyncClient, WireServer]]:
    """A client over the transport, and the server that it talks to."""
    transport = Transport(ssl.create_default_context())
    async with (
        serve(script) as server,
        httpx2.AsyncClient(
            transport=transport, base_url=server.url, timeout=timeout, trust_env=False
        ) as http,
    ):
        yield http, server
