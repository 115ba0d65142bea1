"""The runs of this process, and access to those of others: one active run per chat."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import Literal

from usechat_server.aio import cancel
from usechat_server.chat_request import MessageIds
from usechat_server.coordination.base import ChatKey, Coordinator, RunState
from usechat_server.coordination.lease import Lease
from usechat_server.coordination.local import LocalCoordinator
from usechat_server.coordination.orphans import OrphanedRun, RunEnd, TakeOver
from usechat_server.coordination.stop import concerns
from usechat_server.coordination.subscription import LogSubscription
from usechat_server.coordination.unshared import UnsharedLease
from usechat_server.errors import RESTARTING, ChatConflict, ServiceUnavailable, StoreUnavailable
from usechat_server.loop.run_writer import Takeover
from usechat_server.run_log.position import parse_position
from usechat_server.runs.checkpoints import Checkpoints
from usechat_server.runs.responder import FailingResponder, Responder, refuse_takeover
from usechat_server.runs.run import Run, RunConfig
from usechat_server.runs.takeover import can_continue, has_all_of, stored_log, turn_of
from usechat_server.store.base import LEASE, ChatBusy, OpenTurn, Orphan, Owner
from usechat_server.telemetry import metrics
from usechat_server.telemetry.instruments import JOINS, RESUMES, STOPS, TAKEOVERS
from usechat_server.turn import Turn

__all__ = ["OnBusy", "Runs"]

logger: logging.Logger = logging.getLogger("usechat.run")

#: Seconds that readers have to receive the end of a run that a drain ended.
DELIVERY_SECONDS = 5.0
#: Seconds that a request waits for a busy chat: a client that stops one response and asks for the
#: next may send its request before its disconnect is seen.
BUSY_SECONDS = 1.0
#: Seconds between two looks at a busy chat.
BUSY_POLL = 0.1
#: Seconds between two looks for the owner of a chat.
POLL = 0.25
#: Seconds that a client which resumes waits until another process has taken the run over.
TAKEOVER_SECONDS = 3 * LEASE
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
        #: whether new runs are refused, because the server shuts down
        self.draining: bool = False
        #: when a drain stops waiting for readers, stores and hooks
        self._drain_deadline = 0.0
        self._config = config or RunConfig()
        self._on_busy = on_busy
        self._responder = responder
        self._read_turn = read_turn
        self._checkpoints: Checkpoints | None = None
        if (store := self._config.store) is not None:
            self._checkpoints = Checkpoints(
                store.ownership,
                self._start_takeover,
                seconds=self._config.checkpoint_seconds,
                clock=clock,
            )
        #: takeovers under way, by run
        self._takeovers: dict[str, asyncio.Task[None]] = {}
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
        if ids.regenerated and (subscription := await self._join_unread(key, ids)) is not None:
            metrics.record(JOINS)
            return subscription
        owner: Owner | None = None
        while True:
            if self.draining:
                raise ServiceUnavailable(RESTARTING)
            lease = await self.coordinator.acquire(key, run_id, digest)
            if lease is None:
                if (subscription := await self._join_or_wait(key, digest, ids)) is not None:
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
            config = self._config if can_resume else _without_resumption(self._config)
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
        if self.draining:
            raise ServiceUnavailable(RESTARTING)
        lease = UnsharedLease(secrets.token_hex(8))
        turn, responder = await self._begin_turn(lease, user, begin)
        config = replace(_without_resumption(self._config), store=None)
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
        config = config or self._config
        run = Run(
            turn,
            responder,
            lease,
            config,
            on_closed=self._remove,
            checkpoints=None if config.store is None else self._checkpoints,
        )
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
        if self._config.hang_up_timeout is not None:
            await self.coordinator.record_resumption(key)
        owner, deadline = None, monotonic() + TAKEOVER_SECONDS
        while (run := await self.coordinator.get(key)) is None:
            # The process of the run may be gone: then another one, or this one, takes it over.
            if self._checkpoints is None:
                return None
            now = await self._checkpoints.ownership.owner(*key)
            if now is None or now.is_own or monotonic() > deadline:
                return None
            if owner is not None and _is_alive(owner, now):
                return None
            owner = now
            await asyncio.sleep(POLL)
        for own_run in self._runs:
            if own_run.id == run.run_id:
                own_run.keep_for_readers()
        metrics.record(RESUMES)
        return await self.coordinator.subscribe(key, run.run_id)

    async def is_orphaned(self, key: ChatKey) -> bool:
        """Whether the chat has a run whose process may be gone, and which will be taken over."""
        if self._checkpoints is None:
            return False
        owner = await self._checkpoints.ownership.owner(*key)
        return owner is not None and not owner.is_own

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
        await cancel(self._takeovers.values())
        for run in list(self._runs):
            await run.cancel()
        if self._checkpoints is not None:
            await self._checkpoints.aclose()
        await self.coordinator.aclose()

    def watch(self) -> None:
        """Look for runs whose process is gone from now on, if there is a store. Idempotent."""
        if self._checkpoints is not None:
            self._checkpoints.start()

    async def _join_unread(self, key: ChatKey, ids: MessageIds) -> LogSubscription | None:
        """Join the run that writes the response which is requested again, or has written it without
        that a client has received it all. Returns None if there is none."""
        run = await self.coordinator.get(key)
        if run is None or run.is_acknowledged or ids.regenerated.isdisjoint(run.message_ids):
            return None
        if run.has_ended:
            await self.coordinator.wait_until_free(key, run.run_id, STORE_SECONDS)
            run = await self.coordinator.get(key)
            if run is None or not run.is_complete:
                return None
        elif self._on_busy == "replace":
            return None
        return await self.coordinator.subscribe(key, run.run_id)

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
            return await self.coordinator.subscribe(key, run.run_id)
        if self._on_busy == "replace":
            await self.coordinator.stop(key, run_id=run.run_id)
        deadline = monotonic() + BUSY_SECONDS
        while not await self.coordinator.wait_until_free(key, run.run_id, BUSY_POLL):
            current = await self.coordinator.get(key)
            if current is None or current.run_id != run.run_id:
                break
            if current.has_ended:
                if not await self.coordinator.wait_until_free(key, run.run_id, STORE_SECONDS):
                    raise ServiceUnavailable(UNSAVED)
                break
            if _was_left(current, ids):
                await self.coordinator.stop(key, run_id=run.run_id)
            elif monotonic() > deadline:
                raise ChatConflict(BUSY)
        return None

    async def _take_over(self, orphan: OrphanedRun) -> None:
        """Continue a run whose process is gone, or give it a legal end."""
        if orphan.end is not None:
            await self._end_log(orphan, orphan.end)
            return
        await self._continue(
            orphan.turn, orphan.lease, Takeover(orphan.log), can_continue=orphan.can_continue
        )

    async def _continue(
        self, turn: Turn, lease: Lease, takeover: Takeover | None, *, can_continue: bool
    ) -> None:
        metrics.record(TAKEOVERS)
        responder: Responder
        try:
            responder = await self._responder(turn)
        except Exception as error:
            responder = FailingResponder(error)
        run = Run(
            turn,
            responder,
            lease,
            self._config,
            on_closed=self._remove,
            checkpoints=self._checkpoints,
            takeover=takeover,
        )
        run.keep_for_readers()
        self._runs.add(run)
        if self.draining or not can_continue:
            run.interrupt()
        await run.start()

    async def _end_log(self, orphan: OrphanedRun, end: RunEnd) -> None:
        """Give a log its end whose run has ended, before its process could publish that."""
        run = Run(
            orphan.turn,
            FailingResponder(ServiceUnavailable(RESTARTING)),
            orphan.lease,
            RunConfig(),
            on_closed=self._remove,
            takeover=Takeover(orphan.log),
        )
        self._runs.add(run)
        position = None if end.log_position is None else parse_position(end.log_position)
        is_whole = position is not None and orphan.log.end_position >= position
        run.end_as(end.outcome if is_whole else None)
        await run.start()

    async def take_over_former(self, turns: Sequence[OpenTurn]) -> None:
        """Take over, or end, turns that a release without process leases left open."""
        for turn in turns:
            run = await self.coordinator.get(ChatKey(turn.user, turn.chat_id))
            if run is not None and run.run_id == turn.run_id:
                self._start_takeover(Orphan(turn.user, turn.chat_id, turn.run_id, turn.epoch))
            elif self._config.store is not None:
                logger.warning("run %s: its process is gone, interrupted", turn.run_id)
                await self._config.store.interrupt([turn.run_id])

    def _start_takeover(self, orphan: Orphan) -> None:
        if orphan.run_id not in self._takeovers and not self.draining:
            task = asyncio.create_task(self._take_over_stored(orphan))
            self._takeovers[orphan.run_id] = task
            task.add_done_callback(lambda _: self._takeovers.pop(orphan.run_id, None))

    async def _take_over_stored(self, orphan: Orphan) -> None:
        """Take a run over, as the store has it."""
        store, checkpoints = self._config.store, self._checkpoints
        assert store is not None and checkpoints is not None  # noqa: S101, PT018
        key = ChatKey(orphan.user, orphan.chat_id)
        lease = await self.coordinator.adopt(key, orphan.run_id)
        if lease is None:
            return  # later, or by another process
        try:
            sent_at = checkpoints.now()
            taken = await store.ownership.take_over(orphan)
            if taken is None:
                await lease.release()
                return
            checkpoints.confirm_lease(sent_at)
            lease.epoch, lease.request_digest = taken.epoch, taken.request_digest
            former = await self.coordinator.former_log(key, orphan.run_id)
            turn = turn_of(taken, former, self._read_turn)
        except StoreUnavailable:
            await lease.release()
            return
        except Exception:
            # Probably begun by another release, or with another `body=`.
            logger.exception("run %s: its process is gone, its turn cannot be read", orphan.run_id)
            await store.interrupt([orphan.run_id])
            await lease.release()
            return
        logger.warning("run %s: its process is gone, taken over", orphan.run_id)
        goes_on = can_continue(taken)
        message = taken.message or turn.continued
        if former is not None and has_all_of(former, taken):
            goes_on = goes_on and not (former.is_stop_requested or former.has_good_end)
            message = former.log.message()
        if former is None or not has_all_of(former, taken) or former.has_failed:
            # Another log, since readers must not mix the two.
            lease.log_id = f"{orphan.run_id}-{taken.epoch}"
            log = stored_log(turn, message, taken.begun_calls)
        else:
            lease.log_id, log = former.log_id, former.log
        takeover = Takeover(log, taken.begun_calls)
        await self._continue(turn, lease, takeover, can_continue=goes_on)

    async def _wait_until_empty(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._runs:
                    self._change.clear()
                    await self._change.wait()

    def _remove(self, run: Run) -> None:
        self._runs.discard(run)
        self._change.set()


def _without_resumption(config: RunConfig) -> RunConfig:
    """Return the configuration of a run that ends with its last reader."""
    return replace(config, idle_timeout=0.0, hang_up_timeout=None)


def _was_left(run: RunState, ids: MessageIds) -> bool:
    """Whether the client of a request no longer reads a run: no client does, or the request has the
    run's message or its question behind it. In that case one reader may be the client itself, whose
    hang-up a proxy has not passed on yet; of two readers, one is another client."""
    if run.readers == 0:
        return True
    return not ids.superseded.isdisjoint(run.message_ids) and run.readers < 2


def _is_alive(before: Owner, now: Owner) -> bool:
    """Whether the owner of a chat has renewed its lease between two looks."""
    return now.is_alive and (now.run_id != before.run_id or now.expires_at > before.expires_at)
