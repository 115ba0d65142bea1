"""Two clocks on the provider: silence, and pings without anything said."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from usechat_server.errors import ModelError

__all__ = ["Watchdog"]

#: Seconds that the SDK waits at most between its attempts, before there are response headers
#: (see `clients`).
_LONGEST_PAUSE = 60.0


class Watchdog:
    """Ends a wait for the provider when a clock runs out, or when the call is closed meanwhile.

        with watchdog:              # around each read; raises ModelError
            data = await read()

    One timer per call, set anew only when it fires: a read costs two looks at the clock, where
    `asyncio.timeout` would cost a timer. The time between two reads counts for nothing.
    """

    def __init__(self, *, byte_timeout: float, content_timeout: float) -> None:
        self._byte_timeout = byte_timeout
        self._content_timeout = content_timeout
        #: seconds that may pass without a byte now
        self._silence = byte_timeout + _LONGEST_PAUSE
        #: seconds waited since anything was said
        self._quiet = 0.0
        #: the wait under way: whose it is, since when, and how often that task was cancelled before
        self._task: asyncio.Task[Any] | None = None
        self._since = 0.0
        self._cancelling = 0
        self._timer: asyncio.TimerHandle | None = None
        self._ended: ModelError | None = None

    def headers_came(self) -> None:
        """From here on silence is the provider's."""
        self._silence = self._byte_timeout
        self._stop_timer()

    def content(self) -> None:
        """Something was said."""
        self._quiet = 0.0

    def close(self) -> None:
        """Ends the clocks, the wait under way and every later one."""
        self._stop_timer()
        self._end(ModelError("the call was closed", "connection"))

    def __enter__(self) -> None:
        if self._ended is not None:
            raise self._ended
        loop = asyncio.get_running_loop()
        self._since = loop.time()
        self._task = asyncio.current_task(loop)
        self._cancelling = self._task.cancelling() if self._task else 0
        if self._timer is None:
            self._check(loop)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        task, self._task = self._task, None
        if task is None:
            return
        self._quiet += task.get_loop().time() - self._since
        if self._ended is not None:
            # We cancelled the task. Somebody else's cancellation beside ours goes on as it is.
            theirs = task.uncancel() > self._cancelling
            if kind is asyncio.CancelledError and not theirs:
                raise self._ended from None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        """Looks at the clocks, and sets the timer for when one may have run out."""
        now = loop.time()
        if self._task is None:
            due, text = now + self._byte_timeout, ""
        else:
            silent = self._since + self._silence
            idle = self._since + self._content_timeout - self._quiet
            due = min(silent, idle)
            text = (
                f"not a byte for {self._silence:g} s"
                if silent <= idle
                else f"nothing but pings for {self._content_timeout:g} s"
            )
        if now < due:
            self._timer = loop.call_at(due, self._check, loop)
        else:
            self._end(ModelError(text, "timeout", retryable=True))

    def _end(self, error: ModelError) -> None:
        if self._ended is not None:
            return
        self._ended = error
        if self._task is not None:
            self._task.cancel()
