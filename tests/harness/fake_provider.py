"""A provider on a loopback port with the wire format of the Messages API, including its faults.

    with FakeProvider() as provider:
        provider.script(Reply(message(text("Hello"))))
        client = AsyncAnthropic(base_url=provider.url, api_key="any")

It runs in its own thread, so that blocking tests and subprocesses can use it. Requests that the
real API would refuse (see `fake_provider_rules`) get a 400.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from tests.harness.common import DEADLINE
from tests.harness.fake_provider_account import Account
from tests.harness.fake_provider_events import (
    Block,
    Event,
    Pause,
    block,
    error_event,
    message,
    ping,
    redacted_thinking,
    text,
    thinking,
    to_sse,
    tool_use,
)
from tests.harness.fake_provider_rules import request_errors

__all__ = [
    "Block",
    "Event",
    "FakeProvider",
    "Pause",
    "RecordedRequest",
    "Reply",
    "block",
    "error_event",
    "http_error",
    "message",
    "model_info",
    "ping",
    "redacted_thinking",
    "text",
    "thinking",
    "tool_use",
]


@dataclass
class Reply:
    """The reply to one request."""

    #: events in order, or the bytes of the body as they are
    events: Sequence[Event] | bytes = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    #: bytes per write; None: one write per event
    chunk_bytes: int | None = None
    #: whether nothing, not even the status line, is sent before `release()`
    gate: bool = False
    #: seconds after each write
    pace: float = 0.0
    #: what follows the events: the end, an end without the last HTTP chunk, a TCP reset, or silence
    then: Literal["eof", "close", "reset", "hang"] = "eof"
    #: seconds between `ping` events while it waits (at a pause, or hanging); None: silence
    pings: float | None = None


def http_error(
    status: int, kind: str = "api_error", text: str = "Failed", *, headers: Mapping[str, str] = {}
) -> Reply:
    """Return an error response, such as 401, 404, 429, 500 or 529."""
    body = {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_fake"}
    return Reply(
        json.dumps(body).encode(),
        status=status,
        headers={"content-type": "application/json", **headers},
    )


def model_info(model_id: str, *, max_tokens: int | None = 64_000) -> dict[str, Any]:
    """Return an entry of the model list."""
    return {
        "type": "model",
        "id": model_id,
        "display_name": model_id,
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 200_000,
        "max_tokens": max_tokens,
        "capabilities": None,
    }


@dataclass
class RecordedRequest:
    """One request, and the state of its connection."""

    method: str
    path: str
    #: lower-case names
    headers: dict[str, str]
    body: bytes
    #: set when the client disconnected before the end of the reply
    closed: threading.Event = field(default_factory=threading.Event)
    #: `time.monotonic()` then
    closed_at: float | None = None
    #: set at the end of the reply, however it ended
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def last_text(self) -> str:
        """The last text block of the last user turn that has one, or ""."""
        for turn in reversed(self.json["messages"]):
            if turn["role"] != "user":
                continue
            if isinstance(turn["content"], str):
                return str(turn["content"])
            texts = [b["text"] for b in turn["content"] if b["type"] == "text"]
            if texts:
                return str(texts[-1])
        return ""


class FakeProvider:
    """The server. It sends the scripted replies first, then those of the `on` handler."""

    #: the header of a response that has the id of its request
    request_id_header = "request-id"

    def __init__(self) -> None:
        #: POST /v1/messages, in order of arrival
        self.requests: list[RecordedRequest] = []
        #: the ports of the clients, one per connection
        self.ports: set[int] = set()
        #: GET /v1/models and /v1/models/{id}
        self.model_requests: list[RecordedRequest] = []
        #: the model list
        self.models: list[dict[str, Any]] = [model_info("claude-sonnet-5-5")]
        #: whether requests that the real API would refuse get a 400
        self.strict = True
        #: what it knows besides the request, and refuses; None: nothing
        self.account: Account | None = None
        self.url = ""
        self._script: deque[Reply] = deque()
        self._handler: Callable[[RecordedRequest], Reply] | None = None
        self._arrived = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._released = asyncio.Semaphore(0)
        self._connections: set[_Connection] = set()
        self._disconnected = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="fake-provider", daemon=True)
        self._listening = threading.Event()

    def errors(self, request: Any) -> list[str]:
        """Return the errors for which the real API would respond with 400."""
        return request_errors(request)

    def on_the_wire(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return the events of a reply as the API sends them."""
        return events

    def encode(self, event: dict[str, Any] | bytes) -> bytes:
        """Encode an event like the API does."""
        return to_sse(event)

    def ping(self) -> bytes:
        """Return what the API sends while there is nothing to send."""
        return to_sse(ping())

    def script(self, *replies: Reply) -> None:
        """Queue the replies to the next requests."""
        self._script.extend(replies)

    def reset(self) -> None:
        """Drop the remaining replies and the recorded requests."""
        self._script.clear()
        self.requests.clear()

    def on(self, handler: Callable[[RecordedRequest], Reply]) -> None:
        """Set the function that returns the reply to a request when the script is empty."""
        self._handler = handler

    def release(self, count: int = 1) -> None:
        """Release the oldest waiting pause or gate; if none waits, the next one does not wait."""
        for _ in range(count):
            self._loop.call_soon_threadsafe(self._released.release)

    def request(self, index: int = 0, *, deadline: float = DEADLINE) -> RecordedRequest:
        """Wait for the request with an index.

        Raises:
            TimeoutError: It did not arrive in time.
        """
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.requests) > index, deadline):
                raise TimeoutError(f"request {index} did not arrive")
            return self.requests[index]

    def wait_disconnected(self, *, deadline: float = DEADLINE) -> bool:
        """Wait until all connections are closed, also idle ones. Return whether they are."""
        with self._disconnected:
            return self._disconnected.wait_for(lambda: not self._connections, deadline)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._listening.wait(DEADLINE):
            raise TimeoutError("the fake provider did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)

    def _run(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        server = loop.run_until_complete(
            loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=1024)
        )
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._listening.set()
        loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        for connection in list(self._connections):
            connection.transport.abort()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    def _choose_reply(self, request: RecordedRequest) -> Reply:
        if request.method == "GET" and request.path.startswith("/v1/models"):
            self.model_requests.append(request)
            return self._model_list(request.path)
        with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
        if self.strict and (errors := self.errors(request.json)):
            return http_error(400, "invalid_request_error", "; ".join(errors))
        if self.account is not None and (refusal := self.account.refusal(request.body)):
            status, kind, text = refusal
            return http_error(status, kind, text)
        if self._script:
            return self._script.popleft()
        if self._handler is not None:
            return self._handler(request)
        return http_error(400, "invalid_request_error", "the test scripted no reply")

    def _model_list(self, path: str) -> Reply:
        model_id = path.partition("?")[0].removeprefix("/v1/models").strip("/")
        if not model_id:
            ids = [model["id"] for model in self.models]
            entry: Any = {
                "data": self.models,
                "has_more": False,
                "first_id": ids[0] if ids else None,
                "last_id": ids[-1] if ids else None,
            }
        else:
            entry = next((model for model in self.models if model["id"] == model_id), None)
        if entry is None:
            return http_error(404, "not_entry_error", f"model: {model_id}")
        return Reply(json.dumps(entry).encode(), headers={"content-type": "application/json"})


class _Connection(asyncio.Protocol):
    """One HTTP/1.1 connection. A task sends the reply to each request."""

    transport: asyncio.Transport

    def __init__(self, provider: FakeProvider) -> None:
        self.provider = provider
        self.buffer = bytearray()
        self.request: RecordedRequest | None = None
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.provider._connections.add(self)
        self.provider.ports.add(transport.get_extra_info("peername")[1])

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.request is None:
            self._next_request()

    def connection_lost(self, _: Exception | None) -> None:
        with self.provider._disconnected:
            self.provider._connections.discard(self)
            self.provider._disconnected.notify_all()
        if self.request is not None and not self.request.done.is_set():
            self.request.closed_at = time.monotonic()
            self.request.closed.set()
        if self.task is not None:
            self.task.cancel()

    def _next_request(self) -> None:
        head, end, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        if not end:
            return
        lines = head.decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ", 2)
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:])
        }
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return
        self.buffer = bytearray(rest[length:])
        self.request = RecordedRequest(method, path, headers, rest[:length])
        self.task = asyncio.get_running_loop().create_task(self._reply(self.request))

    async def _reply(self, request: RecordedRequest) -> None:
        reply = self.provider._choose_reply(request)
        if reply.gate:
            await self._wait(None)
        headers = {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache",
            self.provider.request_id_header: f"req_fake_{len(self.provider.requests)}",
            "transfer-encoding": "chunked",
            **reply.headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(f"HTTP/1.1 {reply.status} Scripted\r\n{head}\r\n".encode("latin-1"))
        async for piece in self._pieces(reply):
            self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            # One write per iteration of the loop, so that the client mostly reads single pieces.
            await asyncio.sleep(reply.pace)
        if reply.then == "hang":
            await self._wait(reply.pings, released=asyncio.Event().wait())
        request.done.set()
        if reply.then == "eof":
            self.transport.write(b"0\r\n\r\n")
            self.request = None
            self._next_request()
        elif reply.then == "close":
            self.transport.close()
        else:
            # Linger of zero seconds: closing sends RST instead of FIN.
            sock: socket.socket = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()

    async def _pieces(self, reply: Reply) -> AsyncIterator[bytes]:
        """Yield the pieces of the body: one per event, or `chunk_bytes` each."""
        provider = self.provider
        events: Sequence[Event] = (
            [reply.events]
            if isinstance(reply.events, bytes)
            else provider.on_the_wire(reply.events)
        )
        pending = b""
        for event in events:
            if isinstance(event, Pause):
                if pending:
                    yield pending
                    pending = b""
                await self._wait(reply.pings)
                continue
            pending += provider.encode(event)
            size = reply.chunk_bytes or len(pending)
            while size and len(pending) >= size:
                yield pending[:size]
                pending = pending[size:]
        if pending:
            yield pending

    async def _wait(self, pings: float | None, released: Any = None) -> None:
        """Wait for `release()` (or forever), sending pings."""
        waiting = asyncio.ensure_future(released or self.provider._released.acquire())
        try:
            while not (await asyncio.wait([waiting], timeout=pings))[0]:
                piece = self.provider.ping()
                self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        finally:
            waiting.cancel()
