"""An app served on a free loopback port by a thread of the test's own process, and what it answers.

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

#: Nothing here is encrypted, and each client would take 20 ms to read all certificates.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def user(said: str, **fields: Any) -> dict[str, Any]:
    """A message of the user, as `useChat` sends it."""
    return {"id": "u1", "role": "user", "parts": [{"type": "text", "text": said}], **fields}


def text(*said: str) -> list[Sequence[Chunk]]:
    """The batches of an answer that is one text."""
    return [
        [TextStart(id="0")],
        *([TextDelta(id="0", delta=piece)] for piece in said),
        [TextEnd(id="0")],
    ]


def chunks(stream: str) -> list[Any]:
    """The chunks of a whole stream, which must end with `[DONE]`."""
    events = [line.removeprefix("data: ") for line in stream.splitlines() if line[:5] == "data:"]
    assert events[-1:] == ["[DONE]"], stream
    return [json.loads(event) for event in events[:-1]]


class ScriptedModel:
    """Answers every call with the same batches; a test reads what it was asked.

    With `hold`, a call stops after its last batch until `release` or its end.
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
        """Lets the calls under way end."""
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
    """`usechat-server serve`'s server in a thread, with an event loop of its own."""

    def __init__(self, app: ASGIApp, **options: Any) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = Config(lambda: app, Settings(log_level="warning"), log_config=None, **options)
        self.server = Server(config)
        self._thread = threading.Thread(target=self.server.run, args=([listener],))

    def __enter__(self) -> Self:
        # The listener is open already: who connects before the server accepts is served then.
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
        """One request, on a connection of its own; `body` goes as JSON, `content` as it is."""
        if body is not None:
            content = json.dumps(body).encode()
        # Nothing of the environment, such as a proxy.
        with httpx.Client(trust_env=False, verify=_NO_TLS, timeout=DEADLINE) as client:
            return client.request(method, self.url + path, content=content, headers=headers)

    def chat(
        self, *messages: Any, headers: Mapping[str, str] | None = None, query: str = ""
    ) -> httpx.Response:
        """POST /api/chat with a history, or with "Hello"."""
        body = {"id": "c1", "messages": list(messages) or [user("Hello")]}
        return self.request("POST", f"/api/chat{query}", body, headers)

    @contextmanager
    def connection(self) -> Iterator[socket.socket]:
        """A connection to write HTTP on by hand."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE) as client:
            yield client
