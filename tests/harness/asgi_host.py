"""An ASGI host in this process whose client does what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import ASGIApp, Message
from ui_message_stream import json_codec
from ui_message_stream.chunks import Chunk, parse_chunk
from ui_message_stream.sse import Decoder

__all__ = ["LONG", "AsgiHost", "chunks_of"]

#: Seconds that nothing takes unless it is broken.
LONG = 10


class AsgiHost:
    """One request and its client.

    `tells`: the host reports a hang-up by `http.disconnect`, as all do that advertise ASGI 2.3.
    `raises`: it reports it by an OSError from `send`, as the specification says from 2.4 on.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        tells: bool = True,
        raises: bool = False,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        self.sent: list[Message] = []
        #: cleared: the client does not read, and `send` waits
        self.reading = asyncio.Event()
        self.reading.set()
        self._app = app
        self._tells = tells
        self._raises = raises
        self._extensions = extensions
        self._left = asyncio.Event()
        self._told = asyncio.Event()
        self._sending = False
        self._changed = asyncio.Condition()

    def request(self) -> asyncio.Task[None]:
        """Starts the request; the task ends when the app returns."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4" if self._raises else "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "path": "/",
            "headers": [],
            "extensions": self._extensions or {},
        }
        return asyncio.create_task(self._run(scope))

    async def answer(self) -> list[Chunk]:
        """The whole answer, to a client that stays."""
        await asyncio.wait_for(self.request(), LONG)
        return self.chunks

    def leave(self, *, told: bool = True) -> None:
        """The client goes; without `told`, the host has not noticed yet but from its writes."""
        self._left.set()
        self.reading.set()
        if told:
            self.tell()

    def tell(self) -> None:
        self._told.set()

    async def until(self, seen: Callable[[bytes], bool]) -> None:
        """Waits until the body so far is as wanted."""
        async with asyncio.timeout(LONG), self._changed:
            await self._changed.wait_for(lambda: seen(self.body))

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def chunks(self) -> list[Chunk]:
        return chunks_of(self.body)

    @property
    def complete(self) -> bool:
        """Whether the host was told that the response is over."""
        return bool(self.sent) and not self.sent[-1].get("more_body", True)

    async def _run(self, scope: dict[str, Any]) -> None:
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self._tells:
            await self._told.wait()
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()
        raise AssertionError

    async def _send(self, message: Message) -> None:
        assert not self._sending, "two writes at once"
        assert not self.complete, "a write after the last one"
        self._sending = True
        try:
            await self.reading.wait()
            if self._left.is_set():
                if self._raises:
                    raise OSError("the client left")
                return
            self.sent.append(message)
            async with self._changed:
                self._changed.notify_all()
            if self.complete:
                self.tell()  # what hosts say after the end, too
        finally:
            self._sending = False


def chunks_of(body: bytes) -> list[Chunk]:
    """The chunks of an event stream."""
    events = Decoder().feed(body)
    return [parse_chunk(json_codec.decode(event)) for event in events if event != "[DONE]"]
