"""Threads that own a connection each and run whole transactions, for the tasks of one event loop.

A transaction is one hop: the loop waits for its end, not for each of its statements.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection, exc

__all__ = ["Workers"]

Result = TypeVar("Result")


class Workers:
    """Threads that are started when they are needed. They end with `aclose`, or when this object is
    gone; none of them keeps the interpreter from its end.

    Args:
        connect: Opens the connection of a thread, in that thread.
        most: The most threads. With one, everything runs in order.
        max_wait: Seconds that a caller waits for its turn.
    """

    def __init__(self, connect: Callable[[], Connection], *, most: int, max_wait: float) -> None:
        self._connect = connect
        self._most = most
        self._max_wait = max_wait
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        #: callers that wait for their turn, or for the end of their job
        self._callers = 0
        self._stop = weakref.finalize(self, _stop, self._jobs, self._threads)

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """Run a function with the connection of a thread, and return its result.

        A caller that is cancelled gets CancelledError when the function has returned: a connection
        that is cut off may keep SQLite's lock for a while.

        Raises:
            TimeoutError: Its turn did not come.
            Exception: What the function raised.
        """
        loop = asyncio.get_running_loop()
        job = _Job(work, loop)
        self._callers += 1
        if len(self._threads) < min(self._callers, self._most):
            self._start()
        self._jobs.put(job)
        timer = loop.call_later(self._max_wait, job.expire)
        try:
            await asyncio.shield(job.end)
        except asyncio.CancelledError:
            await asyncio.wait([job.end])
            raise
        finally:
            self._callers -= 1
            timer.cancel()
        error, result = job.error, job.result
        try:
            if error is not None:
                raise error
            return result  # type: ignore[no-any-return]
        finally:
            del error, job  # else the traceback of the error would keep the error in memory

    async def aclose(self) -> None:
        """End the threads, after what they have to do."""
        threads = list(self._threads)
        self._stop()
        if threads:
            await asyncio.to_thread(_join, threads)

    def _start(self) -> None:
        thread = threading.Thread(
            target=_work, args=(self._jobs, self._connect), name="usechat-store", daemon=True
        )
        self._threads.append(thread)
        thread.start()


class _Job:
    """A function to run in a thread, and then its result or its error."""

    __slots__ = ("_turn", "end", "error", "result", "work")

    def __init__(self, work: Callable[[Connection], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.work = work
        self.result: Any = None
        self.error: BaseException | None = None
        #: done when the result or the error is there
        self.end = loop.create_future()
        #: taken once: by the thread that runs the job, or when its caller has waited too long
        self._turn = threading.Lock()

    def begin(self) -> bool:
        """Whether the job is to be run; asked once, by a thread."""
        return self._turn.acquire(blocking=False)

    def expire(self) -> None:
        """End the job with TimeoutError unless it has begun."""
        if self._turn.acquire(blocking=False):
            self.error = TimeoutError("others took too long")
            self.end.set_result(None)

    def notify(self) -> None:
        """Tell the caller, from a thread, that the job has ended."""
        with suppress(RuntimeError):  # the loop is closed, and with it the caller
            self.end.get_loop().call_soon_threadsafe(self.end.set_result, None)


def _work(jobs: SimpleQueue[_Job | None], connect: Callable[[], Connection]) -> None:
    """Run jobs until None comes."""
    connection: Connection | None = None
    while (job := jobs.get()) is not None:
        if job.begin():
            try:
                if connection is None:
                    connection = connect()
                job.result = job.work(connection)
            except BaseException as error:
                job.error = error
                if connection is not None and isinstance(error, exc.DBAPIError):
                    connection.close()  # its state is unknown
                    connection = None
            job.notify()
        del job  # it would be kept in memory until the next one comes
    if connection is not None:
        connection.close()


def _stop(jobs: SimpleQueue[_Job | None], threads: list[threading.Thread]) -> None:
    for _ in threads:
        jobs.put(None)


def _join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join()
