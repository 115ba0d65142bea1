"""Who reads a run, in this process and in others, and how long it goes on for nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["IdleTimer"]


class IdleTimer:
    """Counts them. `gone` is called when there has been none for `patience` seconds: at once if
    that is 0. A reader that comes back in time makes it nothing."""

    def __init__(self, patience: float, gone: Callable[[], None]) -> None:
        #: in this process
        self.here = 0
        self._elsewhere = 0
        self._patience = patience
        self._gone = gone
        self._countdown: asyncio.TimerHandle | None = None
        self._closed = False

    def enter(self) -> None:
        self.here += 1
        self._changed()

    def leave(self) -> None:
        self.here -= 1
        self._changed()

    def elsewhere(self, idle_timer: int) -> None:
        """So many are in other processes."""
        self._elsewhere = idle_timer
        self._changed()

    def close(self) -> None:
        """The run has ended: whether somebody reads makes no difference to it."""
        self._closed = True
        self._stop_counting()

    def _changed(self) -> None:
        self._stop_counting()
        if self._closed or self.here or self._elsewhere:
            return
        if self._patience:
            loop = asyncio.get_running_loop()
            self._countdown = loop.call_later(self._patience, self._gone)
        else:
            self._gone()

    def _stop_counting(self) -> None:
        if self._countdown is not None:
            self._countdown.cancel()
            self._countdown = None
