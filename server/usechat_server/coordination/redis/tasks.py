"""Ending tasks that talk to Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

__all__ = ["cancel"]

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
