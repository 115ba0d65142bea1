"""The state that all processes share in Redis, with one method for each operation."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from ui_message_stream import json_codec

from usechat_server.coordination.base import UNACKNOWLEDGED_SECONDS, ChatKey, RunState
from usechat_server.coordination.redis import scripts
from usechat_server.telemetry.storage import measured

__all__ = [
    "COMMAND_SECONDS",
    "HEARTBEAT",
    "LEASE",
    "SETTLE",
    "UNAVAILABLE",
    "Append",
    "Entries",
    "HeldLease",
    "PublishedRun",
    "RedisCommands",
    "RenewedLease",
    "hash_chat_key",
]

#: What is raised while Redis is unavailable or cannot be used.
UNAVAILABLE = (RedisError, OSError)

#: Seconds between two renewals of a lease.
HEARTBEAT = 1.0
#: Seconds without a renewal after which a lease has expired.
LEASE = 5.0
#: Seconds that a chat is remembered whose client resumes runs.
_RESUMES_SECONDS = 24 * 60 * 60
#: Seconds in which owners write their runs again after Redis was emptied.
SETTLE = 1.5 * HEARTBEAT
#: Seconds after which Redis counts as unavailable if a command was not answered.
COMMAND_SECONDS = 2.0
#: Connections for commands. Commands are short, so many requests can share few.
_CONNECTIONS = 32
#: Seconds that `read_updates` waits for an update. Shorter than its socket's timeout.
_BLOCK = 5.0
#: Seconds until keys that are not renewed expire.
_KEY_EXPIRY = 3600.0
#: Entries of each log that `read_updates` returns at most.
_MAX_UPDATES = 256

#: Entries of a stream: their ids and their fields.
Entries = list[tuple[str, Mapping[bytes, bytes]]]


def hash_chat_key(key: ChatKey) -> str:
    """Return the digest that names a chat in Redis keys: ids may hold any character."""
    return hashlib.sha256(json_codec.encode(list(key))).hexdigest()[:32]


class HeldLease(NamedTuple):
    """A lease of this process: a chat belongs to one of its runs, under an epoch."""

    chat_digest: str
    run_id: str
    epoch: int
    #: the log that belongs to it
    log_id: str


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


class Takeover(NamedTuple):
    """An expired lease of another process that now belongs to this one."""

    run_id: str
    epoch: int
    turn: bytes
    request_digest: str
    #: as in RenewedLease
    stop_request: str
    #: how often it was taken over before
    earlier_takeovers: int
    log_id: str


class RenewedLease(NamedTuple):
    """How a renewal found a lease."""

    #: held, missing (Redis was emptied) or fenced (another process owns the chat)
    status: str
    #: the message whose run is to stop, `*` for any; empty if there is no request
    stop_request: str
    #: other processes that read the log
    remote_readers: int


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _chat(chat_digest: str) -> str:
    return f"usechat:chat:{chat_digest}"


def _log(log_id: str) -> str:
    return f"usechat:log:{log_id}"


def _folded(log_id: str) -> str:
    return f"usechat:folded:{log_id}"


def _readers(log_id: str) -> str:
    return f"usechat:readers:{log_id}"


def _resumes(chat_digest: str) -> str:
    return f"usechat:resumes:{chat_digest}"


#: What each script does.
_OPERATIONS = {getattr(scripts, name): name.lower() for name in scripts.__all__}

_LEASES = "usechat:leases"
_SINCE = "usechat:since"


def _decode_entries(entries: Any) -> Entries:
    return [(entry_id.decode(), fields) for entry_id, fields in entries]


class RedisCommands:
    """Redis, from one event loop of one process. Every method may raise one of UNAVAILABLE."""

    def __init__(self, url: str) -> None:
        #: id of this process among the others
        self.process: str = secrets.token_hex(8)
        # One retry at once: an idle connection may have been closed meanwhile.
        retry = Retry(NoBackoff(), 1)
        # Blocking: the usual pool raises when all of its connections are in use.
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=COMMAND_SECONDS,
            socket_timeout=COMMAND_SECONDS,
            socket_connect_timeout=COMMAND_SECONDS,
            retry=retry,
        )
        self._redis: Any = Redis.from_pool(pool)
        self._updates: Any = Redis.from_url(
            url, socket_timeout=2 * _BLOCK, socket_connect_timeout=COMMAND_SECONDS, retry=retry
        )
        self._scripts = {
            text: self._redis.register_script(text)
            for text in (getattr(scripts, name) for name in scripts.__all__)
        }

    async def aclose(self) -> None:
        await self._redis.aclose()
        await self._updates.aclose()

    # Leases

    async def acquire(self, chat_digest: str, run_id: str, request_digest: str) -> int | None:
        """Claim a chat. Return the epoch of the new lease; None if the chat is not free."""
        keys = [_chat(chat_digest), _LEASES, _SINCE]
        arguments = [chat_digest, run_id, request_digest, self.process, _ms(LEASE)]
        status, *values = await self._run_settled(scripts.ACQUIRE, keys, arguments)
        return int(values[0]) if status == b"claimed" else None

    async def record_resumption(self, chat_digest: str) -> None:
        """Record that a client of a chat resumes runs."""
        await self._redis.set(_resumes(chat_digest), b"1", ex=_RESUMES_SECONDS)

    async def is_resumed(self, chat_digest: str) -> bool:
        """Return whether a client of a chat resumes runs."""
        return bool(await self._redis.exists(_resumes(chat_digest)))

    async def get(self, chat_digest: str) -> RunState | None:
        """Return the last run of a chat; None if none is known any more."""
        status, *values = await self._run_settled(scripts.GET, [_chat(chat_digest), _SINCE], [])
        if status != b"found":
            return None
        # Only the owner knows its own readers: there may be one.
        readers = 1 + int(values.pop())
        run_id, request_digest, state, closed, acknowledged, *ids, unacknowledged = (
            value.decode() for value in values
        )
        is_complete = state == "ended" and unacknowledged == "1"
        return RunState(
            *(run_id, request_digest, state, closed == "1", acknowledged == "1"),
            *(is_complete, tuple(filter(None, ids)), readers),
        )

    async def active_run_ids(self, chat_digests: Sequence[str]) -> list[str | None]:
        """Return, for each chat, the id of the run whose log has no end yet."""
        pipeline = self._redis.pipeline(transaction=False)
        for chat_digest in chat_digests:
            pipeline.hmget(_chat(chat_digest), ["run", "closed"])
        results = await pipeline.execute()
        return [run.decode() if run and not closed else None for run, closed in results]

    async def active_log_ids(self, chat_digests: Sequence[str]) -> list[str | None]:
        """Return, for each chat, the id of the log that its run writes."""
        pipeline = self._redis.pipeline(transaction=False)
        for chat_digest in chat_digests:
            pipeline.hmget(_chat(chat_digest), ["log", "run", "closed"])
        results = await pipeline.execute()
        return [
            (log or run).decode() if run and not closed else None for log, run, closed in results
        ]

    async def release(self, lease: HeldLease) -> None:
        """Free a chat that was claimed and has no run yet."""
        keys = [_chat(lease.chat_digest), _LEASES]
        await self._run(scripts.RELEASE, keys, [lease.chat_digest, lease.epoch])

    async def renew(self, leases: Iterable[HeldLease]) -> tuple[list[str], list[RenewedLease]]:
        """Renew leases.

        Returns:
            Digests of chats whose lease has expired, of any process; and how each of `leases` was
            found, in the same order.
        """
        keys = [_LEASES, _SINCE]
        arguments: list[Any] = [_ms(LEASE), _ms(_KEY_EXPIRY)]
        for chat_digest, _, epoch, log_id in leases:
            keys += [_chat(chat_digest), _log(log_id), _folded(log_id), _readers(log_id)]
            arguments += [chat_digest, epoch]
        expired, *renewed = await self._run(scripts.RENEW, keys, arguments)
        return [chat_digest.decode() for chat_digest in expired], [
            RenewedLease(status.decode(), stop.decode(), readers)
            for status, stop, readers in renewed
        ]

    async def take_over(self, chat_digest: str) -> Takeover | None:
        """Take an expired lease over; None if another process was faster."""
        keys = [_chat(chat_digest), _LEASES]
        arguments = [chat_digest, self.process, _ms(LEASE)]
        status, *values = await self._run(scripts.TAKE_OVER, keys, arguments)
        if status != b"taken":
            return None
        run_id, epoch, turn, request_digest, stop, takeovers, log_id = values
        return Takeover(
            run_id.decode(),
            int(epoch),
            turn,
            request_digest.decode(),
            stop.decode(),
            int(takeovers),
            # A former release does not name the log.
            (log_id or run_id).decode(),
        )

    async def request_stop(
        self, chat_digest: str, run_id: str | None, message_id: str | None
    ) -> str | None:
        """Ask the owner of a run to end it. Return the run's id; None if no run matches."""
        arguments = [run_id or "", message_id or "", _ms(_KEY_EXPIRY)]
        status, *values = await self._run(scripts.REQUEST_STOP, [_chat(chat_digest)], arguments)
        return values[0].decode() if status == b"requested" else None

    async def mark_acknowledged(self, chat_digest: str, run_id: str, *, is_owner: bool) -> None:
        """Record that a client has received the end of a run.

        With `is_owner`, the run is this process's, and Redis may not have its end yet.
        """
        arguments = [run_id, "1" if is_owner else ""]
        await self._run(scripts.MARK_ACKNOWLEDGED, [_chat(chat_digest)], arguments)

    async def expect_readers(self, chat_digest: str, change: int) -> str | None:
        """Change the number of clients that are expected to subscribe to the chat's run.

        Returns:
            The id of the run; None if there is nothing to follow.
        """
        status, *values = await self._run(scripts.EXPECT_READERS, [_chat(chat_digest)], [change])
        return values[0].decode() if status == b"ok" else None

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
            _ms(LEASE),
            _ms(_KEY_EXPIRY),
            end,
            len(fields),
            *pairs,
            *batches,
        ]
        keys = [_chat(lease.chat_digest), _LEASES, _log(lease.log_id), _folded(lease.log_id)]
        return await self._run_for_status(scripts.REWRITE_LOG, keys, arguments)

    async def append(self, appends: Sequence[Append]) -> list[str]:
        """Add to logs, each on its own, in one round trip."""
        statuses = await self._append(appends)
        if None in statuses:  # Redis was restarted and does not know the script
            await self._redis.script_load(scripts.APPEND)
            retried = await self._append(
                [a for a, status in zip(appends, statuses, strict=True) if not status]
            )
            statuses = [status or retried.pop(0) for status in statuses]
        return [status or "missing" for status in statuses]

    async def end_log(self, lease: HeldLease, start: str, end: str) -> str:
        """Write the end of a log."""
        keys = [_chat(lease.chat_digest), _log(lease.log_id)]
        return await self._run_for_status(scripts.END_LOG, keys, [lease.epoch, start, end])

    async def end_run(self, lease: HeldLease, *, is_unacknowledged: bool) -> str:
        """Free the chat.

        With `is_unacknowledged`, the same request gets this response until its end is acknowledged.
        """
        chat_digest, _, epoch, log_id = lease
        keys = [_chat(chat_digest), _LEASES, _log(log_id), _folded(log_id), _readers(log_id)]
        unacknowledged = "1" if is_unacknowledged else ""
        arguments = [chat_digest, epoch, unacknowledged, _ms(UNACKNOWLEDGED_SECONDS)]
        return await self._run_for_status(scripts.END_RUN, keys, arguments)

    # A log, as other processes read it

    async def get_published(self, chat_digest: str, run_id: str) -> PublishedRun | None:
        """Return what is known of a run; None if the run is not the chat's last one."""
        current_run, turn, log_id, closed, stop = await self._redis.hmget(
            _chat(chat_digest), ["run", "turn", "log", "closed", "stop"]
        )
        if current_run != run_id.encode() or turn is None:
            return None
        # A former release does not name the log.
        log = run_id if log_id is None else log_id.decode()
        return PublishedRun(turn, log, closed is not None, bool(stop))

    async def read_log(self, log_id: str) -> tuple[list[bytes], Entries]:
        """Return all of a log as it is at one moment: its folded batches, then its entries."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.lrange(_folded(log_id), 0, -1)
        pipeline.xrange(_log(log_id))
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
        own = f"usechat:wake:{self.process}"
        streams = {own: last_wake, **{_log(log_id): last for log_id, last in logs.items()}}
        results = await self._updates.xread(streams, count=_MAX_UPDATES, block=_ms(_BLOCK))
        updates = {stream.decode(): _decode_entries(entries) for stream, entries in results}
        for entry_id, _ in updates.pop(own, []):
            last_wake = entry_id
        return last_wake, {
            log_id: updates[_log(log_id)] for log_id in logs if _log(log_id) in updates
        }

    async def wake(self, process: str) -> None:
        """Make a process check its leases and subscriptions."""
        stream = f"usechat:wake:{process}"
        await self._redis.xadd(stream, {"d": ""}, maxlen=100, approximate=True)
        await self._redis.pexpire(stream, _ms(_KEY_EXPIRY))

    async def renew_reads(self, log_ids: Iterable[str]) -> None:
        """Record that this process still has readers of these logs."""
        now, _ = await self._redis.time()
        pipeline = self._redis.pipeline(transaction=False)
        for log_id in log_ids:
            pipeline.zadd(_readers(log_id), {self.process: _ms(now + LEASE)})
            pipeline.pexpire(_readers(log_id), _ms(_KEY_EXPIRY))
        await pipeline.execute()

    async def start_reading(self, chat_digest: str, log_id: str) -> None:
        """Record that this process has its first reader of a log, and tell the owner."""
        await self.renew_reads([log_id])
        await self._wake_owner(chat_digest)

    async def stop_reading(self, chat_digest: str, log_id: str) -> None:
        """Record that this process has no more readers of a log, and tell the owner."""
        await self._redis.zrem(_readers(log_id), self.process)
        await self._wake_owner(chat_digest)

    # Approvals

    async def consume_nonce(self, nonce: str, seconds: float) -> bool:
        """Use a nonce up for so many seconds. Return False if it was used before."""
        return bool(await self._redis.set(f"usechat:used:{nonce}", "", nx=True, px=_ms(seconds)))

    async def _wake_owner(self, chat_digest: str) -> None:
        if owner := await self._redis.hget(_chat(chat_digest), "owner"):
            await self.wake(owner.decode())

    async def _append(self, appends: Sequence[Append]) -> list[str | None]:
        pipeline = self._redis.pipeline(transaction=False)
        sha = self._scripts[scripts.APPEND].sha
        for lease, start, end, batch, folded in appends:
            keys = [_chat(lease.chat_digest), _log(lease.log_id), _folded(lease.log_id)]
            pipeline.evalsha(sha, 3, *keys, lease.epoch, start, end, batch, *folded)
        results = await pipeline.execute(raise_on_error=False)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, NoScriptError):
                raise result
        return [None if isinstance(result, Exception) else result[0].decode() for result in results]

    async def _run_settled(self, script: str, keys: list[str], arguments: list[Any]) -> list[Any]:
        """Run a script until an emptied Redis has been filled again; return what it returned."""
        while True:
            result = await self._run(script, keys, [_ms(SETTLE), *arguments])
            if result[0] != b"unsettled":
                return result
            await asyncio.sleep(HEARTBEAT / 4)

    async def _run_for_status(self, script: str, keys: list[str], arguments: list[Any]) -> str:
        (status,) = await self._run(script, keys, arguments)
        return cast(bytes, status).decode()

    async def _run(self, script: str, keys: list[str], arguments: list[Any]) -> list[Any]:
        work = self._scripts[script](keys, arguments)
        return cast("list[Any]", await measured("redis", _OPERATIONS[script], work))
