"""The board of active turns that all processes share, over Redis."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar

from usechat_server.aio import cancel
from usechat_server.coordination.base import ChatKey, LogSubscription, OrphanedRun, TakeOver
from usechat_server.coordination.redis.commands import (
    UNAVAILABLE,
    Claimed,
    HeldLease,
    RedisCommands,
    chat_digest,
)
from usechat_server.coordination.redis.heartbeat import Heartbeat
from usechat_server.coordination.redis.lease import RedisLease
from usechat_server.coordination.redis.publisher import LogPublisher
from usechat_server.coordination.redis.remote_log import RemoteLog, whole_log
from usechat_server.coordination.redis.subscriber import LogSubscriber
from usechat_server.errors import ServiceUnavailable
from usechat_server.run_log.log import Log
from usechat_server.turn import Turn

__all__ = ["UNREACHABLE", "RedisCoordinator"]

logger = logging.getLogger("usechat.cluster")

#: What a request is told that cannot be answered without the other processes.
UNREACHABLE = "The chat cannot be reached right now. Please try again in a moment."

#: Seconds that a request to stop waits for the end: a store may be slow.
_STOP_SECONDS = 5.0
#: Seconds between two looks at what another process does.
_LOOK = 0.1
#: How often a turn is taken over. One that kills its processes is ended by the next.
_MOST_TAKES = 2

_Answer = TypeVar("_Answer")


class RedisCoordinator:
    """See `runs.board.Board`. What it is asked about a run of this process, it knows without Redis.

    A new turn needs Redis, since nobody else knows whether its chat is free: without it there is
    503. Turns that run go on, and are there again, for all processes, when Redis is back.

    `take_over` gets the turns of processes that died, as `read` reads what `Turn.to_json` wrote.
    """

    def __init__(
        self,
        commands: RedisCommands,
        take_over: TakeOver,
        read: Callable[[bytes], Turn] = Turn.from_json,
    ) -> None:
        self._shared = commands
        self._read = read
        self._take_over_run = take_over
        self._leases: dict[ChatKey, RedisLease] = {}
        self._publisher = LogPublisher(self._shared)
        self._follower = LogSubscriber(self._shared)
        self._heartbeat = Heartbeat(self._shared, self._leases.values, self._follower, self._take)
        self._tasks: set[asyncio.Task[Any]] = set()
        #: runs of this process that another one took over
        self._lost: set[str] = set()

    async def acquire(self, key: ChatKey, run_id: str, request_digest: str) -> RedisLease | None:
        d = chat_digest(key)
        epoch = await _reached(self._shared.claim(d, run_id, request_digest))
        if epoch is None:
            return None
        return self._keep(key, HeldLease(d, run_id, epoch), request_digest)

    async def get(self, key: ChatKey) -> RedisRunHandle | None:
        lease = self._leases.get(key)
        claimed = None if lease is None else lease.as_claimed()
        if claimed is None or claimed.closed:
            try:
                claimed = await self._shared.find(chat_digest(key))
            except UNAVAILABLE:
                if claimed is None:
                    raise ServiceUnavailable(UNREACHABLE) from None
        return None if claimed is None else RedisRunHandle(self, key, claimed)

    async def active_run_ids(self, keys: Collection[ChatKey]) -> Mapping[ChatKey, str]:
        asked = list(keys)
        try:
            found = await self._shared.running([chat_digest(key) for key in asked])
        except UNAVAILABLE:  # a list of chats is shown all the same
            found = [self._running_here(key) for key in asked]
        return {key: run for key, run in zip(asked, found, strict=True) if run is not None}

    async def stop(
        self, key: ChatKey, *, run_id: str | None = None, message_id: str | None = None
    ) -> None:
        d = chat_digest(key)
        try:
            asked = await self._shared.stop(d, run_id, message_id)
        except UNAVAILABLE:
            lease = self._leases.get(key)
            if lease is None or not lease.stop(run_id, message_id):
                raise ServiceUnavailable(UNREACHABLE) from None
            asked = lease.run_id
        if asked is not None:
            await self.free(key, asked, _STOP_SECONDS)

    async def mark_acknowledged(self, key: ChatKey, run_id: str) -> None:
        lease = self._leases.get(key)
        owned = lease is not None and lease.run_id == run_id
        if lease is not None and owned:
            lease.delivered = True
        if run_id in self._lost:
            return  # its readers here were told that it goes on elsewhere
        with suppress(*UNAVAILABLE):  # it may be read once more, then
            telling = self._shared.delivered(chat_digest(key), run_id, owned=owned)
            await asyncio.shield(self._task(telling))

    async def expect_reader(self, key: ChatKey) -> str | None:
        return await _reached(self._shared.promise(chat_digest(key), 1))

    async def aclose(self) -> None:
        await self._heartbeat.aclose()
        await self._follower.aclose()
        await self._publisher.aclose()
        await cancel(self._tasks)

    async def open(self, key: ChatKey, run_id: str) -> LogSubscription | None:
        """The log of a run that has begun, wherever it runs."""
        lease = self._leases.get(key)
        if lease is not None and lease.run_id == run_id and lease.run is not None:
            return lease.run.subscribe()
        remote_log = await _reached(self._follower.open(chat_digest(key), run_id))
        return None if remote_log is None else _Following(remote_log, self._follower)

    async def came(self, key: ChatKey) -> None:
        """A page came to read a log, as it may have been promised."""
        with suppress(*UNAVAILABLE):
            await self._shared.promise(chat_digest(key), -1)

    async def look(self, key: ChatKey) -> Claimed | None:
        """What is known of a chat now."""
        return await _reached(self._shared.find(chat_digest(key)))

    async def free(self, key: ChatKey, run_id: str, seconds: float) -> bool:
        """Waits until a run does not have the chat any more; False after so long."""
        until = monotonic() + seconds
        while True:
            claimed = await self.look(key)
            if claimed is None or claimed.run_id != run_id or claimed.state == "ended":
                return True
            if monotonic() > until:
                return False
            await asyncio.sleep(_LOOK)

    def _keep(self, key: ChatKey, held: HeldLease, digest: str) -> RedisLease:
        lease = RedisLease(key, held, digest, self._publisher, self._drop)
        self._leases[key] = lease
        return lease

    def _drop(self, lease: RedisLease) -> None:
        if lease.is_lost:
            self._lost.add(lease.run_id)
        if self._leases.get(lease.key) is lease:
            del self._leases[lease.key]

    def _running_here(self, key: ChatKey) -> str | None:
        lease = self._leases.get(key)
        claimed = None if lease is None else lease.as_claimed()
        return None if claimed is None or claimed.closed else claimed.run_id

    def _take(self, d: str) -> None:
        self._task(self._take_over(d))

    async def _take_over(self, d: str) -> None:
        taken = await self._shared.take(d)
        if taken is None:
            return
        held = HeldLease(d, taken.run_id, taken.epoch)
        try:
            turn = self._read(taken.turn)
            log = Log(turn.continued)
            closed = await whole_log(self._shared, taken.run_id, log)
        except (ValueError, LookupError, TypeError):
            # Another release wrote it. Its readers are told, and its chat is free.
            logger.exception("run %s: its process is gone, and it cannot be read", taken.run_id)
            await self._shared.release(held)
            return
        key = ChatKey(turn.user, turn.chat_id)
        lease = self._keep(key, held, taken.digest)
        logger.warning("run %s: its process is gone, it is taken over", taken.run_id)
        can_continue = not closed and not taken.stop and taken.takes < _MOST_TAKES
        await self._take_over_run(OrphanedRun(turn, log, lease, can_continue))

    def _task(self, work: Coroutine[Any, Any, _Answer]) -> asyncio.Task[_Answer]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if (
            not task.cancelled()
            and (error := task.exception())
            and not isinstance(error, UNAVAILABLE)
        ):
            logger.error("Something that other processes need went wrong", exc_info=error)


class RedisRunHandle:
    """A turn that is known to all processes, see `runs.board.Found`."""

    def __init__(self, coordinator: RedisCoordinator, key: ChatKey, claimed: Claimed) -> None:
        self.run_id = claimed.run_id
        self.request_digest = claimed.digest
        self.has_ended = claimed.closed
        self.is_acknowledged = claimed.delivered
        self._coordinator = coordinator
        self._key = key
        self._state = claimed.state

    async def subscribe(self) -> LogSubscription | None:
        state = self._state
        while state == "claimed":
            await asyncio.sleep(_LOOK)
            claimed = await self._coordinator.look(self._key)
            if claimed is None or claimed.run_id != self.run_id:
                return None
            state = claimed.state
        opened = await self._coordinator.open(self._key, self.run_id)
        if opened is not None:
            await self._coordinator.came(self._key)
        return opened

    async def wait_until_free(self, seconds: float) -> bool:
        return await self._coordinator.free(self._key, self.run_id, seconds)


class _Following:
    """One reader of a log that another process writes."""

    def __init__(self, remote_log: RemoteLog, follower: LogSubscriber) -> None:
        self.run_id = remote_log.run_id
        self.log = remote_log.log
        self._replica = remote_log
        self._follower = follower
        self._open = True

    def interrupt(self) -> None:
        """The run goes on: its readers come back to another process."""

    def record_write(self) -> None:
        """Only the run's owner counts what was sent."""

    def close(self) -> None:
        if self._open:
            self._open = False
            self._follower.close(self._replica)


async def _reached(asked: Coroutine[Any, Any, _Answer]) -> _Answer:
    try:
        return await asked
    except UNAVAILABLE:
        raise ServiceUnavailable(UNREACHABLE) from None
