"""Leases and requests in Redis, with one method for each operation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from usechat_server.coordination.base import RunState
from usechat_server.coordination.redis import scripts
from usechat_server.coordination.redis.connection import RedisConnection
from usechat_server.coordination.redis.keys import (
    KEY_EXPIRY,
    LEASE,
    LEASES,
    SINCE,
    HeldLease,
    chat_key,
    folded_key,
    log_key,
    milliseconds,
    readers_key,
    resumes_key,
)
from usechat_server.coordination.redis.log_commands import LogCommands

__all__ = ["RedisCommands", "RenewedLease", "Takeover"]

#: Seconds that a chat is remembered whose client resumes runs.
_RESUMES_SECONDS = 24 * 60 * 60


class Takeover(NamedTuple):
    """An expired lease of another process that now belongs to this one."""

    lease: HeldLease
    turn: bytes
    request_digest: str
    #: as in RenewedLease
    stop_request: str
    #: how often it was taken over before
    earlier_takeovers: int


class RenewedLease(NamedTuple):
    """How a renewal found a lease."""

    #: held, missing (Redis was emptied) or fenced (another process owns the chat)
    status: str
    #: the message whose run is to stop, `*` for any; empty if there is no request
    stop_request: str
    #: other processes that read the log
    remote_readers: int


class RedisCommands:
    """Redis, from one event loop of one process. Every method may raise one of UNAVAILABLE."""

    def __init__(self, url: str) -> None:
        self._connection = RedisConnection(url)
        #: the logs that belong to the leases
        self.logs: LogCommands = LogCommands(self._connection)

    @property
    def process(self) -> str:
        """The id of this process among the others."""
        return self._connection.process

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connection.aclose()

    async def acquire(self, chat_digest: str, run_id: str, request_digest: str) -> int | None:
        """Claim a chat. Return the epoch of the new lease; None if the chat is not free."""
        keys = [chat_key(chat_digest), LEASES, SINCE]
        arguments = [
            chat_digest,
            run_id,
            request_digest,
            self._connection.process,
            milliseconds(LEASE),
        ]
        status, *values = await self._connection.run_settled(scripts.ACQUIRE, keys, arguments)
        return int(values[0]) if status == b"claimed" else None

    async def record_resumption(self, chat_digest: str) -> None:
        """Record that a client of a chat resumes runs."""
        await self._connection.redis.set(resumes_key(chat_digest), b"1", ex=_RESUMES_SECONDS)

    async def is_resumed(self, chat_digest: str) -> bool:
        """Return whether a client of a chat resumes runs."""
        return bool(await self._connection.redis.exists(resumes_key(chat_digest)))

    async def get(self, chat_digest: str) -> RunState | None:
        """Return the last run of a chat; None if none is known any more."""
        status, *values = await self._connection.run_settled(
            scripts.GET, [chat_key(chat_digest), SINCE], []
        )
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
        pipeline = self._connection.redis.pipeline(transaction=False)
        for chat_digest in chat_digests:
            pipeline.hmget(chat_key(chat_digest), ["run", "closed"])
        results = await pipeline.execute()
        return [run.decode() if run and not closed else None for run, closed in results]

    async def release(self, lease: HeldLease) -> None:
        """Free a chat that was claimed and has no run yet."""
        keys = [chat_key(lease.chat_digest), LEASES]
        await self._connection.run(scripts.RELEASE, keys, [lease.chat_digest, lease.epoch])

    async def renew(self, leases: Iterable[HeldLease]) -> tuple[list[str], list[RenewedLease]]:
        """Renew leases.

        Returns:
            Digests of chats whose lease has expired, of any process; and how each of `leases` was
            found, in the same order.
        """
        keys = [LEASES, SINCE]
        arguments: list[Any] = [milliseconds(LEASE), milliseconds(KEY_EXPIRY)]
        for chat_digest, _, epoch, log_id in leases:
            keys += [
                chat_key(chat_digest),
                log_key(log_id),
                folded_key(log_id),
                readers_key(log_id),
            ]
            arguments += [chat_digest, epoch]
        expired, *renewed = await self._connection.run(scripts.RENEW, keys, arguments)
        return [chat_digest.decode() for chat_digest in expired], [
            RenewedLease(status.decode(), stop.decode(), readers)
            for status, stop, readers in renewed
        ]

    async def take_over(self, chat_digest: str) -> Takeover | None:
        """Take an expired lease over; None if another process was faster."""
        keys = [chat_key(chat_digest), LEASES]
        arguments = [chat_digest, self._connection.process, milliseconds(LEASE)]
        status, *values = await self._connection.run(scripts.TAKE_OVER, keys, arguments)
        if status != b"taken":
            return None
        run_id, epoch, turn, request_digest, stop, takeovers, log_id = values
        # A former release does not name the log.
        run, log = run_id.decode(), (log_id or run_id).decode()
        held = HeldLease(chat_digest, run, int(epoch), log)
        return Takeover(held, turn, request_digest.decode(), stop.decode(), int(takeovers))

    async def request_stop(
        self, chat_digest: str, run_id: str | None, message_id: str | None
    ) -> str | None:
        """Ask the owner of a run to end it. Return the run's id; None if no run matches."""
        arguments = [run_id or "", message_id or "", milliseconds(KEY_EXPIRY)]
        status, *values = await self._connection.run(
            scripts.REQUEST_STOP, [chat_key(chat_digest)], arguments
        )
        return values[0].decode() if status == b"requested" else None

    async def mark_acknowledged(self, chat_digest: str, run_id: str, *, is_owner: bool) -> None:
        """Record that a client has received the end of a run.

        With `is_owner`, the run is this process's, and Redis may not have its end yet.
        """
        arguments = [run_id, "1" if is_owner else ""]
        await self._connection.run(scripts.MARK_ACKNOWLEDGED, [chat_key(chat_digest)], arguments)

    async def expect_readers(self, chat_digest: str, change: int) -> str | None:
        """Change the number of clients that are expected to subscribe to the chat's run.

        Returns:
            The id of the run; None if there is nothing to follow.
        """
        status, *values = await self._connection.run(
            scripts.EXPECT_READERS, [chat_key(chat_digest)], [change]
        )
        return values[0].decode() if status == b"ok" else None

    # Approvals

    async def consume_nonce(self, nonce: str, seconds: float) -> bool:
        """Use a nonce up for so many seconds. Return False if it was used before."""
        return bool(
            await self._connection.redis.set(
                f"usechat:used:{nonce}", "", nx=True, px=milliseconds(seconds)
            )
        )
