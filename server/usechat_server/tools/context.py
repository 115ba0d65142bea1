"""`ToolContext`: what a running tool knows of its call, and how it reports progress."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from copy import copy
from typing import Any

from ui_message_stream.chunks import Data

from usechat_server.tools.outputs import to_json
from usechat_server.turn import Turn

__all__ = ["ToolContext", "idempotency_key"]


class ToolContext:
    """The context of one tool call. A tool's parameter of this type gets it.

        @tool
        async def book(flight: str, ctx: ToolContext) -> str:
            ctx.data("progress", {"done": 0.5}, id=ctx.tool_call_id)

    Args:
        turn: The turn that the call belongs to.
        tool_call_id: Id of the call.
        write: Gets the data chunks, in the event loop in which the context was created.
        idempotency_key: Key of the call, see `idempotency_key`.

    Attributes:
        idempotency_key: A key that is the same in every attempt of this call, also in another
            process that takes the run over, and different for every other call. An API that
            takes such a key does the work of repeated requests once.
    """

    def __init__(
        self,
        turn: Turn,
        tool_call_id: str,
        write: Callable[[Data], None],
        *,
        idempotency_key: str,
    ) -> None:
        self.turn = turn
        self.tool_call_id = tool_call_id
        self.idempotency_key = idempotency_key
        #: what runs in threads for the call, also after it was cancelled
        self.running_threads: set[asyncio.Task[Any]] = set()
        self._write = write
        self._cancelled = False
        self._loop = _running_loop()

    @property
    def user(self) -> str | None:
        """The user's id, as the app's `user=` returned it; None without it."""
        return self.turn.user

    @property
    def chat_id(self) -> str:
        """The chat's id, as the client sent it."""
        return self.turn.chat_id

    @property
    def cancelled(self) -> bool:
        """Whether the call is no longer needed: it was stopped or took too long.

        An async tool is cancelled as well; one that runs in a thread should check this.
        """
        return self._cancelled

    def data(self, name: str, data: Any, *, id: str | None = None, transient: bool = False) -> None:  # noqa: A002
        """Send the client a data part, `data-NAME`, at once. Can be called from any thread.

        Nothing is sent after the call ended or was cancelled.

        Args:
            name: Name of the part, without `data-`.
            data: Anything that a tool can return, in its current state.
            id: A part with the id of an earlier one replaces it.
            transient: Whether the part only reaches `onData` and is not kept in the message.

        Raises:
            TypeError: `data` has no JSON form.
        """
        chunk = Data(name=name, data=to_json(data), id=id, transient=transient or None)
        if self._loop is None or self._loop is _running_loop():
            self._send(chunk)
        elif not self._cancelled:
            self._loop.call_soon_threadsafe(self._send, chunk)

    def cancel(self) -> None:
        """Mark the call as no longer needed."""
        self._cancelled = True

    def _send(self, chunk: Data) -> None:
        if not self._cancelled:
            self._write(chunk)

    def for_attempt(self) -> ToolContext:
        """Return a context for one attempt of the same call, which has not been cancelled."""
        attempt = copy(self)
        attempt._cancelled = False
        return attempt


def idempotency_key(run_id: str, tool_call_id: str) -> str:
    """Return the key of a run's tool call: 32 characters, whatever the length of the ids."""
    # A space separates them: a run's id has none.
    return hashlib.sha256(f"{run_id} {tool_call_id}".encode()).hexdigest()[:32]


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
