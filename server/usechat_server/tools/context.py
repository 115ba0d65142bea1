"""What a running tool knows of its call, and how it tells the page about its progress."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ui_message_stream.chunks import Data

from usechat_server.tools.outputs import to_json

if TYPE_CHECKING:
    from usechat_server.turn import Turn

__all__ = ["ToolContext"]


class ToolContext:
    """One tool call, for the tool: a parameter with this type gets it.

        @tool
        async def book(flight: str, ctx: ToolContext) -> str:
            ctx.data("progress", {"done": 0.5}, id=ctx.tool_call_id)

    `write` gets the chunks, in the event loop in which the context was made.
    """

    def __init__(self, turn: Turn, tool_call_id: str, write: Callable[[Data], None]) -> None:
        self.turn = turn
        self.tool_call_id = tool_call_id
        self._write = write
        self._cancelled = False
        self._loop = _running_loop()

    @property
    def user(self) -> str | None:
        """Who is asking, as the app's `user=` said."""
        return self.turn.user

    @property
    def chat_id(self) -> str:
        return self.turn.chat_id

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the output any more (stop, time is up). An async function is
        cancelled besides; one that runs in a thread should look here now and then."""
        return self._cancelled

    def data(self, name: str, data: Any, *, id: str | None = None, transient: bool = False) -> None:  # noqa: A002
        """Sends the page a data part, `data-NAME`, at once; from any thread.

        The same `id` again replaces the part. A `transient` one is not kept in the message: the
        page gets it in `onData`. `data` is anything that a tool can return, as it is now. After the
        call was cancelled or ended nothing is sent. Raises TypeError for what has no JSON form.
        """
        chunk = Data(name=name, data=to_json(data), id=id, transient=transient or None)
        if self._loop is None or self._loop is _running_loop():
            self._send(chunk)
        elif not self._cancelled:
            self._loop.call_soon_threadsafe(self._send, chunk)

    def cancel(self) -> None:
        """Tells the tool that it is not waited for."""
        self._cancelled = True

    def _send(self, chunk: Data) -> None:
        if not self._cancelled:
            self._write(chunk)

    def again(self) -> ToolContext:
        """The same call, for another try."""
        return ToolContext(self.turn, self.tool_call_id, self._write)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
