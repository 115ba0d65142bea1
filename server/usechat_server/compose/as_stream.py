"""What a function writes, as a stream of chunks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeVar

__all__ = ["streamed"]

Item = TypeVar("Item")


async def streamed(
    write: Callable[[Callable[[Sequence[Item]], None]], Awaitable[object]],
) -> AsyncGenerator[Item, None]:
    """Yields what `write` passes to its argument, while it runs in a task of its own; at its end
    raises what it raised. Closing the generator cancels it and waits for it.

    Nothing waits for who reads: what is written piles up.
    """
    written: deque[Item] = deque()
    moved = asyncio.Event()

    def take(items: Sequence[Item]) -> None:
        written.extend(items)
        moved.set()

    async def run() -> None:
        await write(take)

    task = asyncio.create_task(run())
    task.add_done_callback(lambda _: moved.set())
    try:
        while True:
            while written:
                yield written.popleft()
            if task.done():
                break
            await moved.wait()
            moved.clear()
        await task
    finally:
        task.cancel()
        await asyncio.wait([task])
