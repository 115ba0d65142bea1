"""uvicorn's HTTP protocol with what streams require, and with limits before a request has begun.

uvicorn limits neither the number and the size of headers nor the time that they take, and its clock
for idle connections starts after the first response.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import struct
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from usechat_server.serving.server import Config

__all__ = ["HTTPProtocol", "LimitedProtocol", "streaming_protocol"]

logger: logging.Logger = logging.getLogger("usechat.serve")

#: Seconds between two log lines about connections that were refused.
_LOG_SECONDS = 60.0
#: What makes `close` reset a connection: the time for which it lingers is on, and 0.
_NO_LINGER = struct.pack("ii", 1, 0)
#: Seconds after which a client may connect again.
_RETRY_AFTER = 5


class LimitedProtocol(HttpToolsProtocol):
    """Limits the connections of a process, and the bytes and the time of a request's headers."""

    config: Config

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        #: closes the connection unless the headers of a request arrive
        self._clock: asyncio.TimerHandle | None = None
        self._has_begun = False  # the next request
        self._is_in_message = False  # its headers are complete, its body is not
        self._header_bytes = 0
        if len(self.connections) > self.config.max_connections:
            self._log_refused()
            self._refuse(503, "There are too many connections. Please try again.")
        else:
            self._start_clock(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        before = self.cycle
        was_in_message = self._is_in_message
        super().data_received(data)
        if self.transport.is_closing() or self.cycle is not before:
            return
        if not was_in_message:
            self._header_bytes += len(data)
            if self._header_bytes > self.config.max_header_bytes:
                self._refuse_headers()
            elif not self._has_begun or self._clock is None:
                self._has_begun = True
                self._start_clock(self.config.header_timeout)
        elif before is not None and before.response_complete and self._clock is None:
            # The rest of a body whose request was refused.
            self._start_clock(self.timeout_keep_alive)

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.config.max_header_bytes:
            self._header_bytes = size
            raise ValueError("the headers are too large")  # stops the parser
        self._stop_clock()
        self._has_begun = False
        self._is_in_message = True
        self._header_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop_clock()
        self._is_in_message = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if self._header_bytes > self.config.max_header_bytes:
            self._refuse_headers()
        else:
            super().send_400_response(msg)

    def _refuse_headers(self) -> None:
        limit = self.config.max_header_bytes
        logger.info("refused a request of %s: more than %d bytes of headers", self._peer, limit)
        self._refuse(431, f"The headers are too large: at most {limit} bytes are allowed.")

    def _refuse(self, status: int, text: str) -> None:
        """Send a response, unless another one is being sent, and close the connection."""
        if self.cycle is None or self.cycle.response_complete:
            head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            head += f"content-type: text/plain; charset=utf-8\r\ncontent-length: {len(text)}\r\n"
            retry = f"retry-after: {_RETRY_AFTER}\r\n" if status == 503 else ""
            self.transport.write(f"{head}{retry}connection: close\r\n\r\n{text}".encode())
        self.transport.close()

    def _log_refused(self) -> None:
        now = self.loop.time()
        if now - self.config.refused_at > _LOG_SECONDS:
            self.config.refused_at = now
            limit = self.config.max_connections
            logger.warning(
                "refused a connection of %s: USECHAT_MAX_CONNECTIONS is %d", self._peer, limit
            )

    @property
    def _peer(self) -> str:
        return self.client[0] if self.client else "an unknown address"

    def _start_clock(self, seconds: float) -> None:
        self._stop_clock()
        self._clock = self.loop.call_later(seconds, self._end)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _end(self) -> None:
        self._clock = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


def streaming_protocol(protocol: type[asyncio.Protocol]) -> type[asyncio.Protocol]:
    """Return a subclass of a uvicorn HTTP protocol with what streams require.

    `scope["extensions"]["usechat.abort"]()` closes the connection at once and drops unsent data:
    ASGI has no way to disconnect a client that does not read. `usechat.break_off` sends that data
    first: ASGI has no way to show a client that a response failed after its headers.
    `scope["extensions"]["usechat.on_disconnect"](callback)` has the callback called as soon as the
    client disconnects, where a task that waits in `receive` would only be woken up; None takes the
    request's callback back. It returns False if the request has not arrived completely: then only
    `receive` finds out.
    Responses to HTTP/1.0 requests have no chunked encoding (RFC 9112, 6.1) and end with the
    connection, so that only a reset breaks one off.
    """

    class StreamingProtocol(protocol):  # type: ignore[misc, valid-type]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            #: by the cycle of their request: the next one may begin before a response is closed
            self._on_disconnect: dict[Any, Callable[[], None]] = {}
            self._is_lost = False
            app: ASGIApp = self.app  # type: ignore[has-type]

            async def streaming_app(scope: Scope, receive: Receive, send: Send) -> None:
                if scope["type"] == "http":
                    extensions = scope.setdefault("extensions", {})
                    extensions["usechat.abort"] = transport.abort
                    extensions["usechat.break_off"] = partial(
                        _close, transport, with_reset=scope["http_version"] == "1.0"
                    )
                    extensions["usechat.on_disconnect"] = partial(
                        self._set_on_disconnect,
                        receive.__self__,  # type: ignore[attr-defined]
                    )
                    if scope["http_version"] == "1.0":
                        send = _unchunked(send)
                await app(scope, receive, send)

            self.app = streaming_app

        def connection_lost(self, exc: Exception | None) -> None:
            self._is_lost = True
            try:
                for callback in list(self._on_disconnect.values()):
                    callback()
            finally:
                super().connection_lost(exc)

        def _set_on_disconnect(self, cycle: Any, callback: Callable[[], None] | None) -> bool:
            if callback is None:
                self._on_disconnect.pop(cycle, None)
            else:
                self._on_disconnect[cycle] = callback
                # uvicorn pauses after a large piece of a body until `receive` is called, and a
                # connection that is not read is never noticed to be lost.
                self.flow.resume_reading()
                if self._is_lost:
                    callback()
            return not cycle.more_body

    return StreamingProtocol


def _close(transport: asyncio.Transport, *, with_reset: bool) -> None:
    """Close a connection once what was written is sent."""
    if with_reset:
        # The transport's own socket object does not allow options. Its copy is the same socket.
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as copy:
            copy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.close()


def _unchunked(send: Any) -> Send:
    """Return a `send` that uses no chunked encoding. uvicorn's httptools protocol always does."""
    cycle = send.__self__
    if not hasattr(cycle, "chunked_encoding"):
        return cast("Send", send)  # h11 does not

    async def send_until_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            if not any(name.lower() == b"content-length" for name, _ in message["headers"]):
                cycle.chunked_encoding = False
                cycle.expected_content_length = math.inf
        elif cycle.expected_content_length == math.inf and not message.get("more_body"):
            await send({**message, "more_body": True})
            cycle.expected_content_length = 0
            message = {"type": "http.response.body", "body": b""}
        await send(message)

    return send_until_close


HTTPProtocol: type[asyncio.Protocol] = streaming_protocol(LimitedProtocol)
