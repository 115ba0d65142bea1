"""Threads that own a connection each and run whole transactions, for the tasks of one event loop.

A transaction is one hop: the loop waits for its end, not for each of its statements.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection, exc

__all__ = ["Job", "Workers"]

Result = TypeVar("Result")


class Job:
    """A transaction to run in a thread, and then its result or its error."""

    __slots__ = ("_turn", "end", "error", "is_alone", "prepare", "result", "transaction")

    def __init__(
        self,
        prepare: Callable[[Connection], None],
        transaction: Callable[[Connection], Any],
        *,
        is_alone: bool,
    ) -> None:
        """Create the job of a caller in the running event loop.

        Args:
            prepare: Called before the transaction.
            transaction: Its statements.
            is_alone: Whether it may not share a transaction with other jobs.
        """
        self.prepare: Callable[[Connection], None] = prepare
        self.transaction: Callable[[Connection], Any] = transaction
        self.is_alone: bool = is_alone
        self.result: Any = None
        self.error: BaseException | None = None
        #: done when the result or the error is there
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
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


class Workers:
    """Threads that are started when they are needed. They end with `aclose`, or when this object is
    gone; none of them keeps the interpreter from its end.

    Args:
        connect: Opens the connection of a thread, in that thread.
        run: Runs jobs with a connection. Each of them gets a result or an error.
        most: The most threads. With one, everything runs in order.
        batch: The most jobs that a thread runs together, if so many wait.
        max_wait: Seconds that a caller waits for its turn.
    """

    def __init__(
        self,
        connect: Callable[[], Connection],
        run: Callable[[Connection, Sequence[Job]], None],
        *,
        most: int,
        batch: int,
        max_wait: float,
    ) -> None:
        self._arguments = (connect, run, batch)
        self._most = most
        self._max_wait = max_wait
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        #: callers that wait for their turn, or for the end of their job
        self._callers = 0
        self._stop = weakref.finalize(self, _stop, self._jobs, self._threads)

    async def run(self, job: Job) -> Any:
        """Run a job in a thread, and return its result.

        A caller that is cancelled gets CancelledError when it has ended: a connection that is cut
        off may keep SQLite's lock for a while.

        Raises:
            TimeoutError: Its turn did not come.
            Exception: What the transaction raised.
        """
        self._callers += 1
        if len(self._threads) < min(self._callers, self._most):
            self._start()
        self._jobs.put(job)
        timer = job.end.get_loop().call_later(self._max_wait, job.expire)
        try:
            await asyncio.shield(job.end)
        except asyncio.CancelledError:
            await asyncio.wait([job.end])
            raise
        finally:
            self._callers -= 1
            timer.cancel()
            # Its traceback has the job, which must not have it then: both would stay in memory.
            error, job.error = job.error, None
        try:
            if error is not None:
                raise error
            return job.result
        finally:
            del error

    async def aclose(self) -> None:
        """End the threads, after what they have to do."""
        threads = list(self._threads)
        self._stop()
        if threads:
            await asyncio.to_thread(_join, threads)

    def _start(self) -> None:
        thread = threading.Thread(
            target=_work, args=(self._jobs, *self._arguments), name="usechat-store", daemon=True
        )
        self._threads.append(thread)
        thread.start()


def _work(
    queue: SimpleQueue[Job | None],
    connect: Callable[[], Connection],
    run: Callable[[Connection, Sequence[Job]], None],
    batch: int,
) -> None:
    """Run jobs until None comes."""
    connection: Connection | None = None
    job = queue.get()
    while job is not None:
        jobs = [job] if job.begin() else []
        try:
            while len(jobs) < batch and (job := queue.get_nowait()) is not None:
                if job.begin():
                    jobs.append(job)
        except Empty:
            pass
        connection = _run(jobs, run, connection, connect)
        _notify(jobs)
        is_last = job is None
        del job, jobs  # they would be kept in memory until the next one comes
        job = None if is_last else queue.get()
    if connection is not None:
        connection.close()


def _run(
    jobs: Sequence[Job],
    run: Callable[[Connection, Sequence[Job]], None],
    connection: Connection | None,
    connect: Callable[[], Connection],
) -> Connection | None:
    """Run jobs. Returns the connection, unless the next jobs need a new one."""
    try:
        if connection is None:
            connection = connect()
        run(connection, jobs)
    except BaseException as error:
        for job in jobs:
            job.error = error
    if any(isinstance(job.error, exc.DBAPIError | sqlite3.Error) for job in jobs):
        if connection is not None:
            connection.close()  # its state is unknown
        return None
    return connection


def _notify(jobs: Sequence[Job]) -> None:
    """Tell the callers, from a thread, that their jobs have ended."""

    def end() -> None:
        for job in jobs:
            job.end.set_result(None)

    if jobs:
        with suppress(RuntimeError):  # the loop is closed, and with it the callers
            jobs[0].end.get_loop().call_soon_threadsafe(end)


def _stop(jobs: SimpleQueue[Job | None], threads: list[threading.Thread]) -> None:
    for _ in threads:
        jobs.put(None)


def _join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join()
