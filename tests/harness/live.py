"""Serves an app on a free loopback port, in a thread of the test process.

with LiveServer(create_app(Agent(ScriptedModel()))) as server:
    server.request("POST", "/api/chat", {"messages": [user("Hello")]}).text
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import httpx
from starlette.types import ASGIApp
from ui_message_stream.chunks import Chunk, TextDelta, TextEnd, TextStart
from usechat_server.providers.base import ModelCall, StepResult
from usechat_server.results import Usage
from usechat_server.serving.server import Config, Server
from usechat_server.settings import Settings

from tests.harness.common import DEADLINE

__all__ = ["LiveServer", "ScriptedModel", "chunks", "text", "user"]

#: Nothing is encrypted, and reading all certificates would take 20 ms per client.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def user(text: str, **fields: Any) -> dict[str, Any]:
    """Return a message of the user, as `useChat` sends it."""
    return {"id": "u1", "role": "user", "parts": [{"type": "text", "text": text}], **fields}


def text(*pieces: str) -> list[Sequence[Chunk]]:
    """Return the batches of a response with one text."""
    return [
        [TextStart(id="0")],
        *([TextDelta(id="0", delta=piece)] for piece in pieces),
        [TextEnd(id="0")],
    ]


def chunks(stream: str) -> list[Any]:
    """Return the chunks of a complete stream, which must end with `[DONE]`."""
    events = [line.removeprefix("data: ") for line in stream.splitlines() if line[:5] == "data:"]
    assert events[-1:] == ["[DONE]"], stream
    return [json.loads(event) for event in events[:-1]]


class ScriptedModel:
    """Streams the same batches in every call, and records the calls.

    With `hold`, a call waits after its last batch until `release` or until it is closed.
    """

    name = "scripted"

    def __init__(
        self,
        *batches: Sequence[Chunk],
        requires: frozenset[str] = frozenset(),
        hold: bool = False,
    ) -> None:
        self.requires = requires
        self.calls: list[ModelCall] = []
        self.batches = batches or text("Hello", " there")
        self.hold = hold
        self.closed = threading.Event()
        self._released: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def check(self, call: ModelCall) -> None:
        pass

    def stream(self, call: ModelCall) -> _Stream:
        self.calls.append(call)
        return _Stream(self)

    async def aclose(self) -> None:
        pass

    def release(self) -> None:
        """Let the active calls end."""
        for loop, event in self._released:
            loop.call_soon_threadsafe(event.set)


class _Stream:
    def __init__(self, model: ScriptedModel) -> None:
        self.result: StepResult | None = None
        self.details: dict[str, Any] = {}
        self.usage = Usage()
        self._model = model
        self._batches = self._run()

    def __aiter__(self) -> _Stream:
        return self

    async def __anext__(self) -> Sequence[Chunk]:
        return await anext(self._batches)

    async def _run(self) -> Any:
        released = asyncio.Event()
        self._model._released.append((asyncio.get_running_loop(), released))
        for batch in self._model.batches:
            yield batch
        if self._model.hold:
            await released.wait()
        self.result = StepResult("stop")

    async def aclose(self) -> None:
        self._model.closed.set()


class LiveServer:
    """The server of `usechat-server serve` in a thread, with its own event loop."""

    def __init__(self, app: ASGIApp, *, settings: Settings | None = None, **options: Any) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = Config(
            lambda: app, settings or Settings(log_level="warning"), log_config=None, **options
        )
        self.server = Server(config)
        self._thread = threading.Thread(target=self.server.run, args=([listener],))

    def __enter__(self) -> Self:
        # The listener is open: a client that connects too early waits until the server accepts.
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        content: bytes | None = None,
    ) -> httpx.Response:
        """Send a request on a new connection, with `body` as JSON or `content` as it is."""
        if body is not None:
            content = json.dumps(body).encode()
        # Ignore the environment, such as a proxy.
        with httpx.Client(trust_env=False, verify=_NO_TLS, timeout=DEADLINE) as client:
            return client.request(method, self.url + path, content=content, headers=headers)

    def chat(
        self, *messages: Any, headers: Mapping[str, str] | None = None, query: str = ""
    ) -> httpx.Response:
        """POST /api/chat with a history, by default one message "Hello"."""
        body = {"id": "c1", "messages": list(messages) or [user("Hello")]}
        return self.request("POST", f"/api/chat{query}", body, headers)

    @contextmanager
    def connection(self) -> Iterator[socket.socket]:
        """Open a connection for HTTP that a test writes itself."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE) as client:
            yield client
