"""The functions of an app that are called when a chat is created and when a run ends."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ui_message_stream.messages import UIMessage

from usechat_server.aio import call_hook
from usechat_server.results import OutputT, RunResult
from usechat_server.turn import BodyT, Turn

__all__ = ["ChatCreatedHook", "FinishHook", "Hooks", "MessageHook"]

logger: logging.Logger = logging.getLogger("usechat.run")

#: Called at the end of a run, however it ended, with the whole message: for apps that save messages
#: themselves. A sync function runs in a thread.
MessageHook = Callable[[Turn[BodyT], UIMessage], Awaitable[None] | None]
#: Called after `on_message`, with the run's outcome, model calls and tokens. A sync function runs
#: in a thread.
FinishHook = Callable[[RunResult[OutputT]], Awaitable[None] | None]
#: Called with the first turn of a new stored chat. A sync function runs in a thread.
ChatCreatedHook = Callable[[Turn[BodyT]], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class Hooks:
    """The hooks of an app. An exception in a hook is logged and has no other effect."""

    on_message: MessageHook | None = None
    on_finish: FinishHook | None = None
    on_chat_created: ChatCreatedHook | None = None

    async def call_on_message(self, turn: Turn, message: UIMessage) -> None:
        if self.on_message is not None:
            await _call("on_message", self.on_message, turn, message)

    async def call_on_finish(self, result: RunResult) -> None:
        if self.on_finish is not None:
            await _call("on_finish", self.on_finish, result)

    async def call_on_chat_created(self, turn: Turn) -> None:
        if self.on_chat_created is not None:
            await _call("on_chat_created", self.on_chat_created, turn)


async def _call(name: str, hook: Callable[..., Any], *args: Any) -> None:
    try:
        await call_hook(hook, *args)
    except Exception:
        logger.exception("%s= failed", name)
