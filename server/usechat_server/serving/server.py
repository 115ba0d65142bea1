"""uvicorn as this project needs it: the first signal drains, and a reader's socket can be dropped.

Stock uvicorn closes its listener at the signal and runs lifespan shutdown only after the streams
have ended, so nothing could tell them to end. Here the first SIGTERM or SIGINT asks every app to
drain, with the listener open (so that readiness probes get their 503); the second quits at once.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import math
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from ui_message_stream import json_codec
from uvicorn.config import LOGGING_CONFIG, STARTUP_FAILURE
from uvicorn.logging import DefaultFormatter
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.supervisors import ChangeReload

from usechat_server.serving.workers import Workers
from usechat_server.settings import Settings

if TYPE_CHECKING:
    import socket

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Config", "HTTPProtocol", "Server", "improved", "run"]

logger = logging.getLogger("usechat.serve")

#: Seconds for responses to end after the runs have: what is left then is cancelled.
SHUTDOWN_SECONDS = 2
#: Longer than the idle timeouts of common proxies (60 s), so that the proxy closes first and never
#: sends a request into a connection that is just being closed here.
KEEP_ALIVE_SECONDS = 75


class Config(uvicorn.Config):
    """uvicorn's configuration for a factory that makes the app, in each (re)started process."""

    def __init__(self, factory: Callable[[], ASGIApp], settings: Settings, **options: Any) -> None:
        defaults: dict[str, Any] = {
            "http": f"{__name__}:HTTPProtocol",  # by name: --reload pickles this object
            "log_config": _log_config(settings.log_level),
            "log_level": settings.log_level,
            # A run has a line of its own, with more in it.
            "access_log": settings.log_level == "debug",
            "timeout_keep_alive": KEEP_ALIVE_SECONDS,
            "timeout_graceful_shutdown": SHUTDOWN_SECONDS,
        }
        super().__init__(factory, factory=True, **{**defaults, **options})
        self.drain_grace = settings.drain_grace
        self.processes = settings.workers

    @property
    def should_reload(self) -> bool:
        return bool(self.reload)  # also without an import string: the factory can be pickled


class Server(uvicorn.Server):
    """Drains at the first signal: waits until every app has ended its work, and every response its
    own, or the grace is over.

    Apps join through `scope["state"]["usechat.on_drain"]`: they call it once in each event loop,
    with an async function that stops taking work and returns when all of it has ended legally.
    """

    config: Config

    def __init__(self, config: Config, serves: Callable[[], None] | None = None) -> None:
        super().__init__(config)
        self._serves = serves or self._say_where
        self._apps: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._late: list[asyncio.Task[None]] = []
        self._signalled = False
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state["usechat.on_drain"] = self._join
        await super().startup(sockets)
        if self.started:
            self._serves()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self._signalled:
            self._signalled = True
            return
        # Raised again by uvicorn after it has closed its sockets, so that the exit status tells.
        self._captured_signals.append(sig)
        self.should_exit = self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        if self._signalled and self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        return await super().on_tick(counter)

    def _join(self, drain: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self._draining is None:
            self._apps.append(drain)
        else:  # its first request came after the signal: it is to refuse turns too
            self._late.append(asyncio.create_task(drain()))

    def _say_where(self) -> None:
        for server in self.servers:
            for listener in server.sockets:
                _say_where(listener)

    async def _drain(self) -> None:
        logger.info("Draining: no more turns are taken. A second signal quits at once.")
        drained = await asyncio.gather(
            self._idle(), *(drain() for drain in self._apps), return_exceptions=True
        )
        for outcome in drained:
            if isinstance(outcome, BaseException):
                logger.error("An app failed to drain", exc_info=outcome)
        self.should_exit = True

    async def _idle(self) -> None:
        """Waits for what no app has joined for, such as a response of the user's own route."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.config.drain_grace):
                while tasks := set(self.server_state.tasks):
                    await asyncio.wait(tasks)


def improved(protocol: type[asyncio.Protocol]) -> type[asyncio.Protocol]:
    """A uvicorn HTTP protocol class, improved by what a stream needs of it.

    `scope["extensions"]["usechat.abort"]()` closes the connection at once, with whatever is waiting
    to be sent: ASGI itself has no way to be rid of a client that does not read. An answer to
    HTTP/1.0 comes without chunks (RFC 9112, 6.1) and ends with the connection.
    """

    class Improved(protocol):  # type: ignore[misc, valid-type]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            app: ASGIApp = self.app  # type: ignore[has-type]

            async def improved_app(scope: Scope, receive: Receive, send: Send) -> None:
                if scope["type"] == "http":
                    scope.setdefault("extensions", {})["usechat.abort"] = transport.abort
                    if scope["http_version"] == "1.0":
                        send = _without_chunks(send)
                await app(scope, receive, send)

            self.app = improved_app

    return Improved


def _without_chunks(send: Any) -> Send:
    """The `send` of uvicorn's httptools cycle, which chunks whatever the client's version is."""
    cycle = send.__self__
    if not hasattr(cycle, "chunked_encoding"):
        return cast("Send", send)  # h11 knows better

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


HTTPProtocol = improved(AutoHTTPProtocol)


def run(config: Config, listener: socket.socket) -> None:
    """Serves until a signal. Ends the process with status 3 if the app cannot start."""
    if config.should_reload:
        ChangeReload(config, target=Server(config).run, sockets=[listener]).run()
    elif config.processes > 1:
        workers = Workers(_serve, config, listener, config.processes)
        workers.run(lambda: _say_where(listener))
    else:
        _serve(config, listener)


def _say_where(listener: socket.socket) -> None:
    """Logs the address that is served."""
    host, port = listener.getsockname()[:2]
    logger.info("Listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)


def _serve(
    config: Config, listener: socket.socket, serves: Callable[[], None] | None = None
) -> None:
    server = Server(config, serves)
    config.load()
    server.run(sockets=[listener])
    if not server.started:
        sys.exit(STARTUP_FAILURE)


class _Formatter(DefaultFormatter):
    """uvicorn's lines, with what is known of a run behind them as JSON."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        fields = getattr(record, "run", None)
        return line if fields is None else f"{line} {json_codec.encode(fields).decode()}"


def _log_config(level: str) -> dict[str, Any]:
    config = copy.deepcopy(LOGGING_CONFIG)
    config["formatters"]["usechat"] = {
        **config["formatters"]["default"],
        "()": f"{__name__}._Formatter",
    }
    config["handlers"]["usechat"] = {**config["handlers"]["default"], "formatter": "usechat"}
    config["loggers"]["usechat"] = {
        "handlers": ["usechat"],
        "level": level.upper(),
        "propagate": False,
    }
    return config
