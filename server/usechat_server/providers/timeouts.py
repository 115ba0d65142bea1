"""Two timeouts of a model call: no bytes at all, and bytes without content (keep-alive pings)."""

from __future__ import annotations

import asyncio
from time import monotonic
from types import TracebackType
from typing import Any

from usechat_server.errors import ModelError

__all__ = ["StreamTimeouts"]

#: Seconds added to the byte timeout until the response headers arrive: a provider's SDK may retry
#: the request by itself, and waits between its attempts.
_HEADERS_GRACE = 60.0


class StreamTimeouts:
    """Ends a read from the provider when a timeout expires or the call is closed.

        with timeouts:              # around each read, or around all of them; raises ModelError
            data = await read()
        timeouts.read_at = timeouts.content_at = monotonic()

    There is one timer per call, rescheduled only when it fires: a read costs a look at the clock,
    where `asyncio.timeout` would cost a timer. Time outside does not count.
    """

    def __init__(self, *, byte_timeout: float, content_timeout: float) -> None:
        self._byte_timeout = byte_timeout
        self._content_timeout = content_timeout
        #: seconds without a byte that are allowed now
        self._byte_limit = byte_timeout + _HEADERS_GRACE
        #: when something, and content, was read last, in the time of `time.monotonic()`
        self.read_at: float = 0.0
        self.content_at: float = monotonic()
        #: when the last read ended
        self._left_at = self.content_at
        #: the task that is reading, and how often the task had been cancelled
        self._task: asyncio.Task[Any] | None = None
        self._earlier_cancellations = 0
        self._timer: asyncio.TimerHandle | None = None
        #: why no read may go on
        self._error: ModelError | None = None

    def headers_received(self) -> None:
        """Apply the plain byte timeout from now on."""
        self._byte_limit = self._byte_timeout
        self._stop_timer()

    def close(self) -> None:
        """Stop the timer, and end the current read and every later one."""
        self._stop_timer()
        self._end_reads(ModelError("the call was closed", "connection"))

    def __enter__(self) -> None:
        if self._error is not None:
            raise self._error
        self.read_at = now = monotonic()
        self.content_at = min(now, self.content_at + now - self._left_at)
        self._task = asyncio.current_task()
        self._earlier_cancellations = self._task.cancelling() if self._task else 0
        if self._timer is None:
            self._check()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        task, self._task = self._task, None
        if task is None:
            return
        self._left_at = monotonic()
        if self._error is not None:
            # We cancelled the task. If a caller cancelled it as well, that cancellation goes on.
            cancelled_by_caller = task.uncancel() > self._earlier_cancellations
            if kind is asyncio.CancelledError and not cancelled_by_caller:
                raise self._error from None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        """End the read if a timeout expired, else schedule the next check."""
        now = monotonic()
        if self._task is None:
            deadline, text = now + self._byte_timeout, ""
        else:
            byte_deadline = self.read_at + self._byte_limit
            content_deadline = self.content_at + self._content_timeout
            deadline = min(byte_deadline, content_deadline)
            text = (
                f"no bytes for {self._byte_limit:g} s"
                if byte_deadline <= content_deadline
                else f"no content for {self._content_timeout:g} s, only pings"
            )
        if now < deadline:
            self._timer = asyncio.get_running_loop().call_later(deadline - now, self._check)
        else:
            self._end_reads(ModelError(text, "timeout", retryable=True))

    def _end_reads(self, error: ModelError) -> None:
        if self._error is not None:
            return
        self._error = error
        if self._task is not None:
            self._task.cancel()
