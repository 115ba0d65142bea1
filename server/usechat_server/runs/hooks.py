"""The app's own functions that are called at the end of an answer."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ui_message_stream.messages import UIMessage

from usechat_server.aio import call_hook
from usechat_server.results import RunResult
from usechat_server.turn import Turn

__all__ = ["ChatCreatedHook", "FinishHook", "Hooks", "MessageHook"]

logger = logging.getLogger("usechat.run")

#: Gets the whole message of an answer, whatever ended it: what an app with a database of its own
#: saves. Sync functions run in a thread.
MessageHook = Callable[[Turn, UIMessage], Awaitable[None] | None]
#: Gets what became of an answer and what its model calls cost. Sync functions run in a thread.
FinishHook = Callable[[RunResult], Awaitable[None] | None]

#: Gets the first turn of a chat that the store has begun to keep. A sync function runs in a thread.
ChatCreatedHook = Callable[[Turn], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class Hooks:
    """A hook that fails costs a log line, nothing else."""

    on_message: MessageHook | None = None
    on_finish: FinishHook | None = None
    on_chat_created: ChatCreatedHook | None = None

    async def message(self, turn: Turn, message: UIMessage) -> None:
        if self.on_message is not None:
            await _call("on_message", self.on_message, turn, message)

    async def finish(self, answer: RunResult) -> None:
        if self.on_finish is not None:
            await _call("on_finish", self.on_finish, answer)

    async def chat_created(self, turn: Turn) -> None:
        if self.on_chat_created is not None:
            await _call("on_chat_created", self.on_chat_created, turn)


async def _call(name: str, hook: Callable[..., Any], *args: Any) -> None:
    try:
        await call_hook(hook, *args)
    except Exception:
        logger.exception("%s= failed", name)
