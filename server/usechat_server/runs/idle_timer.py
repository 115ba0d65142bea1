"""The timer that ends a run which no client reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["IdleTimer"]


class IdleTimer:
    """Counts the readers of a run, in this process and in others.

    Without a reader for `idle_timeout` seconds it calls `on_idle`, at once if that is 0. A reader
    that comes back in time cancels the countdown.
    """

    def __init__(self, idle_timeout: float, on_idle: Callable[[], None]) -> None:
        #: readers in this process
        self.local_readers: int = 0
        self._remote_readers = 0
        self._idle_timeout = idle_timeout
        self._on_idle = on_idle
        self._countdown: asyncio.TimerHandle | None = None
        self._closed = False

    def add_reader(self) -> None:
        """Count one more reader in this process."""
        self.local_readers += 1
        self._update()

    def remove_reader(self) -> None:
        """Count one reader less in this process."""
        self.local_readers -= 1
        self._update()

    def set_remote_readers(self, readers: int) -> None:
        """Set how many readers there are in other processes."""
        self._remote_readers = readers
        self._update()

    @property
    def readers(self) -> int:
        """Readers in this process, and other processes with readers."""
        return self.local_readers + self._remote_readers

    def set_timeout(self, seconds: float) -> None:
        """Set how many seconds a run goes on without a reader, from now on."""
        if seconds != self._idle_timeout:
            self._idle_timeout = seconds
            self._update()

    def close(self) -> None:
        """Stop the timer: the run has ended."""
        self._closed = True
        self._cancel_countdown()

    def _update(self) -> None:
        self._cancel_countdown()
        if self._closed or self.readers:
            return
        if self._idle_timeout:
            loop = asyncio.get_running_loop()
            self._countdown = loop.call_later(self._idle_timeout, self._on_idle)
        else:
            self._on_idle()

    def _cancel_countdown(self) -> None:
        if self._countdown is not None:
            self._countdown.cancel()
            self._countdown = None
