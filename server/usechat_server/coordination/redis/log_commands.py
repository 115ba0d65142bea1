"""Logs in Redis, with one method for each operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError

from usechat_server.coordination.base import UNACKNOWLEDGED_SECONDS
from usechat_server.coordination.redis import scripts
from usechat_server.coordination.redis.connection import BLOCK, RedisConnection
from usechat_server.coordination.redis.keys import (
    KEY_EXPIRY,
    LEASE,
    LEASES,
    HeldLease,
    chat_key,
    folded_key,
    log_key,
    milliseconds,
    readers_key,
    wake_key,
)

__all__ = ["Append", "Entries", "LogCommands", "PublishedRun"]

#: Entries of each log that `read_updates` returns at most.
_MAX_UPDATES = 256

#: Entries of a stream: their ids and their fields.
Entries = list[tuple[str, Mapping[bytes, bytes]]]


class PublishedRun(NamedTuple):
    """What a process has published of its run, beside the log."""

    turn: bytes
    log_id: str
    #: whether the log has its end
    has_ended: bool
    is_stop_requested: bool


class Append(NamedTuple):
    """A batch for a log: its chunks between two positions.

    `folded`, if not empty, replaces everything that was not folded before, this batch included.
    """

    lease: HeldLease
    start: str
    end: str
    batch: bytes
    folded: Sequence[bytes]


class LogCommands:
    """The logs of all runs. Every method may raise one of UNAVAILABLE."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    # A log, as its owner writes it. Each returns ok, missing or fenced.

    async def rewrite_log(
        self,
        lease: HeldLease,
        end: str,
        fields: Mapping[str, str | bytes],
        batches: Sequence[bytes],
    ) -> str:
        """Write a log from its beginning up to a position, and the fields of its turn."""
        pairs = [value for pair in fields.items() for value in pair]
        arguments = [
            lease.chat_digest,
            lease.epoch,
            milliseconds(LEASE),
            milliseconds(KEY_EXPIRY),
            end,
            len(fields),
            *pairs,
            *batches,
        ]
        keys = [
            chat_key(lease.chat_digest),
            LEASES,
            log_key(lease.log_id),
            folded_key(lease.log_id),
        ]
        return await self._connection.run_for_status(scripts.REWRITE_LOG, keys, arguments)

    async def append(self, appends: Sequence[Append]) -> list[str]:
        """Add to logs, each on its own, in one round trip."""
        statuses = await self._append(appends)
        if None in statuses:  # Redis was restarted and does not know the script
            await self._connection.redis.script_load(scripts.APPEND)
            retried = await self._append(
                [a for a, status in zip(appends, statuses, strict=True) if not status]
            )
            statuses = [status or retried.pop(0) for status in statuses]
        return [status or "missing" for status in statuses]

    async def end_log(self, lease: HeldLease, start: str, end: str) -> str:
        """Write the end of a log."""
        keys = [chat_key(lease.chat_digest), log_key(lease.log_id)]
        return await self._connection.run_for_status(
            scripts.END_LOG, keys, [lease.epoch, start, end]
        )

    async def end_run(self, lease: HeldLease, *, is_unacknowledged: bool) -> str:
        """Free the chat.

        With `is_unacknowledged`, the same request gets this response until its end is acknowledged.
        """
        chat_digest, _, epoch, log_id = lease
        keys = [
            chat_key(chat_digest),
            LEASES,
            log_key(log_id),
            folded_key(log_id),
            readers_key(log_id),
        ]
        unacknowledged = "1" if is_unacknowledged else ""
        arguments = [chat_digest, epoch, unacknowledged, milliseconds(UNACKNOWLEDGED_SECONDS)]
        return await self._connection.run_for_status(scripts.END_RUN, keys, arguments)

    # A log, as other processes read it

    async def get_published(self, chat_digest: str, run_id: str) -> PublishedRun | None:
        """Return what is known of a run; None if the run is not the chat's last one."""
        current_run, turn, log_id, closed, stop = await self._connection.redis.hmget(
            chat_key(chat_digest), ["run", "turn", "log", "closed", "stop"]
        )
        if current_run != run_id.encode() or turn is None:
            return None
        # A former release does not name the log.
        log = run_id if log_id is None else log_id.decode()
        return PublishedRun(turn, log, closed is not None, bool(stop))

    async def read_log(self, log_id: str) -> tuple[list[bytes], Entries]:
        """Return all of a log as it is at one moment: its folded batches, then its entries."""
        pipeline = self._connection.redis.pipeline(transaction=True)
        pipeline.lrange(folded_key(log_id), 0, -1)
        pipeline.xrange(log_key(log_id))
        batches, entries = await pipeline.execute()
        return batches, _decode_entries(entries)

    async def read_updates(
        self, last_wake: str, logs: Mapping[str, str]
    ) -> tuple[str, dict[str, Entries]]:
        """Wait for new entries of logs, or for a wake of this process.

        Returns as soon as there is anything, or after some seconds.

        Args:
            last_wake: Id of the last wake that is known.
            logs: Ids of logs, with the id of the last entry that is known of each.

        Returns:
            The id of the last wake, and the new entries by log.
        """
        own = wake_key(self._connection.process)
        streams = {own: last_wake, **{log_key(log_id): last for log_id, last in logs.items()}}
        results = await self._connection.updates.xread(
            streams, count=_MAX_UPDATES, block=milliseconds(BLOCK)
        )
        updates = {stream.decode(): _decode_entries(entries) for stream, entries in results}
        for entry_id, _ in updates.pop(own, []):
            last_wake = entry_id
        return last_wake, {
            log_id: updates[log_key(log_id)] for log_id in logs if log_key(log_id) in updates
        }

    async def wake(self, process: str) -> None:
        """Make a process check its leases and subscriptions."""
        stream = wake_key(process)
        await self._connection.redis.xadd(stream, {"d": ""}, maxlen=100, approximate=True)
        await self._connection.redis.pexpire(stream, milliseconds(KEY_EXPIRY))

    async def wake_self(self) -> None:
        """Make this process read the updates of other logs than those it waits for."""
        await self.wake(self._connection.process)

    async def renew_reads(self, log_ids: Iterable[str]) -> None:
        """Record that this process still has readers of these logs."""
        now, _ = await self._connection.redis.time()
        pipeline = self._connection.redis.pipeline(transaction=False)
        for log_id in log_ids:
            pipeline.zadd(
                readers_key(log_id), {self._connection.process: milliseconds(now + LEASE)}
            )
            pipeline.pexpire(readers_key(log_id), milliseconds(KEY_EXPIRY))
        await pipeline.execute()

    async def start_reading(self, chat_digest: str, log_id: str) -> None:
        """Record that this process has its first reader of a log, and tell the owner."""
        await self.renew_reads([log_id])
        await self._wake_owner(chat_digest)

    async def stop_reading(self, chat_digest: str, log_id: str) -> None:
        """Record that this process has no more readers of a log, and tell the owner."""
        await self._connection.redis.zrem(readers_key(log_id), self._connection.process)
        await self._wake_owner(chat_digest)

    async def active_ids(self, chat_digests: Sequence[str]) -> list[str | None]:
        """Return, for each chat, the id of the log that its run writes."""
        pipeline = self._connection.redis.pipeline(transaction=False)
        for chat_digest in chat_digests:
            pipeline.hmget(chat_key(chat_digest), ["log", "run", "closed"])
        results = await pipeline.execute()
        return [
            (log or run).decode() if run and not closed else None for log, run, closed in results
        ]

    async def _wake_owner(self, chat_digest: str) -> None:
        if owner := await self._connection.redis.hget(chat_key(chat_digest), "owner"):
            await self.wake(owner.decode())

    async def _append(self, appends: Sequence[Append]) -> list[str | None]:
        pipeline = self._connection.redis.pipeline(transaction=False)
        sha = self._connection.scripts[scripts.APPEND].sha
        for lease, start, end, batch, folded in appends:
            keys = [chat_key(lease.chat_digest), log_key(lease.log_id), folded_key(lease.log_id)]
            pipeline.evalsha(sha, 3, *keys, lease.epoch, start, end, batch, *folded)
        results = await pipeline.execute(raise_on_error=False)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, NoScriptError):
                raise result
        return [None if isinstance(result, Exception) else result[0].decode() for result in results]


def _decode_entries(entries: Any) -> Entries:
    return [(entry_id.decode(), fields) for entry_id, fields in entries]
