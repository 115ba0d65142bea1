"""Starts several processes behind one port, restarts them and passes signals to them.

uvicorn's own supervisor passes only the first signal on and then waits without a limit, so a second
signal could not end the processes at once.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from usechat_server.telemetry.processes import forget_process, shared_metrics

__all__ = ["Workers"]

logger: logging.Logger = logging.getLogger("usechat.serve")

_spawn = multiprocessing.get_context("spawn")

#: Seconds before a process that ended by itself is replaced: one that fails again and again must
#: not use up the CPU.
_RESTART_SECONDS = 0.5

#: Serves an app on a socket, and calls the function when it has started.
ServeFunction = Callable[[Any, socket.socket, Callable[[], None]], None]


class Workers:
    """Runs `serve` in several processes.

    Args:
        serve: Called with the configuration, the listener and a callback for when it has started.
        config: The configuration.
        listener: The socket that all processes share.
        count: The number of processes.
        shares_metrics: Whether their metrics are added up.
    """

    def __init__(
        self,
        serve: ServeFunction,
        config: uvicorn.Config,
        listener: socket.socket,
        count: int,
        *,
        shares_metrics: bool = False,
    ) -> None:
        self._arguments = (serve, config, listener)
        self._count = count
        self._shares_metrics = shares_metrics
        self._workers: list[_Worker] = []
        self._signals: list[int] = []

    def run(self, on_started: Callable[[], None]) -> None:
        """Return when all processes have ended after a signal.

        If the first process cannot start, this one exits with its status. After a second signal,
        that signal ends this process too.

        Args:
            on_started: Called when the first process accepts connections.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle_signal)
        with shared_metrics() if self._shares_metrics else nullcontext():
            self._run(on_started)
        if len(self._signals) > 1:
            signal.signal(self._signals[-1], signal.SIG_DFL)
            signal.raise_signal(self._signals[-1])

    def _run(self, on_started: Callable[[], None]) -> None:
        first = self._start()
        # The others would fail like the first, and log the same error.
        if first.wait_until_started():
            on_started()
        elif not self._signals:
            first.process.join()
            sys.exit(first.process.exitcode or STARTUP_FAILURE)
        while len(self._workers) < self._count and not self._signals:
            self._start()
        while self._workers:
            wait([worker.process.sentinel for worker in self._workers])
            for worker in [worker for worker in self._workers if not worker.process.is_alive()]:
                self._replace(worker)

    def _start(self) -> _Worker:
        worker = _Worker(self._arguments)
        self._workers.append(worker)
        for number in self._signals:  # received while it was started
            worker.send(number)
        return worker

    def _replace(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        if self._shares_metrics:
            forget_process(worker.pid)
        if not self._signals:
            status = worker.process.exitcode
            logger.error("process %s ended with status %s: replacing it", worker.pid, status)
            time.sleep(_RESTART_SECONDS)
        if not self._signals:
            self._start()

    def _handle_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals.append(number)
        for worker in self._workers:
            worker.send(number)


class _Worker:
    """One process. It writes to its pipe when it has started, and ends when the pipe is closed."""

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        self._pipe, child_pipe = _spawn.Pipe()
        self.process = _spawn.Process(target=_run_worker, args=(*arguments, child_pipe))
        self.process.start()
        child_pipe.close()

    @property
    def pid(self) -> int | None:
        return self.process.pid

    def wait_until_started(self) -> bool:
        """Return True when it accepts connections, False if it ended before."""
        try:
            self._pipe.recv()
        except EOFError:
            return False
        return True

    def send(self, number: int) -> None:
        if self.process.is_alive() and self.pid is not None:
            os.kill(self.pid, number)


def _run_worker(
    serve: ServeFunction, config: uvicorn.Config, listener: socket.socket, parent: Connection
) -> None:
    # A Ctrl+C in the terminal goes to the parent only, which passes it on: two would quit at once.
    os.setpgrp()
    threading.Thread(target=_terminate_with, args=(parent,), daemon=True).start()
    config.configure_logging()
    serve(config, listener, lambda: parent.send(None))


def _terminate_with(parent: Connection) -> None:
    """Terminate this process when its parent has ended."""
    try:
        parent.recv()  # the parent sends nothing
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
