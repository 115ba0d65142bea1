"""Helpers for asyncio: cancellation, pauses between retries, one object per event loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator
from time import monotonic
from typing import Any, Generic, ParamSpec, TypeVar
from weakref import WeakKeyDictionary, WeakMethod

__all__ = ["PerLoop", "backoff", "call_hook", "cancel", "is_cancelled", "retry", "weak_method"]


def is_cancelled(error: BaseException) -> bool:
    """Whether an exception means that the current task itself was cancelled.

    A `CancelledError` may also come from a task that the current one awaited.
    """
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


#: Seconds before an operation is tried again; the pause doubles each time.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
#: Seconds after which a task that is still running is cancelled again.
_CANCEL_INTERVAL = 0.05


async def cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended.

    They are cancelled repeatedly: before Python 3.12, `asyncio.wait_for` (which the Redis client
    uses) loses a cancellation that arrives just as it completes.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_CANCEL_INTERVAL)


def backoff(first: float, longest: float) -> Iterator[float]:
    """Yield the seconds to wait before each further attempt: doubled each time, up to a limit."""
    pause = first
    while True:
        yield pause
        pause = min(2 * pause, longest)


T = TypeVar("T")


async def retry(operation: Callable[[], Awaitable[T]], on: type[Exception], *, seconds: float) -> T:
    """Repeat an operation that fails with an error, and return its result.

    Args:
        operation: The operation.
        on: The error.
        seconds: Seconds after which the error is raised.
    """
    pauses, deadline = backoff(FIRST_PAUSE, LONGEST_PAUSE), monotonic() + seconds
    while True:
        try:
            return await operation()
        except on:
            if monotonic() > deadline:
                raise
        await asyncio.sleep(next(pauses))


class PerLoop(Generic[T]):
    """One T for each event loop, created on first use."""

    def __init__(self, create: Callable[[], T]) -> None:
        self._create = create
        self._values: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()

    def get(self) -> T:
        """Return the running loop's value."""
        loop = asyncio.get_running_loop()
        if loop not in self._values:
            self._values[loop] = self._create()
        return self._values[loop]

    def peek(self) -> T | None:
        """Return the running loop's value, or None if there is none yet."""
        return self._values.get(asyncio.get_running_loop())

    def pop(self) -> T | None:
        """Return the running loop's value and forget it; None if there is none."""
        return self._values.pop(asyncio.get_running_loop(), None)


P = ParamSpec("P")


def weak_method(method: Callable[P, T]) -> Callable[P, T]:
    """Return a method as a function that does not keep its object in memory.

    For what an object gives to its own parts: as a cycle of references, it would stay in memory
    until the garbage collector comes. The function may only be called while the object exists.
    """
    reference = WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        bound = reference()
        if bound is None:
            raise ReferenceError("the object of a method is gone")
        return bound(*args, **kwargs)

    return call


async def call_hook(hook: Callable[..., Awaitable[T] | T], *args: object) -> T:
    """Call a function of the app and return its result. A sync function runs in a thread."""
    is_async = inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(
        getattr(hook, "__call__", None)  # noqa: B004
    )
    result = hook(*args) if is_async else await asyncio.to_thread(hook, *args)
    return await result if inspect.isawaitable(result) else result
