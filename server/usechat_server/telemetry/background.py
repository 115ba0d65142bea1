"""A thread that ends spans, since a span processor may block or raise when a span ends."""

from __future__ import annotations

import atexit
import logging
import queue
import threading
from collections.abc import Callable

__all__ = ["flush", "submit"]

logger: logging.Logger = logging.getLogger("usechat.telemetry")

#: Pieces of work that wait at most; further ones are dropped.
_MAX_PENDING = 10_000
#: Seconds that the end of the process waits for them.
_EXIT_SECONDS = 1.0


class _Worker:
    """Does the work in a daemon thread, one piece after another."""

    def __init__(self) -> None:
        self._pending: queue.Queue[Callable[[], object]] = queue.Queue(_MAX_PENDING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._has_dropped = False
        self._has_failed = False

    def submit(self, work: Callable[[], object]) -> None:
        if self._thread is None or not self._thread.is_alive():  # not alive: in a forked process
            self._start()
        try:
            self._pending.put_nowait(work)
        except queue.Full:
            if not self._has_dropped:
                self._has_dropped = True
                logger.warning("spans are dropped: the span processor does not keep up")

    def flush(self, seconds: float) -> bool:
        """Wait until all work is done that was submitted before. Return whether it is."""
        if self._thread is None or not self._thread.is_alive():
            return True
        is_done = threading.Event()
        try:
            self._pending.put_nowait(is_done.set)
        except queue.Full:
            return False
        return is_done.wait(seconds)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, name="usechat telemetry", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        while True:
            work = self._pending.get()
            try:
                work()
            except Exception:
                if not self._has_failed:
                    self._has_failed = True
                    logger.warning("a span was lost", exc_info=True)
            del work  # it would stay in memory until the next one


_worker = _Worker()


def submit(work: Callable[[], object]) -> None:
    """Do something later, in the thread. It is dropped if too much waits already."""
    _worker.submit(work)


def flush(seconds: float = _EXIT_SECONDS) -> bool:
    """Wait until everything is done that was submitted before, at most for some seconds. Blocks.

    Returns:
        Whether it is done.
    """
    return _worker.flush(seconds)


# A tracer provider that was set up before this module was imported shuts down after that.
atexit.register(flush)
