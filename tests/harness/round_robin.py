"""A TCP proxy that connects to the servers in turn, and skips those that are down."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

from tests.harness.common import DEADLINE

__all__ = ["RoundRobin"]


class RoundRobin:
    """Runs in its own thread. `ports` returns the ports of the current servers."""

    def __init__(self, ports: Callable[[], Sequence[int]]) -> None:
        self.url = ""
        self._ports = ports
        self._turn = 0
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.StreamWriter] = set()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(DEADLINE)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)

    def abort_connections(self) -> None:
        """Abort all connections."""
        self._loop.call_soon_threadsafe(self._abort_connections)

    def _abort_connections(self) -> None:
        for writer in self._connections:
            writer.transport.abort()

    def _run(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        server = loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._listening.set()
        loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ports = self._ports()
        for _ in ports:
            self._turn += 1
            with suppress(OSError):
                upstream = await asyncio.open_connection(
                    "127.0.0.1", ports[self._turn % len(ports)]
                )
                break
        else:
            writer.transport.abort()
            return
        self._connections.add(writer)
        pipes = [
            asyncio.create_task(_pipe(reader, upstream[1])),
            asyncio.create_task(_pipe(upstream[0], writer)),
        ]
        # When one side closes, so does the other.
        await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        for pipe in pipes:
            pipe.cancel()
        self._connections.discard(writer)
        for side in (writer, upstream[1]):
            side.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
