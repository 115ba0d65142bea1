"""Running a tool call: it waits for a free slot, then its attempts have a time limit each."""

from __future__ import annotations

import asyncio
import itertools
import logging
from asyncio import Semaphore
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from typing import Any

from usechat_server.aio import backoff
from usechat_server.errors import ToolError
from usechat_server.tools.context import ToolContext
from usechat_server.tools.outputs import ToolOutput

__all__ = ["run_attempts"]

_log = logging.getLogger("usechat.tools")

#: Seconds before the second attempt, doubled for each further one up to the longest pause.
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 10.0

Attempt = Callable[[ToolContext], AsyncGenerator[ToolOutput]]


async def run_attempts(
    name: str,
    start: Attempt,
    context: ToolContext,
    *,
    slots: Semaphore | None,
    timeout: float | None,
    retries: int,
) -> AsyncGenerator[ToolOutput]:
    """Run attempts of a call until one succeeds, and yield their outputs.

    Outputs of a later attempt replace those of an earlier one.

    Args:
        name: Name of the tool.
        start: Starts an attempt with a context of its own.
        context: The context of the call.
        slots: Limits how many calls run at the same time; None: no limit. The call has one of them
            until its attempts have ended, also those that go on in a thread after it was cancelled.
        timeout: Seconds that one attempt may take.
        retries: Attempts after the first.

    Raises:
        ToolError: The tool raised it, or the last attempt took too long.
        Exception: Whatever the last attempt raised.
    """
    if slots is not None:
        await slots.acquire()
    try:
        pauses = backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        for attempt in itertools.count(1):
            attempt_context = context.for_attempt()
            try:
                async with aclosing(_limit_time(timeout, start(attempt_context))) as outputs:
                    async for output in outputs:
                        yield output
                return
            except ToolError:
                raise
            except Exception as error:
                is_last = attempt > retries
                if is_last and isinstance(error, _TimedOut):
                    raise ToolError(f"{name} took longer than {timeout:g} seconds.") from None
                if is_last:
                    raise
                _log.warning("tool %s failed, retrying: %r", name, error)
            finally:
                attempt_context.cancel()
            await asyncio.sleep(next(pauses))
    finally:
        if slots is not None:
            _release_after(context.running_threads, slots)


def _release_after(threads: Collection[asyncio.Task[Any]], slots: Semaphore) -> None:
    running = [thread for thread in threads if not thread.done()]
    if running:
        last = asyncio.gather(*running, return_exceptions=True)
        last.add_done_callback(lambda _: slots.release())
    else:
        slots.release()


class _TimedOut(Exception):
    """The attempt took too long. (A TimeoutError may be the tool's own.)"""


async def _limit_time(
    seconds: float | None, outputs: AsyncGenerator[ToolOutput]
) -> AsyncGenerator[ToolOutput]:
    """Yield the outputs until the time is up. The time that the consumer takes counts too."""
    deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
    async with aclosing(outputs):
        while True:
            try:
                # Around each output, not around them all: no scope may stay open across a yield.
                async with asyncio.timeout_at(deadline) as limit:
                    output = await anext(outputs, None)
            except TimeoutError:
                if limit.expired():
                    raise _TimedOut from None
                raise
            if output is None:
                return
            yield output
