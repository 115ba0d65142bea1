"""Helpers for asyncio: cancellation, and one object per event loop."""

from __future__ import annotations

import asyncio
from collections.abc import (
    Callable,
    Iterable,
)
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

__all__ = ["PerLoop", "cancel", "is_cancelled"]


def is_cancelled(error: BaseException) -> bool:
    """Whether this task is to end; a task that it awaited may have been cancelled too."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


#: Seconds after which a task that still runs is cancelled again.
_AGAIN = 0.05


async def cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancels tasks and waits until they have ended.

    The client sends within `asyncio.wait_for`, which before Python 3.12 loses a cancellation that
    comes just as it is done: then the task goes on, and has to be told again.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_AGAIN)


T = TypeVar("T")


class PerLoop(Generic[T]):
    """One T for each event loop, made on first use."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()

    def get(self) -> T:
        """The running loop's."""
        loop = asyncio.get_running_loop()
        made = self._made.get(loop)
        if made is None:
            made = self._made[loop] = self._make()
        return made

    def pop(self) -> T | None:
        """The running loop's, which is forgotten; None if there is none."""
        return self._made.pop(asyncio.get_running_loop(), None)
