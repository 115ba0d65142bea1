"""What a function writes, as a stream of chunks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeVar

from ui_message_stream.chunks import Finish
from ui_message_stream.versions import ChunkVariant
from ui_message_stream.writer import Writer

from usechat_server.compose.stream_writer import ChatHandler, StreamWriter
from usechat_server.turn import Turn

__all__ = ["emitted_items", "handler_chunks"]

Item = TypeVar("Item")


async def emitted_items(
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


def handler_chunks(answer: ChatHandler, turn: Turn) -> AsyncGenerator[ChunkVariant, None]:
    """Runs the function from the first step of the generator on. Raises what it raises."""

    async def write(take: Callable[[Sequence[ChunkVariant]], None]) -> None:
        # Here, so that the function itself hears of a chunk that cannot be.
        legal = Writer(
            message_id=turn.message_id, message=turn.continued, client_version=turn.client_version
        )

        def append(batch: Sequence[ChunkVariant]) -> None:
            for variant in batch:
                take(legal.write_variant(variant))

        writer = StreamWriter(append, turn.client_version)
        await answer(turn, writer)
        if writer.finish_reason is not None:
            append([Finish(finish_reason=writer.finish_reason)])

    return emitted_items(write)
