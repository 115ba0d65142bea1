"""The client that puts a server under load: raw sockets, and as little parsing as possible."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from delta_text import DELTA_BYTES, STAMP_PATTERN, monotonic_us
from stream_spec import StreamSpec

__all__ = ["ChatConnection", "LoadClient", "message", "response_deltas"]

_LAST_CHUNK = b"\r\n0\r\n\r\n"


class ChatConnection(asyncio.Protocol):
    """A connection that carries chat requests, one after the other."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.WriteTransport = transport  # type: ignore[assignment]

    def send(self, request: bytes, *, timed: bool = False) -> None:
        """Send a request.

        Args:
            request: the bytes of the request.
            timed: whether to take latencies from the deltas, and drop the response's bytes.
        """
        self.timed = timed
        #: deltas received so far
        self.deltas = 0
        #: when the first delta arrived, in microseconds; 0 before that
        self.first_delta_at = 0
        #: microseconds from the writing of each delta to its arrival
        self.latencies: list[float] = []
        #: the response as it arrived, unless it is timed
        self.data: list[bytes] = []
        self._tail = b""
        #: done when the first delta arrived, or the response ended without one
        self.first_delta: asyncio.Future[None] = self._loop.create_future()
        #: whether the response is complete, when it has ended
        self.end: asyncio.Future[bool] = self._loop.create_future()
        self.sent_at = monotonic_us()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        arrived_at = monotonic_us()
        deltas = data.count(b"~")
        if deltas:
            self.deltas += deltas
            if not self.first_delta_at:
                self.first_delta_at = arrived_at
                self.first_delta.set_result(None)
        if self.timed:
            data = self._tail + data
            self.latencies += [
                arrived_at - int(written_at) for written_at, _ in STAMP_PATTERN.findall(data)
            ]
            has_ended = data.endswith(_LAST_CHUNK)
            self._tail = data[max(data.rfind(b"~") + 1, len(data) - DELTA_BYTES + 1) :]
        else:
            self.data.append(data)
            has_ended = b"".join(self.data[-len(_LAST_CHUNK) :]).endswith(_LAST_CHUNK)
        if has_ended:
            self._finish(True)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._finish(False)

    def _finish(self, complete: bool) -> None:
        if hasattr(self, "end") and not self.end.done():
            self.end.set_result(complete)
            if not self.first_delta.done():
                self.first_delta.set_result(None)


class LoadClient:
    """Connections to the server under load, and to the provider behind it."""

    def __init__(self, url: str, provider: str, second_url: str | None = None) -> None:
        self._url, self._provider = urlsplit(url), urlsplit(provider)
        self._second_port = (urlsplit(second_url).port if second_url else None) or 0
        self._host, self._port = self._url.hostname or "", self._url.port or 80
        self._last_id = monotonic_us() % 1_000_000_000

    async def connect(self, *, second: bool = False) -> ChatConnection:
        """Open a connection to the server, or to the second one."""
        loop = asyncio.get_running_loop()
        port = self._second_port if second else self._port
        _, connection = await loop.create_connection(ChatConnection, self._host, port)
        return connection

    def new_id(self) -> int:
        """Return a number that no other chat or message has."""
        self._last_id += 1
        return self._last_id

    def chat_request(
        self, spec: StreamSpec, *, chat: int | None = None, history: Sequence[object] = ()
    ) -> bytes:
        """Return what `useChat` posts. The provider accepts it too: it reads only the prompt.

        Args:
            spec: what the provider sends.
            chat: a stored chat, of which only the new message is posted; None: a new chat.
            history: the messages before the prompt, unless the chat is stored.
        """
        question = message(self.new_id(), spec.prompt())
        content: dict[str, object] = (
            {"messages": [*history, question]} if chat is None else {"message": question}
        )
        chat = self.new_id() if chat is None else chat
        body = {"id": f"c{chat}", **content, "trigger": "submit-message"}
        return self._request("POST", "", json.dumps(body).encode())

    def stop_request(self, chat: int) -> bytes:
        """Return the request that stops a chat's response."""
        return self._request("POST", f"/c{chat}/stop", b"{}")

    def resume_request(self, chat: int) -> bytes:
        """Return the request that reads a chat's response from its beginning."""
        return self._request("GET", f"/c{chat}/stream", b"")

    def _request(self, method: str, path: str, body: bytes) -> bytes:
        return (
            f"{method} {self._url.path}{path} HTTP/1.1\r\nhost: {self._url.netloc}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode() + body

    async def request_provider(self, method: str, path: str) -> bytes:
        """Send a request to the provider and return the body of the response."""
        reader, writer = await asyncio.open_connection(self._provider.hostname, self._provider.port)
        writer.write(f"{method} {path} HTTP/1.1\r\nhost: bench\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        writer.close()
        return body

    async def open_streams(
        self, count: int, spec: StreamSpec, *, timed: bool
    ) -> list[ChatConnection]:
        """Open streams, 500 a second, and wait up to 20 s for the first delta of each."""
        connections = []
        for _ in range(count):
            connection = await self.connect()
            connection.send(self.chat_request(spec), timed=timed)
            connections.append(connection)
            await asyncio.sleep(0.002)
        await asyncio.wait([connection.first_delta for connection in connections], timeout=20)
        return connections


def message(number: int, text: str, *, role: str = "user") -> dict[str, object]:
    """Return a message of the user, or of the assistant."""
    return {"id": f"{role[0]}{number}", "role": role, "parts": [{"type": "text", "text": text}]}


def response_deltas(response: bytes) -> list[str]:
    """Return the texts of the deltas of a complete HTTP response, one for each frame."""
    position, chunks = response.index(b"\r\n\r\n") + 4, []
    while size := int(response[position : (line_end := response.index(b"\r\n", position))], 16):
        position = line_end + 2 + size + 2
        chunks.append(response[line_end + 2 : position - 2])
    body = b"".join(chunks)
    frames = [frame[6:] for frame in body.split(b"\n\n") if frame.startswith(b"data: {")]
    return [chunk["delta"] for chunk in map(json.loads, frames) if chunk["type"] == "text-delta"]
