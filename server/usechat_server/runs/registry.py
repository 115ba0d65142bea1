"""The runs of this process, and access to those of others: one active run per chat."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Literal

from usechat_server.chat_request import MessageIds
from usechat_server.coordination.base import (
    ChatKey,
    Coordinator,
    Lease,
    LogSubscription,
    OrphanedRun,
    RunHandle,
    TakeOver,
)
from usechat_server.coordination.local import LocalCoordinator
from usechat_server.coordination.stop import concerns
from usechat_server.errors import RESTARTING, ChatConflict, ServiceUnavailable
from usechat_server.runs.responder import FailingResponder, Responder, refuse_takeover
from usechat_server.runs.run import Run, RunConfig
from usechat_server.turn import Turn

__all__ = ["OnBusy", "Runs"]

#: Seconds that readers have to receive the end of a run that a drain ended.
DELIVERY_SECONDS = 5.0
#: Seconds that a request waits for a busy chat: a client that stops one response and asks for the
#: next may send its request before its disconnect is seen.
BUSY_SECONDS = 1.0
#: Seconds between two looks at a busy chat.
BUSY_POLL = 0.1
#: Seconds more that it waits for a run that has ended and is not stored yet.
STORE_SECONDS = 4.0

BUSY = "This chat is still responding. Please wait for the response, or stop it first."
UNSAVED = "The last response of this chat could not be saved yet. Please try again in a moment."

_NO_IDS = MessageIds()

#: What happens to a turn while its chat has another active run.
OnBusy = Literal["refuse", "replace"]


class Runs:
    """Starts runs and keeps those that are not closed yet. One per event loop."""

    def __init__(
        self,
        config: RunConfig | None = None,
        *,
        on_busy: OnBusy = "refuse",
        coordinator: Callable[[TakeOver], Coordinator] | None = None,
        responder: Callable[[Turn], Awaitable[Responder]] = refuse_takeover,
    ) -> None:
        """Create the registry of an event loop.

        Args:
            config: What all runs have in common.
            on_busy: What happens to a turn while its chat has another active run.
            coordinator: Creates the coordinator, from the function that takes over a run whose
                process is gone; a LocalCoordinator by default.
            responder: Returns the responder of a run that is taken over.
        """
        #: whether new runs are refused, because the server shuts down
        self.draining: bool = False
        #: when a drain stops waiting for readers, stores and hooks
        self._drain_deadline = 0.0
        self._config = config or RunConfig()
        self._on_busy = on_busy
        self._responder = responder
        self._runs: set[Run] = set()
        #: the users of the runs that are about to start
        self._starting: list[str | None] = []
        self._change = asyncio.Event()
        self.coordinator: Coordinator = (
            LocalCoordinator() if coordinator is None else coordinator(self._take_over)
        )

    async def start_or_join(
        self,
        key: ChatKey,
        digest: str,
        begin: Callable[[Lease], Awaitable[tuple[Turn, Responder]]],
        *,
        ids: MessageIds = _NO_IDS,
    ) -> LogSubscription:
        """Start a run for a request, or join the run of the same request.

        A request to write the response again that is being written, or was not received yet, joins
        that run.

        Args:
            key: The chat.
            digest: Digest of the request, the same whenever a client repeats it.
            begin: Returns the turn and its responder; called while this request has the chat.
            ids: The messages that the request is about.

        Returns:
            The subscription that the response reads.

        Raises:
            ChatConflict: The chat is busy with another request.
            ServiceUnavailable: The server shuts down, or the chat's last run is not stored yet.
            TooManyRequests: There are too many runs.
            Exception: Whatever `begin` raises.
        """
        run_id = secrets.token_hex(8)
        has_one_timeout = self._config.hang_up_timeout is None
        is_resumed = not has_one_timeout and await self.coordinator.is_resumed(key)
        if ids.regenerated and (subscription := await self._join_unread(key, ids)) is not None:
            return subscription
        while True:
            if self.draining:
                raise ServiceUnavailable(RESTARTING)
            if (lease := await self.coordinator.acquire(key, run_id, digest)) is not None:
                break
            if (subscription := await self._join_or_wait(key, digest, ids)) is not None:
                return subscription
        try:
            users = [run.turn.user for run in self.active_runs]
            self._config.limits.check(key.user, [*users, *self._starting])
            self._starting.append(key.user)
            try:
                turn, responder = await begin(lease)
            finally:
                self._starting.remove(key.user)
        except BaseException:
            await lease.release()
            raise
        return await self.start(lease, turn, responder, is_resumed=is_resumed)

    async def start(
        self, lease: Lease, turn: Turn, responder: Responder, *, is_resumed: bool = False
    ) -> LogSubscription:
        """Start a run.

        Args:
            lease: The lease of the turn's chat.
            turn: The turn to respond to.
            responder: Writes the response.
            is_resumed: Whether a client of the chat asks for its run when it comes back.

        Returns:
            The subscription that the response to the POST reads.
        """
        run = Run(turn, responder, lease, self._config, on_closed=self._remove)
        if is_resumed:
            run.keep_for_readers()
        self._runs.add(run)
        subscription = run.subscribe()
        try:
            await run.start()
        except BaseException:
            subscription.close()
            raise
        if self.draining:
            run.interrupt()  # the drain began in between
        return subscription

    async def resume(self, key: ChatKey) -> LogSubscription | None:
        """Subscribe to the chat's run for a client that comes back; None if there is none."""
        await self.coordinator.record_resumption(key)
        run = await self.coordinator.get(key)
        if run is None:
            return None
        for own_run in self._runs:
            if own_run.id == run.run_id:
                own_run.keep_for_readers()
        return await run.subscribe()

    async def stop(
        self, key: ChatKey, *, run_id: str | None = None, message_id: str | None = None
    ) -> None:
        """End the chat's run, in whichever process it is; see `Coordinator.stop`."""
        await self.coordinator.stop(key, run_id=run_id, message_id=message_id)

    async def stop_all(
        self, chat_id: str, *, run_id: str | None = None, message_id: str | None = None
    ) -> None:
        """End the runs of this process that have a chat id, where chats are not shared; for the
        arguments, see `Coordinator.stop`."""
        runs = [
            run
            for run in self.active_runs
            if run.turn.chat_id == chat_id
            and run_id in {None, run.id}
            and concerns(run.turn, message_id)
        ]
        for run in runs:
            run.stop()

    async def acknowledge(self, key: ChatKey) -> None:
        """Record that a client loaded the chat, and so has the end of a run that has ended."""
        run = await self.coordinator.get(key)
        if run is not None and run.has_ended:
            await self.coordinator.mark_acknowledged(key, run.run_id)

    @property
    def active_runs(self) -> list[Run]:
        """The runs of this process whose log has no end yet."""
        return [run for run in self._runs if not run.log.has_ended]

    async def drain(self, grace: float) -> None:
        """Refuse new runs, let the active ones go on for `grace` seconds, then end the rest.

        Returns when every message is stored and every reader has the end, or after
        `DELIVERY_SECONDS`.
        """
        self.draining = True
        await self._wait_until_empty(grace)
        for run in self.active_runs:
            run.interrupt()
        # Set once, however often it is drained.
        self._drain_deadline = self._drain_deadline or monotonic() + DELIVERY_SECONDS
        await self._wait_until_empty(max(0.0, self._drain_deadline - monotonic()))

    async def aclose(self) -> None:
        """Drain without a grace, then cancel whatever still waits."""
        await self.drain(0)
        for run in list(self._runs):
            await run.cancel()
        await self.coordinator.aclose()

    async def _join_unread(self, key: ChatKey, ids: MessageIds) -> LogSubscription | None:
        """Join the run that writes the response which is requested again, or has written it without
        that a client has received it all. Returns None if there is none."""
        run = await self.coordinator.get(key)
        if run is None or run.is_acknowledged or ids.regenerated.isdisjoint(run.message_ids):
            return None
        if run.has_ended:
            await run.wait_until_free(STORE_SECONDS)
            run = await self.coordinator.get(key)
            return await run.subscribe() if run is not None and run.is_complete else None
        return None if self._on_busy == "replace" else await run.subscribe()

    async def _join_or_wait(
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
        run = await self.coordinator.get(key)
        if run is None:
            return None
        if run.request_digest == digest and not run.is_acknowledged:
            return await run.subscribe()
        if self._on_busy == "replace":
            await self.coordinator.stop(key, run_id=run.run_id)
        deadline = monotonic() + BUSY_SECONDS
        while not await run.wait_until_free(BUSY_POLL):
            current = await self.coordinator.get(key)
            if current is None or current.run_id != run.run_id:
                break
            if current.has_ended:
                if not await current.wait_until_free(STORE_SECONDS):
                    raise ServiceUnavailable(UNSAVED)
                break
            if _was_left(current, ids):
                await self.coordinator.stop(key, run_id=run.run_id)
            elif monotonic() > deadline:
                raise ChatConflict(BUSY)
        return None

    async def _take_over(self, orphan: OrphanedRun) -> None:
        """Continue a run whose process is gone, or give it a legal end."""
        responder: Responder
        try:
            responder = await self._responder(orphan.turn)
        except Exception as error:
            responder = FailingResponder(error)
        run = Run(
            orphan.turn,
            responder,
            orphan.lease,
            self._config,
            on_closed=self._remove,
            log=orphan.log,
        )
        run.keep_for_readers()
        self._runs.add(run)
        if self.draining or not orphan.can_continue:
            run.interrupt()
        await run.start()

    async def _wait_until_empty(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._runs:
                    self._change.clear()
                    await self._change.wait()

    def _remove(self, run: Run) -> None:
        self._runs.discard(run)
        self._change.set()


def _was_left(run: RunHandle, ids: MessageIds) -> bool:
    """Whether the client of a request no longer reads a run: no client does, or the request has the
    run's message or its question behind it. In that case one reader may be the client itself, whose
    hang-up a proxy has not passed on yet; of two readers, one is another client."""
    if run.readers == 0:
        return True
    return not ids.superseded.isdisjoint(run.message_ids) and run.readers < 2
