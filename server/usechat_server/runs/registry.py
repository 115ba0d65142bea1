"""The runs of this process, and access to those of others: one active run per chat."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from time import monotonic

from usechat_server.chat_request import MessageIds
from usechat_server.coordination.base import ChatKey, Coordinator
from usechat_server.coordination.lease import Lease
from usechat_server.coordination.local import LocalCoordinator
from usechat_server.coordination.orphans import OrphanedRun, TakeOver
from usechat_server.coordination.ownership import LEASE, Orphan, Owner
from usechat_server.coordination.stop import concerns
from usechat_server.coordination.subscription import LogSubscription
from usechat_server.coordination.unshared import UnsharedLease
from usechat_server.errors import RESTARTING, ServiceUnavailable
from usechat_server.runs.busy_chats import BusyChats, OnBusy
from usechat_server.runs.checkpoints import Checkpoints
from usechat_server.runs.config import RunConfig
from usechat_server.runs.responder import Responder, refuse_takeover
from usechat_server.runs.run import Run
from usechat_server.runs.run_set import RunSet
from usechat_server.runs.takeover import Takeovers
from usechat_server.store.base import ChatBusy, OpenTurn
from usechat_server.telemetry import metrics
from usechat_server.telemetry.instruments import JOINS, RESUMES, STOPS
from usechat_server.turn import Turn

__all__ = ["Runs"]

logger: logging.Logger = logging.getLogger("usechat.run")

#: Seconds that readers have to receive the end of a run that a drain ended.
DELIVERY_SECONDS = 5.0
#: Seconds between two looks for the owner of a chat.
POLL = 0.25
#: Seconds that a client which resumes waits until another process has taken the run over.
TAKEOVER_SECONDS = 3 * LEASE

_NO_IDS = MessageIds()


class Runs:
    """Starts runs and keeps those that are not closed yet. One per event loop."""

    def __init__(
        self,
        config: RunConfig | None = None,
        *,
        on_busy: OnBusy = "refuse",
        coordinator: Callable[[TakeOver], Coordinator] | None = None,
        responder: Callable[[Turn], Awaitable[Responder]] = refuse_takeover,
        read_turn: Callable[[bytes], Turn] = Turn.from_json,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Create the registry of an event loop.

        Args:
            config: What all runs have in common.
            on_busy: What happens to a turn while its chat has another active run.
            coordinator: Creates the coordinator, from the function that takes over a run whose
                process is gone; a LocalCoordinator by default.
            responder: Returns the responder of a run that is taken over.
            read_turn: Decodes what `Turn.to_json` returned.
            clock: Returns seconds that never go back, for leases in the store.
        """
        config = config or RunConfig()
        self._config = config
        self._checkpoints: Checkpoints | None = None
        if config.store is not None:
            self._checkpoints = Checkpoints(
                config.store.ownership,
                self._start_takeover,
                seconds=config.checkpoint_seconds,
                clock=clock,
            )
        self._runs = RunSet(config, self._checkpoints)
        if config.store is not None:
            config.store.ownership.add_runs(self._runs)
        #: when a drain stops waiting for readers, stores and hooks
        self._drain_deadline = 0.0
        #: the users of the runs that are about to start
        self._starting: list[str | None] = []
        self.coordinator: Coordinator = (
            LocalCoordinator() if coordinator is None else coordinator(self._take_over)
        )
        self._busy_chats = BusyChats(self.coordinator, on_busy)
        self._takeovers = Takeovers(self._runs, self.coordinator, responder, read_turn)

    async def start_or_join(
        self,
        key: ChatKey,
        digest: str,
        begin: Callable[[Lease], Awaitable[tuple[Turn, Responder]]],
        *,
        ids: MessageIds = _NO_IDS,
        can_resume: bool = True,
    ) -> LogSubscription:
        """Start a run for a request, or join the run of the same request.

        A request to write the response again that is being written, or was not received yet, joins
        that run.

        Args:
            key: The chat.
            digest: Digest of the request, the same whenever a client repeats it.
            begin: Returns the turn and its responder; called while this request has the chat.
            ids: The messages that the request is about.
            can_resume: Whether a client that lost its connection can come back to the run. Else it
                ends with its last reader.

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
        if (subscription := await self._busy_chats.join_unread(key, ids)) is not None:
            metrics.record(JOINS)
            return subscription
        owner: Owner | None = None
        while True:
            if self._runs.draining:
                raise ServiceUnavailable(RESTARTING)
            lease = await self.coordinator.acquire(key, run_id, digest)
            if lease is None:
                subscription = await self._busy_chats.join_or_wait(key, digest, ids)
                if subscription is not None:
                    metrics.record(JOINS)
                    return subscription
                continue
            sent_at = 0.0 if self._checkpoints is None else self._checkpoints.now()
            try:
                turn, responder = await self._begin_turn(lease, key.user, begin)
            except ChatBusy as busy:
                await lease.release()
                # Its process may be gone: then it does not renew its lease.
                if owner is not None and _is_alive(owner, busy.owner):
                    raise
                owner = busy.owner
                await asyncio.sleep(POLL)
                continue
            except BaseException:
                await lease.release()
                raise
            if self._checkpoints is not None:
                self._checkpoints.confirm_lease(sent_at)
            config = self._config if can_resume else self._config.without_resumption()
            return await self.start(lease, turn, responder, is_resumed=is_resumed, config=config)

    async def start_once(
        self, user: str | None, begin: Callable[[Lease], Awaitable[tuple[Turn, Responder]]]
    ) -> LogSubscription:
        """Start a run that belongs to no chat: it has one reader and ends with it, nothing is
        stored, and no other process knows of it.

        Args:
            user: The user.
            begin: As for `start_or_join`.

        Returns:
            The subscription that the response reads.

        Raises:
            ServiceUnavailable: The server shuts down.
            TooManyRequests: There are too many runs.
            Exception: Whatever `begin` raises.
        """
        if self._runs.draining:
            raise ServiceUnavailable(RESTARTING)
        lease = UnsharedLease(secrets.token_hex(8))
        turn, responder = await self._begin_turn(lease, user, begin)
        config = replace(self._config.without_resumption(), store=None)
        return await self.start(lease, turn, responder, config=config)

    async def _begin_turn(
        self,
        lease: Lease,
        user: str | None,
        begin: Callable[[Lease], Awaitable[tuple[Turn, Responder]]],
    ) -> tuple[Turn, Responder]:
        """Call `begin`, if the user and this process may have one more run."""
        users = [run.turn.user for run in self.active_runs]
        self._config.limits.check(user, [*users, *self._starting])
        self._starting.append(user)
        try:
            with self._runs.expect(lease.run_id):
                return await begin(lease)
        finally:
            self._starting.remove(user)

    async def start(
        self,
        lease: Lease,
        turn: Turn,
        responder: Responder,
        *,
        is_resumed: bool = False,
        config: RunConfig | None = None,
    ) -> LogSubscription:
        """Start a run.

        Args:
            lease: The lease of the turn's chat.
            turn: The turn to respond to.
            responder: Writes the response.
            is_resumed: Whether a client of the chat asks for its run when it comes back.
            config: What it has in common with others; by default with all.

        Returns:
            The subscription that the response to the POST reads.
        """
        run = self._runs.create(turn, responder, lease, config=config)
        if is_resumed:
            run.keep_for_readers()
        subscription = run.subscribe()
        try:
            await run.start()
        except BaseException:
            subscription.close()
            raise
        if self._runs.draining:
            run.interrupt()  # the drain began in between
        return subscription

    async def resume(self, key: ChatKey) -> LogSubscription | None:
        """Subscribe to the chat's run for a client that comes back; None if there is none."""
        if self._config.hang_up_timeout is not None:
            await self.coordinator.record_resumption(key)
        owner, deadline = None, monotonic() + TAKEOVER_SECONDS
        while (run := await self.coordinator.get(key)) is None:
            # The process of the run may be gone: then another one, or this one, takes it over,
            # and the run is there soon after the store says so.
            if self._checkpoints is None or monotonic() > deadline:
                return None
            now = await self._checkpoints.ownership.owner(*key)
            if now is None:
                # It may have been taken over, and have ended, since the first look.
                run = await self.coordinator.get(key)
                break
            if owner is not None and _is_alive(owner, now):
                return None
            owner = now
            await asyncio.sleep(POLL)
        if run is None:
            return None
        for own_run in self._runs.all:
            if own_run.id == run.run_id:
                own_run.keep_for_readers()
        metrics.record(RESUMES)
        return await self.coordinator.subscribe(key, run.run_id)

    async def is_orphaned(self, key: ChatKey) -> bool:
        """Whether the chat has a run whose process may be gone: it will be, or is being, taken
        over."""
        if self._checkpoints is None:
            return False
        return await self._checkpoints.ownership.owner(*key) is not None

    async def stop(
        self, key: ChatKey, *, run_id: str | None = None, message_id: str | None = None
    ) -> None:
        """End the chat's run, in whichever process it is; see `Coordinator.stop`."""
        metrics.record(STOPS)
        await self.coordinator.stop(key, run_id=run_id, message_id=message_id)

    async def stop_all(
        self, chat_id: str, *, run_id: str | None = None, message_id: str | None = None
    ) -> None:
        """End the runs of this process that have a chat id, where chats are not shared; for the
        arguments, see `Coordinator.stop`."""
        metrics.record(STOPS)
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
        return self._runs.active

    async def drain(self, grace: float) -> None:
        """Refuse new runs, let the active ones go on for `grace` seconds, then end the rest.

        Returns when every message is stored and every reader has the end, or after
        `DELIVERY_SECONDS`.
        """
        self._runs.draining = True
        await self._runs.wait_until_empty(grace)
        for run in self.active_runs:
            run.interrupt()
        # Set once, however often it is drained.
        self._drain_deadline = self._drain_deadline or monotonic() + DELIVERY_SECONDS
        await self._runs.wait_until_empty(max(0.0, self._drain_deadline - monotonic()))

    async def aclose(self) -> None:
        """Drain without a grace, then cancel whatever still waits."""
        await self.drain(0)
        await self._takeovers.aclose()
        for run in self._runs.all:
            await run.cancel()
        if self._checkpoints is not None:
            await self._checkpoints.aclose()
        await self.coordinator.aclose()

    async def take_over_former(self, turns: Sequence[OpenTurn]) -> None:
        """Take over, or end, turns that a release without process leases left open."""
        await self._takeovers.take_over_former(turns)

    def watch(self) -> None:
        """Look for runs whose process is gone from now on, if there is a store. Idempotent."""
        if self._checkpoints is not None:
            self._checkpoints.start()

    def _start_takeover(self, orphan: Orphan) -> None:
        self._takeovers.start(orphan)

    async def _take_over(self, orphan: OrphanedRun) -> None:
        await self._takeovers.take_over(orphan)


def _is_alive(before: Owner, now: Owner) -> bool:
    """Whether the owner of a chat has renewed its lease between two looks."""
    is_same = (now.run_id, now.process) == (before.run_id, before.process)
    return now.is_alive and is_same and now.expires_at > before.expires_at
