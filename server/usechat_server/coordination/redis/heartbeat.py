"""The heartbeat: renews this process's leases and finds expired ones of other processes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from contextvars import Context
from time import monotonic

from usechat_server.aio import cancel
from usechat_server.coordination.redis.commands import RedisCommands
from usechat_server.coordination.redis.connection import COMMAND_SECONDS, UNAVAILABLE
from usechat_server.coordination.redis.keys import HEARTBEAT, LEASE, SETTLE
from usechat_server.coordination.redis.lease import RedisLease
from usechat_server.coordination.redis.subscriber import LogSubscriber

__all__ = ["Heartbeat"]

logger: logging.Logger = logging.getLogger("usechat.coordination")


class Heartbeat:
    """Ticks once a second, or when another process wakes this one. One per event loop."""

    def __init__(
        self,
        commands: RedisCommands,
        leases: Callable[[], Collection[RedisLease]],
        subscriber: LogSubscriber,
        take_over: Callable[[str], None],
    ) -> None:
        """Start ticking.

        Args:
            commands: The shared state.
            leases: Returns the leases of this process.
            subscriber: Follows the logs that are read here.
            take_over: Called with the digest of each chat whose lease has expired.
        """
        self._commands = commands
        self._leases = leases
        self._subscriber = subscriber
        self._take_over = take_over
        #: since when every tick has reached Redis
        self._available_since: float | None = None
        #: ids of logs that are read here and missing in Redis, and since when
        self._missing_since: dict[str, float] = {}
        self._task = asyncio.create_task(self._run(), name="redis heartbeat", context=Context())

    async def aclose(self) -> None:
        await cancel([self._task])

    async def _run(self) -> None:
        while True:
            self._subscriber.woken.clear()
            leases = list(self._leases())
            try:
                # Shorter than a lease, so that an outage is noticed while the lease is valid.
                async with asyncio.timeout(COMMAND_SECONDS):
                    await self._tick(leases)
            except UNAVAILABLE:
                self._available_since = None
                for lease in leases:
                    lease.on_unavailable()
            except Exception:
                logger.exception("redis heartbeat failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT):
                    await self._subscriber.woken.wait()

    async def _tick(self, leases: list[RedisLease]) -> None:
        sent_at = monotonic()
        expired, renewed = await self._commands.renew(lease.held for lease in leases)
        for lease, result in zip(leases, renewed, strict=True):
            lease.on_renewed(result, sent_at)
        self._take_over_expired(expired)
        await self._check_remote_logs()

    def _take_over_expired(self, chat_digests: Collection[str]) -> None:
        now = monotonic()
        if self._available_since is None:
            self._available_since = now
        # While Redis was unavailable no lease could be renewed: give living owners time for it.
        if now - self._available_since >= LEASE:
            for chat_digest in chat_digests:
                self._take_over(chat_digest)

    async def _check_remote_logs(self) -> None:
        """Break off the logs that Redis has lost and that no owner has written again."""
        now = monotonic()
        remote_logs = [
            remote_log
            for remote_log in self._subscriber.remote_logs
            if not remote_log.log.has_ended
        ]
        if not remote_logs:
            return
        await self._commands.logs.renew_reads(remote_log.log_id for remote_log in remote_logs)
        active = await self._commands.logs.active_ids(
            [remote_log.chat_digest for remote_log in remote_logs]
        )
        missing = {
            remote_log.log_id
            for remote_log, log_id in zip(remote_logs, active, strict=True)
            if log_id != remote_log.log_id
        }
        self._missing_since = {log_id: self._missing_since.get(log_id, now) for log_id in missing}
        for remote_log in remote_logs:
            if now - self._missing_since.get(remote_log.log_id, now) > LEASE + SETTLE:
                remote_log.break_off()
