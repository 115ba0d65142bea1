"""Several processes behind one port: started, kept alive, and told together to go down.

uvicorn's own supervisor ends its processes with one signal and then waits without end: a second
signal, which is to quit at once, never reaches them.
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
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

__all__ = ["Workers"]

logger = logging.getLogger("usechat.serve")

_spawn = multiprocessing.get_context("spawn")

#: Seconds before a process that ended by itself is replaced, so that one that cannot live does not
#: keep the machine busy.
_PAUSE = 0.5


class Workers:
    """Runs `work` in `count` processes. It gets the configuration, the listener, and what to call
    when it serves."""

    def __init__(
        self, work: Work, config: uvicorn.Config, listener: socket.socket, count: int
    ) -> None:
        self._arguments = (work, config, listener)
        self._count = count
        self._workers: list[_Worker] = []
        self._signals: list[int] = []

    def run(self, serves: Callable[[], None]) -> None:
        """Returns when all have ended after a signal; calls `serves` when the first one does. Ends
        this process with its status if it cannot start, and by the second signal if that came."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        first = self._start()
        # The others would fail as the first does, and say so once each.
        if first.serves():
            serves()
        elif not self._signals:
            first.process.join()
            sys.exit(first.process.exitcode or STARTUP_FAILURE)
        while len(self._workers) < self._count and not self._signals:
            self._start()
        while self._workers:
            wait([worker.process.sentinel for worker in self._workers])
            for worker in [one for one in self._workers if not one.process.is_alive()]:
                self._ended(worker)
        if len(self._signals) > 1:
            signal.signal(self._signals[-1], signal.SIG_DFL)
            signal.raise_signal(self._signals[-1])

    def _start(self) -> _Worker:
        worker = _Worker(self._arguments)
        self._workers.append(worker)
        for number in self._signals:  # they came while it was being started
            worker.send(number)
        return worker

    def _ended(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        if not self._signals:
            status = worker.process.exitcode
            logger.error("Process %s ended with status %s: it is replaced", worker.pid, status)
            time.sleep(_PAUSE)
        if not self._signals:
            self._start()

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self._signals.append(number)
        for worker in self._workers:
            worker.send(number)


#: What each process does.
Work = Callable[[Any, socket.socket, Callable[[], None]], None]


class _Worker:
    """One process. The pipe says that it serves; that it is open says that its parent lives."""

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        self._here, there = _spawn.Pipe()
        self.process = _spawn.Process(target=_work, args=(*arguments, there))
        self.process.start()
        there.close()

    @property
    def pid(self) -> int | None:
        return self.process.pid

    def serves(self) -> bool:
        """Waits until it does; False if it ended before."""
        try:
            self._here.recv()
        except EOFError:
            return False
        return True

    def send(self, number: int) -> None:
        if self.process.is_alive() and self.pid is not None:
            os.kill(self.pid, number)


def _work(work: Work, config: uvicorn.Config, listener: socket.socket, parent: Connection) -> None:
    # A Ctrl+C in the terminal is for the parent, which passes it on: twice would quit at once.
    os.setpgrp()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    config.configure_logging()
    work(config, listener, lambda: parent.send(None))


def _end_with(parent: Connection) -> None:
    """Goes down when the parent is gone, whatever ended it."""
    try:
        parent.recv()  # nothing ever comes
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
