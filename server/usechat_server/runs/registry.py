"""The runs of this process, and the way to all others: one active turn a chat."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import monotonic
from typing import Literal

from usechat_server.coordination.base import (
    ChatKey,
    Coordinator,
    Lease,
    LogSubscription,
    OrphanedRun,
    TakeOver,
)
from usechat_server.coordination.local import LocalCoordinator
from usechat_server.errors import RESTARTING, ChatConflict, ServiceUnavailable
from usechat_server.runs.responder import FailingResponder, Responder, refuse_takeover
from usechat_server.runs.run import Run, RunConfig
from usechat_server.turn import Turn

__all__ = ["OnBusy", "Runs"]

#: Seconds that readers have to take the end of a run that a drain ended.
DELIVERY = 5.0
#: Seconds that a request waits for a chat that is busy: the hang-up of a page that stops one answer
#: and asks for the next may arrive after what it asks.
PATIENCE = 1.0
#: Seconds more that it waits for an answer that has its end to be stored.
SAVING = 4.0

BUSY = "This chat is still answering. Please wait for the answer, or stop it first."
UNSAVED = "The last answer of this chat could not be saved yet. Please try again in a moment."

#: What becomes of a turn while another one is active in its chat.
OnBusy = Literal["refuse", "replace"]


class Runs:
    """Starts runs and knows those that are not settled yet. One an event loop."""

    def __init__(
        self,
        config: RunConfig | None = None,
        *,
        on_busy: OnBusy = "refuse",
        coordinator: Callable[[TakeOver], Coordinator] | None = None,
        responder: Callable[[Turn], Awaitable[Responder]] = refuse_takeover,
    ) -> None:
        """`coordinator` makes the board, in-process by default; what it makes may hand over runs
        whose
        process is gone, which are then answered by `responder`."""
        #: whether new runs are refused, because the server goes down
        self.draining = False
        #: when a drain waits no longer for readers, stores and hooks
        self._patience_ends = 0.0
        self._terms = config or RunConfig()
        self._on_busy = on_busy
        self._responder = responder
        self._runs: set[Run] = set()
        self._change = asyncio.Event()
        self.coordinator: Coordinator = (
            LocalCoordinator() if coordinator is None else coordinator(self._take_over)
        )

    async def answer(
        self,
        key: ChatKey,
        digest: str,
        begin: Callable[[Lease], Awaitable[tuple[Turn, Responder]]],
    ) -> LogSubscription:
        """What answers a request: the run that answers the same one already, or a new one of what
        `begin` makes of it, while the chat is its own.

        Raises ChatError: what `begin` raises, 409 while the chat is busy with another request, 503
        while draining.
        """
        run_id = secrets.token_hex(8)
        while True:
            if self.draining:
                raise ServiceUnavailable(RESTARTING)
            if (lease := await self.coordinator.acquire(key, run_id, digest)) is not None:
                break
            if (joined := await self._join(key, digest)) is not None:
                return joined
        try:
            turn, responder = await begin(lease)
        except BaseException:
            await lease.release()
            raise
        return await self.start(lease, turn, responder)

    async def start(self, lease: Lease, turn: Turn, responder: Responder) -> LogSubscription:
        """Begins to answer a turn; what its POST reads."""
        run = Run(turn, responder, lease, self._terms, settled=self._remove)
        self._runs.add(run)
        reading = run.subscribe()
        try:
            await run.start()
        except BaseException:
            reading.close()
            raise
        if self.draining:
            run.interrupt()  # it began in between
        return reading

    async def follow(self, key: ChatKey) -> LogSubscription | None:
        """The turn that a page comes back to; None: there is none to show."""
        found = await self.coordinator.get(key)
        return None if found is None else await found.subscribe()

    async def stop(
        self, key: ChatKey, *, run_id: str | None = None, message_id: str | None = None
    ) -> None:
        """Ends the chat's turn, wherever it runs; see `Coordinator.stop`."""
        await self.coordinator.stop(key, run_id=run_id, message_id=message_id)

    async def fetched(self, key: ChatKey) -> None:
        """Somebody got the chat's messages, the last one whole: so its end is delivered."""
        found = await self.coordinator.get(key)
        if found is not None and found.has_ended:
            await self.coordinator.mark_acknowledged(key, found.run_id)

    @property
    def active(self) -> list[Run]:
        """The runs of this process whose log has no end yet."""
        return [run for run in self._runs if not run.log.has_ended]

    async def drain(self, grace: float) -> None:
        """Takes no new runs, lets the live ones go on for `grace` seconds, then ends the rest.

        Returns when every answer is stored and every reader has the end, or that took too long.
        """
        self.draining = True
        await self._empty(grace)
        for run in self.active:
            run.interrupt()
        # Once, however often it is drained.
        self._patience_ends = self._patience_ends or monotonic() + DELIVERY
        await self._empty(max(0.0, self._patience_ends - monotonic()))

    async def aclose(self) -> None:
        """The same without a grace; then whatever still waits is given up."""
        await self.drain(0)
        for run in list(self._runs):
            await run.give_up()
        await self.coordinator.aclose()

    async def _join(self, key: ChatKey, digest: str) -> LogSubscription | None:
        """The run that has the chat, if it answers the same request. None: the chat may be free by
        now. Raises ChatError."""
        found = await self.coordinator.get(key)
        if found is None:
            return None
        if found.request_digest == digest and not found.is_acknowledged:
            return await found.subscribe()
        if self._on_busy == "replace":
            await self.coordinator.stop(key, run_id=found.run_id)
        if not await found.wait_until_free(PATIENCE):
            if not found.has_ended:
                raise ChatConflict(BUSY)
            if not await found.wait_until_free(SAVING):
                raise ServiceUnavailable(UNSAVED)
        return None

    async def _take_over(self, orphan: OrphanedRun) -> None:
        """Goes on with a run whose process is gone, or gives it a legal end."""
        responder: Responder
        try:
            responder = await self._responder(orphan.turn)
        except Exception as error:
            responder = FailingResponder(error)
        run = Run(
            orphan.turn, responder, orphan.lease, self._terms, settled=self._remove, log=orphan.log
        )
        self._runs.add(run)
        if self.draining or not orphan.can_continue:
            run.interrupt()
        await run.start()

    async def _empty(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._runs:
                    self._change.clear()
                    await self._change.wait()

    def _remove(self, run: Run) -> None:
        self._runs.discard(run)
        self._change.set()
