"""uvicorn with draining at the first signal, and with limits for connections and headers.

uvicorn itself closes its listener at the signal and runs the lifespan shutdown only after all
streams have ended, so nothing could end them. Here the first SIGTERM or SIGINT makes every app
drain while the listener stays open, so that readiness probes get their 503; the second one quits.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import logging
import math
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn
from ui_message_stream import json_codec
from uvicorn.config import LOGGING_CONFIG, STARTUP_FAILURE
from uvicorn.logging import AccessFormatter, DefaultFormatter
from uvicorn.supervisors import ChangeReload

from usechat_server.serving.workers import Workers
from usechat_server.settings import Settings
from usechat_server.telemetry.request import request_id

if TYPE_CHECKING:
    import socket

    from starlette.types import ASGIApp

__all__ = ["Config", "Server", "run"]

logger: logging.Logger = logging.getLogger("usechat.serve")

#: Seconds for responses to end after the runs have; the rest is cancelled.
SHUTDOWN_SECONDS = 2
#: Longer than the idle timeout of common proxies (60 s), so that the proxy closes first and never
#: sends a request on a connection that is closing.
KEEP_ALIVE_SECONDS = 75


class Config(uvicorn.Config):
    """uvicorn's configuration for an app that each started process creates with `factory`."""

    def __init__(self, factory: Callable[[], ASGIApp], settings: Settings, **options: Any) -> None:
        defaults: dict[str, Any] = {
            # By name: --reload pickles this object.
            "http": "usechat_server.serving.protocol:HTTPProtocol",
            "log_config": _log_config(settings.log_level),
            "log_level": settings.log_level,
            # Each run is logged anyway, with more detail.
            "access_log": settings.log_level == "debug",
            "timeout_keep_alive": KEEP_ALIVE_SECONDS,
            "timeout_graceful_shutdown": SHUTDOWN_SECONDS,
        }
        super().__init__(factory, factory=True, **{**defaults, **options})
        self.drain_grace: float = settings.drain_grace
        self.processes: int = settings.workers
        self.has_metrics: bool = settings.metrics != "off"
        self.max_connections: int = settings.max_connections
        self.max_header_bytes: int = settings.max_header_bytes
        self.header_timeout: float = settings.header_timeout
        #: when a connection was last refused, in the time of the event loop
        self.refused_at: float = -math.inf

    @property
    def should_reload(self) -> bool:
        return bool(self.reload)  # uvicorn also requires an import string; our factory is pickled


class Server(uvicorn.Server):
    """Drains at the first signal: waits until all runs and responses have ended, or for the grace.

    An app calls `scope["state"]["usechat.on_drain"]` once in each event loop. Its argument is an
    async function that refuses new runs and returns when the active ones have ended.

    Args:
        config: The configuration.
        on_started: Called when the server accepts connections; by default it logs the address.
    """

    config: Config

    def __init__(self, config: Config, on_started: Callable[[], None] | None = None) -> None:
        super().__init__(config)
        self._on_started = on_started or self._log_addresses
        self._drains: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._late_drains: list[asyncio.Task[None]] = []
        self._signalled = False
        self._drain_task: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state["usechat.on_drain"] = self._add_drain
        await super().startup(sockets)
        if self.started:
            self._on_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self._signalled:
            self._signalled = True
            return
        # uvicorn raises it again after it has closed its sockets, which sets the exit status.
        self._captured_signals.append(sig)
        self.should_exit = self.force_exit = True

    async def on_tick(self, counter: int) -> bool:
        if self._signalled and self._drain_task is None:
            self._drain_task = asyncio.create_task(self._drain())
        return await super().on_tick(counter)

    def _add_drain(self, drain: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self._drain_task is None:
            self._drains.append(drain)
        else:  # its first request came after the signal
            self._late_drains.append(asyncio.create_task(drain()))

    def _log_addresses(self) -> None:
        for server in self.servers:
            for listener in server.sockets:
                _log_address(listener)

    async def _drain(self) -> None:
        logger.info("draining: refusing new runs; a second signal quits at once")
        results = await asyncio.gather(
            self._wait_for_responses(), *(drain() for drain in self._drains), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                logger.error("an app failed to drain", exc_info=result)
        self.should_exit: bool = True

    async def _wait_for_responses(self) -> None:
        """Wait for all responses, such as those of the user's own routes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.config.drain_grace):
                while tasks := set(self.server_state.tasks):
                    await asyncio.wait(tasks)


def run(config: Config, listener: socket.socket) -> None:
    """Serve until a signal. Exits with status 3 if the app cannot start."""
    if config.should_reload:
        ChangeReload(config, target=Server(config).run, sockets=[listener]).run()
    elif config.processes > 1:
        workers = Workers(
            _serve, config, listener, config.processes, shares_metrics=config.has_metrics
        )
        workers.run(on_started=lambda: _log_address(listener))
    else:
        _serve(config, listener)


def _log_address(listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    logger.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)


def _serve(
    config: Config, listener: socket.socket, on_started: Callable[[], None] | None = None
) -> None:
    server = Server(config, on_started)
    config.load()
    _freeze_loaded_objects()
    server.run(sockets=[listener])
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def _freeze_loaded_objects() -> None:
    """Keep the garbage collector away from what was loaded, and from frequent full collections.

    With an app loaded, a full collection stops all streams for about a tenth of a second.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


class _Formatter(DefaultFormatter):
    """uvicorn's format. Lines about a run end with its fields as JSON, others with the id of the
    request that they are about."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        fields = getattr(record, "run", None)
        if fields is not None:
            return f"{line} {json_codec.encode(fields).decode()}"
        if hasattr(record, "audit"):  # it ends with the fields, which have the id
            return line
        return _with_request_id(line)


class _AccessFormatter(AccessFormatter):
    """uvicorn's format of a request, with its id."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return _with_request_id(super().formatMessage(record))


def _with_request_id(line: str) -> str:
    """Return a line with the id of the request that the current task is for, if it is for one."""
    id_of_request = request_id()
    return line if id_of_request is None else f"{line} [{id_of_request}]"


def _log_config(level: str) -> dict[str, Any]:
    config = copy.deepcopy(LOGGING_CONFIG)
    config["formatters"]["default"]["()"] = f"{__name__}._Formatter"
    config["formatters"]["access"]["()"] = f"{__name__}._AccessFormatter"
    config["loggers"]["usechat"] = {
        "handlers": ["default"],
        "level": level.upper(),
        "propagate": False,
    }
    return config
