"""The threads that tools run in: a limited number, whatever becomes of the calls."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Any, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter

from usechat_server.aio import PerLoop

__all__ = ["run_in_thread"]

_log = logging.getLogger("usechat.tools")

#: Functions that may run in threads at the same time. The web framework's threads stay free.
_MAX_THREADS = 40
_places = PerLoop(lambda: CapacityLimiter(_MAX_THREADS))
#: anyio's own limit would be counted once more.
_unlimited = PerLoop(lambda: CapacityLimiter(math.inf))

#: Seconds after which a function that goes on after its call was cancelled is reported.
_STUCK_SECONDS = 30.0

T = TypeVar("T")


async def run_in_thread(name: str, function: Callable[[], T], running: set[asyncio.Task[Any]]) -> T:
    """Run a function of a tool in a thread, and return its result.

    Cancelling ends the wait, not the function: a thread cannot be stopped. The function keeps its
    place among the threads until it has ended.

    Args:
        name: The tool's name, for the log.
        function: The function.
        running: Gets the task that waits for the function, cancelled or not.
    """
    has_place = False

    def run() -> T | _Raised:
        try:
            return function()
        except BaseException as error:
            return _Raised(error)

    async def wait_for_thread() -> T | _Raised:
        nonlocal has_place
        try:
            async with _places.get():
                has_place = True
                return await anyio.to_thread.run_sync(run, limiter=_unlimited.get())
        except asyncio.CancelledError as error:
            error.__traceback__ = None  # its frames refer to this task, which keeps it
            raise

    task = asyncio.create_task(wait_for_thread())
    running.add(task)
    task.add_done_callback(running.discard)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        if has_place:
            asyncio.get_running_loop().call_later(_STUCK_SECONDS, _report_if_running, name, task)
        else:
            task.cancel()
        raise
    outcome = task.result()
    try:
        if isinstance(outcome, _Raised):
            raise outcome.error
        return outcome
    finally:
        del outcome, task  # they have the error, whose traceback has this frame


class _Raised:
    """What a function raised. (A task that raises SystemExit would end the event loop.)"""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _report_if_running(name: str, task: asyncio.Task[Any]) -> None:
    if not task.done():
        _log.error(
            "tool %s is stuck: its thread still runs %g s after the call was cancelled, "
            "%s of %s threads are taken",
            name,
            _STUCK_SECONDS,
            _places.get().borrowed_tokens,
            _MAX_THREADS,
        )
