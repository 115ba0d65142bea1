"""AsgiHost: sends one request to an ASGI app in this process, with a client that tests control."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from starlette.types import ASGIApp, Message
from ui_message_stream import json_codec
from ui_message_stream.chunks import Chunk, parse_chunk
from ui_message_stream.sse import Decoder

__all__ = ["LONG", "AsgiHost", "chunks_of"]

#: Seconds after which a test fails instead of waiting any longer.
LONG = 10


class AsgiHost:
    """One request and its client.

    Args:
        app: The app, or a response.
        reports_disconnect: Whether the host sends `http.disconnect`, as hosts of ASGI 2.3 do.
        raises_on_send: Whether `send` raises OSError after a disconnect, as specified since 2.4.
        extensions: The extensions of the ASGI scope.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        reports_disconnect: bool = True,
        raises_on_send: bool = False,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        self.sent: list[Message] = []
        #: while it is cleared, the client does not read and `send` waits
        self.reading = asyncio.Event()
        self.reading.set()
        #: set once a `send` waits for the client
        self.is_blocked = asyncio.Event()
        self._app = app
        self._reports_disconnect = reports_disconnect
        self._raises_on_send = raises_on_send
        self._extensions = extensions
        self._disconnected = asyncio.Event()
        self._noticed = asyncio.Event()
        self._sending = False
        self._changed = asyncio.Condition()

    def request(self) -> asyncio.Task[None]:
        """Start the request. The task ends when the app returns."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4" if self._raises_on_send else "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "path": "/",
            "headers": [],
            "extensions": self._extensions or {},
        }
        return asyncio.create_task(self._run(scope))

    async def read_chunks(self) -> list[Chunk]:
        """Send the request and return all chunks of the response."""
        await asyncio.wait_for(self.request(), LONG)
        return self.chunks

    def disconnect(self, *, noticed: bool = True) -> None:
        """Disconnect the client. Without `noticed`, only `send` shows it until
        `notice_disconnect`."""
        self._disconnected.set()
        self.reading.set()
        if noticed:
            self.notice_disconnect()

    def notice_disconnect(self) -> None:
        self._noticed.set()

    async def wait_for_body(self, condition: Callable[[bytes], bool]) -> None:
        """Wait until the condition is true of the body so far."""
        async with asyncio.timeout(LONG), self._changed:
            await self._changed.wait_for(lambda: condition(self.body))

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def chunks(self) -> list[Chunk]:
        return chunks_of(self.body)

    @property
    def complete(self) -> bool:
        """Whether the app has ended the response."""
        return bool(self.sent) and not self.sent[-1].get("more_body", True)

    async def _run(self, scope: dict[str, Any]) -> None:
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self._reports_disconnect:
            await self._noticed.wait()
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()
        raise AssertionError

    async def _send(self, message: Message) -> None:
        assert not self._sending, "concurrent writes"
        assert not self.complete, "a write after the response ended"
        self._sending = True
        try:
            if not self.reading.is_set():
                self.is_blocked.set()
            await self.reading.wait()
            if self._disconnected.is_set():
                if self._raises_on_send:
                    raise OSError("the client left")
                return
            self.sent.append(message)
            async with self._changed:
                self._changed.notify_all()
            if self.complete:
                self.notice_disconnect()  # hosts report a disconnect after the end, too
        finally:
            self._sending = False


def chunks_of(body: bytes) -> list[Chunk]:
    """Return the chunks of an event stream."""
    events = Decoder().feed(body)
    return [parse_chunk(json_codec.decode(event)) for event in events if event != "[DONE]"]
