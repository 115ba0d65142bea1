"""What a request does about a chat that has a run: it joins the run, replaces it, or is refused."""

from __future__ import annotations

from time import monotonic
from typing import Literal

from usechat_server.chat_request import MessageIds
from usechat_server.coordination.base import ChatKey, Coordinator, RunState
from usechat_server.coordination.subscription import LogSubscription
from usechat_server.errors import ChatConflict, ServiceUnavailable

__all__ = ["BusyChats", "OnBusy"]

#: Seconds that a request waits for a busy chat: a client that stops one response and asks for the
#: next may send its request before its disconnect is seen.
BUSY_SECONDS = 1.0
#: Seconds between two looks at a busy chat.
BUSY_POLL = 0.1
#: Seconds more that it waits for a run that has ended and is not stored yet.
STORE_SECONDS = 4.0

BUSY = "This chat is still responding. Please wait for the response, or stop it first."
UNSAVED = "The last response of this chat could not be saved yet. Please try again in a moment."

#: What happens to a turn while its chat has another active run.
OnBusy = Literal["refuse", "replace"]


class BusyChats:
    """Decides about the requests of busy chats."""

    def __init__(self, coordinator: Coordinator, on_busy: OnBusy) -> None:
        self._coordinator = coordinator
        self._on_busy = on_busy

    async def join_unread(self, key: ChatKey, ids: MessageIds) -> LogSubscription | None:
        """Join the run that writes the response which is requested again, or has written it without
        that a client has received it all. Returns None if there is none."""
        if not ids.regenerated:
            return None
        run = await self._coordinator.get(key)
        if run is None or run.is_acknowledged or ids.regenerated.isdisjoint(run.message_ids):
            return None
        if run.has_ended:
            await self._coordinator.wait_until_free(key, run.run_id, STORE_SECONDS)
            run = await self._coordinator.get(key)
            if run is None or not run.is_complete:
                return None
        elif self._on_busy == "replace":
            return None
        return await self._coordinator.subscribe(key, run.run_id)

    async def join_or_wait(
        self, key: ChatKey, digest: str, ids: MessageIds
    ) -> LogSubscription | None:
        """Join the chat's run if it is of the same request, else wait until the chat is free. A run
        that the request's client has left is stopped.

        Returns:
            The subscription; None: the chat may be free.

        Raises:
            ChatConflict: The chat is busy.
            ServiceUnavailable: Its last run is not stored yet.
        """
        run = await self._coordinator.get(key)
        if run is None:
            return None
        if run.request_digest == digest and not run.is_acknowledged:
            return await self._coordinator.subscribe(key, run.run_id)
        if self._on_busy == "replace":
            await self._coordinator.stop(key, run_id=run.run_id)
        deadline, is_stopped = monotonic() + BUSY_SECONDS, False
        while not await self._coordinator.wait_until_free(key, run.run_id, BUSY_POLL):
            current = await self._coordinator.get(key)
            if current is None or current.run_id != run.run_id:
                break
            if current.has_ended:
                if not await self._coordinator.wait_until_free(key, run.run_id, STORE_SECONDS):
                    raise ServiceUnavailable(UNSAVED)
                break
            if _was_left(current, ids) and not is_stopped:
                is_stopped = True
                await self._coordinator.stop(key, run_id=run.run_id)
            elif monotonic() > deadline:
                raise ChatConflict(BUSY)
        return None


def _was_left(run: RunState, ids: MessageIds) -> bool:
    """Whether the client of a request no longer reads a run: no client does, or the request has the
    run's message or its question behind it. In that case one reader may be the client itself, whose
    hang-up a proxy has not passed on yet; of two readers, one is another client."""
    if run.readers == 0:
        return True
    return not ids.superseded.isdisjoint(run.message_ids) and run.readers < 2
