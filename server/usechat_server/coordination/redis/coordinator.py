"""Coordinates processes through Redis."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import suppress
from time import monotonic, time
from typing import Any, TypeVar

from usechat_server.aio import cancel
from usechat_server.coordination.base import ChatKey, RunState
from usechat_server.coordination.orphans import FindEnd, FormerLog, OrphanedRun, TakeOver
from usechat_server.coordination.ownership import RunEnd
from usechat_server.coordination.redis.commands import RedisCommands
from usechat_server.coordination.redis.connection import UNAVAILABLE
from usechat_server.coordination.redis.heartbeat import Heartbeat
from usechat_server.coordination.redis.keys import HeldLease, hash_chat_key
from usechat_server.coordination.redis.lease import RedisLease
from usechat_server.coordination.redis.orphans import read_former_log, take_over
from usechat_server.coordination.redis.publisher import LogPublisher
from usechat_server.coordination.redis.subscriber import LogSubscriber
from usechat_server.coordination.stop import STOP_SECONDS
from usechat_server.coordination.subscription import LogSubscription
from usechat_server.errors import ServiceUnavailable
from usechat_server.turn import Turn

__all__ = ["UNREACHABLE", "RedisCoordinator"]

logger: logging.Logger = logging.getLogger("usechat.coordination")

#: Error text of a request that needs the other processes while Redis is unavailable.
UNREACHABLE = "The chat cannot be reached right now. Please try again in a moment."

#: Polling interval, in seconds, while waiting for another process.
_POLL = 0.1

_Result = TypeVar("_Result")


class RedisCoordinator:
    """See `Coordinator`.

    Lookups of this process's own active runs are served locally. If Redis is down, `stop` falls
    back to the local lease, and `acquire` raises ServiceUnavailable, since only Redis knows whether
    a chat is free. Active runs continue, and are published again when Redis is back.
    """

    def __init__(
        self,
        commands: RedisCommands,
        on_orphan: TakeOver,
        read_turn: Callable[[bytes], Turn] = Turn.from_json,
        *,
        find_end: FindEnd | None = None,
    ) -> None:
        """Start the tasks that renew leases and publish and follow logs.

        Args:
            commands: The Redis commands; the caller closes them.
            on_orphan: Called with each run whose owner crashed.
            read_turn: Decodes what `Turn.to_json` returned in another process.
            find_end: Returns how a run ended, according to the store, which decides who owns a run;
                None: there is no store, and Redis decides.
        """
        self._commands = commands
        self._read_turn = read_turn
        self._on_orphan = on_orphan
        self._find_end = find_end
        self._leases: dict[ChatKey, RedisLease] = {}
        self._publisher = LogPublisher(commands)
        self._subscriber = LogSubscriber(commands.logs)
        self._heartbeat = Heartbeat(
            commands, self._leases.values, self._subscriber, self._start_takeover
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        #: runs of this process that another one has taken over
        self._lost_run_ids: set[str] = set()

    async def acquire(self, key: ChatKey, run_id: str, request_digest: str) -> RedisLease | None:
        chat_digest = hash_chat_key(key)
        try:
            epoch = await self._commands.acquire(chat_digest, run_id, request_digest)
        except UNAVAILABLE:
            if self._find_end is None:
                raise ServiceUnavailable(UNREACHABLE) from None
            # The store decides. The clock only makes the epoch higher than that of an earlier run.
            epoch = int(time() * 1e6) if self._is_free_here(key) else None
        if epoch is None:
            return None
        return self._add_lease(key, HeldLease(chat_digest, run_id, epoch, run_id), request_digest)

    async def adopt(self, key: ChatKey, run_id: str) -> RedisLease | None:
        if not self._is_free_here(key):
            return None
        return self._add_lease(key, HeldLease(hash_chat_key(key), run_id, 0, run_id), "")

    async def former_log(self, key: ChatKey, run_id: str) -> FormerLog | None:
        return await read_former_log(self._commands, hash_chat_key(key), run_id)

    async def get(self, key: ChatKey) -> RunState | None:
        lease = self._leases.get(key)
        state = None if lease is None else lease.local_state()
        if state is None or state.has_ended:
            try:
                state = await self._commands.get(hash_chat_key(key))
            except UNAVAILABLE:
                if state is None:
                    raise ServiceUnavailable(UNREACHABLE) from None
        if state is None or lease is None or lease.run is None or lease.run_id != state.run_id:
            return state
        return state._replace(readers=lease.run.readers)

    async def subscribe(self, key: ChatKey, run_id: str) -> LogSubscription | None:
        is_claimed = True
        while (subscription := await self._subscribe(key, run_id)) is None and is_claimed:
            state = await _or_unavailable(self._commands.get(hash_chat_key(key)))
            if state is None or state.run_id != run_id:
                return None
            is_claimed = state.state == "claimed"
            if is_claimed:
                await asyncio.sleep(_POLL)
        if subscription is not None:
            with suppress(*UNAVAILABLE):  # undoes one `expect_reader`
                await self._commands.expect_readers(hash_chat_key(key), -1)
        return subscription

    async def wait_until_free(self, key: ChatKey, run_id: str, seconds: float) -> bool:
        deadline = monotonic() + seconds
        while True:
            state = await _or_unavailable(self._commands.get(hash_chat_key(key)))
            if state is None or state.run_id != run_id or state.state == "ended":
                return True
            if monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL)

    async def active_run_ids(self, keys: Collection[ChatKey]) -> Mapping[ChatKey, str]:
        chats = list(keys)
        try:
            run_ids = await self._commands.active_run_ids([hash_chat_key(key) for key in chats])
        except UNAVAILABLE:  # the chat list must still load
            run_ids = [self._local_run_id(key) for key in chats]
        return {key: run for key, run in zip(chats, run_ids, strict=True) if run is not None}

    async def stop(
        self, key: ChatKey, *, run_id: str | None = None, message_id: str | None = None
    ) -> None:
        try:
            stopped = await self._commands.request_stop(hash_chat_key(key), run_id, message_id)
        except UNAVAILABLE:
            lease = self._leases.get(key)
            if lease is None or not lease.request_stop(run_id, message_id):
                raise ServiceUnavailable(UNREACHABLE) from None
            stopped = lease.run_id
        if stopped is not None:
            await self.wait_until_free(key, stopped, STOP_SECONDS)

    async def mark_acknowledged(self, key: ChatKey, run_id: str) -> None:
        lease = self._leases.get(key)
        is_owner = lease is not None and lease.run_id == run_id
        if lease is not None and is_owner:
            lease.is_acknowledged = True
        if run_id in self._lost_run_ids:
            return  # its readers here have received an error, not the end
        with suppress(*UNAVAILABLE):  # the same request may then get the response once more
            marking = self._commands.mark_acknowledged(
                hash_chat_key(key), run_id, is_owner=is_owner
            )
            await asyncio.shield(self._start_task(marking))

    async def expect_reader(self, key: ChatKey) -> str | None:
        return await _or_unavailable(self._commands.expect_readers(hash_chat_key(key), 1))

    async def record_resumption(self, key: ChatKey) -> None:
        with suppress(*UNAVAILABLE):
            await self._commands.record_resumption(hash_chat_key(key))

    async def is_resumed(self, key: ChatKey) -> bool:
        try:
            return await self._commands.is_resumed(hash_chat_key(key))
        except UNAVAILABLE:
            return True

    async def aclose(self) -> None:
        await self._heartbeat.aclose()
        await self._subscriber.aclose()
        await self._publisher.aclose()
        await cancel(self._tasks)

    async def _subscribe(self, key: ChatKey, run_id: str) -> LogSubscription | None:
        """Add a reader to the log of a run, in this process or another; None: it has no log."""
        lease = self._leases.get(key)
        if lease is not None and lease.run_id == run_id and lease.run is not None:
            return lease.run.subscribe()
        log = await _or_unavailable(self._subscriber.subscribe(hash_chat_key(key), run_id))
        if log is None:
            return None
        return LogSubscription(run_id, log.log, lambda: self._subscriber.unsubscribe(log))

    def _is_free_here(self, key: ChatKey) -> bool:
        """Whether no run of this process has the chat."""
        lease = self._leases.get(key)
        if lease is not None and lease.is_over:
            lease.drop()
            return True
        return lease is None

    def _add_lease(self, key: ChatKey, held: HeldLease, request_digest: str) -> RedisLease:
        lease = RedisLease(
            key,
            held,
            request_digest,
            self._publisher,
            self._remove_lease,
            store_decides=self._find_end is not None,
        )
        self._leases[key] = lease
        return lease

    def _remove_lease(self, lease: RedisLease) -> None:
        if lease.is_lost:
            self._lost_run_ids.add(lease.run_id)
        if self._leases.get(lease.key) is lease:
            del self._leases[lease.key]

    def _local_run_id(self, key: ChatKey) -> str | None:
        lease = self._leases.get(key)
        state = None if lease is None else lease.local_state()
        return None if state is None or state.has_ended else state.run_id

    def _start_takeover(self, chat_digest: str) -> None:
        self._start_task(self._take_over_run(chat_digest))

    async def _take_over_run(self, chat_digest: str) -> None:
        """Take over a run whose lease has expired, or end its log."""
        end: RunEnd | None = None
        if self._find_end is not None:
            # The store finds the runs that go on. Here it is about logs without a run.
            state = await self._commands.get(chat_digest)
            if state is None:
                return
            if state.state == "active":
                end = await self._find_end(state.run_id)
                if end is None:
                    return
        orphan = await take_over(self._commands, chat_digest, self._read_turn)
        if orphan is None:
            return
        turn, log, takeover, can_continue = orphan
        key = ChatKey(turn.user, turn.chat_id)
        lease = self._add_lease(key, takeover.lease, takeover.request_digest)
        await self._on_orphan(OrphanedRun(turn, log, lease, can_continue, end))

    def _start_task(self, work: Coroutine[Any, Any, _Result]) -> asyncio.Task[_Result]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finish_task)
        return task

    def _finish_task(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if (
            not task.cancelled()
            and (error := task.exception())
            and not isinstance(error, UNAVAILABLE)
        ):
            logger.error("Redis background task failed", exc_info=error)


async def _or_unavailable(command: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a command. Raises ServiceUnavailable if Redis cannot be reached."""
    try:
        return await command
    except UNAVAILABLE:
        raise ServiceUnavailable(UNREACHABLE) from None
