"""How long a try of a tool may take, and when there is another one."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from usechat_server.errors import ToolError
from usechat_server.tools.context import ToolContext
from usechat_server.tools.outputs import ToolOutput

__all__ = ["attempts"]

_log = logging.getLogger("usechat.tools")

#: Seconds before the second try; doubled for each further one, up to the longest.
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 10.0

Try = Callable[[ToolContext], AsyncGenerator[ToolOutput]]


async def attempts(
    name: str, begin: Try, context: ToolContext, *, timeout: float | None, retries: int
) -> AsyncGenerator[ToolOutput]:
    """The outputs of the tries of a call, until one gets through. Outputs of a later try replace
    those of an earlier one. Raises what the last try did, ToolError if it took too long."""
    pause = _FIRST_PAUSE
    for attempt in itertools.count(1):
        own = context.again()
        try:
            async with aclosing(_within(timeout, begin(own))) as outputs:
                async for output in outputs:
                    yield output
            return
        except ToolError:
            raise
        except Exception as error:
            last = attempt > retries
            if last and isinstance(error, _TimeIsUp):
                raise ToolError(f"{name} took longer than {timeout:g} seconds.") from None
            if last:
                raise
            _log.warning("tool %s failed, trying again: %r", name, error)
        finally:
            own.cancel()
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


class _TimeIsUp(Exception):
    """Of this call. (A TimeoutError may be the tool's own.)"""


async def _within(
    seconds: float | None, outputs: AsyncGenerator[ToolOutput]
) -> AsyncGenerator[ToolOutput]:
    """The outputs, if they come in time. (The time that the reader takes counts too.)"""
    until = None if seconds is None else asyncio.get_running_loop().time() + seconds
    async with aclosing(outputs):
        while True:
            try:
                # Around each step, not around them all: a scope must not be left open in a yield.
                async with asyncio.timeout_at(until) as limit:
                    output = await anext(outputs, None)
            except TimeoutError:
                if limit.expired():
                    raise _TimeIsUp from None
                raise
            if output is None:
                return
            yield output
