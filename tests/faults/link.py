"""A TCP proxy between two parties, which can be cut, stalled or muted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

__all__ = ["Link", "tcp", "unix"]

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
#: Opens a connection to the other side.
Connect = Callable[[], Awaitable[Streams]]


def tcp(port: int) -> Connect:
    return lambda: asyncio.open_connection("127.0.0.1", port)


def unix(path: str) -> Connect:
    return lambda: asyncio.open_unix_connection(path)


class Link:
    """Listens on a port of its own, and passes on what it receives."""

    def __init__(self, connect: Connect | None = None) -> None:
        #: None: connections are refused
        self.connect = connect
        self.port = 0
        #: held by a fault
        self.lock = asyncio.Lock()
        self._is_cut = False
        self._flows = asyncio.Event()
        self._flows.set()
        self._is_mute = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """Abort all connections, and refuse new ones until `restore`."""
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    def stall(self) -> None:
        """Pass nothing on until `restore`; connections stay open and new ones are accepted."""
        self._flows.clear()

    def mute(self) -> None:
        """Lose all replies until `restore`, which aborts the connections: what is asked for is
        done, and the party that asks does not know."""
        self._is_mute = True

    def restore(self) -> None:
        if self._is_mute:
            self.cut()
        self._is_cut = self._is_mute = False
        self._flows.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._flows.wait()
            if self._is_cut or self.connect is None:
                return
            far_reader, far_writer = await self.connect()
            self._writers.add(far_writer)
            try:
                pumps = [
                    asyncio.create_task(self._pump(reader, far_writer)),
                    asyncio.create_task(self._pump(far_reader, writer, are_replies=True)),
                ]
                # When one side closes, so does the other.
                try:
                    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for pump in pumps:
                        pump.cancel()
                    await asyncio.gather(*pumps, return_exceptions=True)
            finally:
                self._writers.discard(far_writer)
                far_writer.close()
        except OSError:
            writer.transport.abort()
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        are_replies: bool = False,
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._flows.wait()
                if are_replies and self._is_mute:
                    continue
                writer.write(data)
                await writer.drain()
