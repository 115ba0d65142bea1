"""Turn what a function writes into an async iterator of chunks."""

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
    produce: Callable[[Callable[[Sequence[Item]], None]], Awaitable[object]],
) -> AsyncGenerator[Item, None]:
    """Yield what a coroutine function emits while it runs in a task of its own.

    There is no backpressure: items are buffered until they are read. Closing the generator cancels
    the task and waits for it.

    Args:
        produce: Called with `emit(items)`. What it raises is raised here, after its items.
    """
    items: deque[Item] = deque()
    changed = asyncio.Event()

    def emit(batch: Sequence[Item]) -> None:
        items.extend(batch)
        changed.set()

    async def run() -> None:
        try:
            await produce(emit)
        except asyncio.CancelledError as error:
            error.__traceback__ = None  # its frames refer to this task, which keeps it
            raise

    task = asyncio.create_task(run())
    task.add_done_callback(lambda _: changed.set())
    try:
        while True:
            while items:
                yield items.popleft()
            if task.done():
                break
            await changed.wait()
            changed.clear()
        await task
    finally:
        task.cancel()
        await asyncio.wait([task])


def handler_chunks(handler: ChatHandler, turn: Turn) -> AsyncGenerator[ChunkVariant, None]:
    """Yield what a handler writes. It starts with the first iteration; what it raises is raised
    here."""

    async def produce(emit: Callable[[Sequence[ChunkVariant]], None]) -> None:
        # Checked here so that the handler gets the IllegalChunk.
        chunk_writer = Writer(
            message_id=turn.message_id, message=turn.continued, client_version=turn.client_version
        )

        def append(batch: Sequence[ChunkVariant]) -> None:
            for variant in batch:
                emit(chunk_writer.write_variant(variant))

        writer = StreamWriter(append, turn.client_version)
        await handler(turn, writer)
        if writer.finish_reason is not None:
            append([Finish(finish_reason=writer.finish_reason)])

    return emitted_items(produce)
