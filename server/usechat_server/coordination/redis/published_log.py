"""How much of a run's log is in Redis, and what is written there next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic

from usechat_server.coordination.redis.codec import encode
from usechat_server.coordination.redis.keys import LEASE, HeldLease
from usechat_server.coordination.redis.log_commands import Append, LogCommands
from usechat_server.run_log.log import Log
from usechat_server.run_log.position import Position, position_id

__all__ = ["PublishedLog"]

#: Entries of a stream, and bytes in them, after which they are folded into a large batch.
_MAX_ENTRIES = 256
_MAX_BYTES = 64 * 1024


class PublishedLog:
    """A run's log in Redis, which a LogPublisher keeps up to date."""

    def __init__(
        self,
        lease: HeldLease,
        log: Log,
        fields: Mapping[str, str | bytes],
        on_lost: Callable[[], None],
        is_owner: Callable[[], bool] | None,
    ) -> None:
        """Prepare to publish a log; nothing is written yet.

        Args:
            lease: The lease of the run.
            log: The log of the run.
            fields: What is stored about the turn, beside the log.
            on_lost: Called once, when it turns out that another process owns the run.
            is_owner: Returns whether this process is known to own the run; None: Redis decides.
        """
        self.lease = lease
        self.log = log
        #: whether Redis has the log's end
        self.has_log_end: bool = False
        #: called when Redis has freed the chat; None while the chat must not be freed
        self.on_freed: Callable[[], None] | None = None
        #: whether the same request gets this response until its end is acknowledged
        self.is_unacknowledged = False
        #: whether Redis has freed the chat
        self.has_ended: bool = False
        #: whether another process owns the run
        self.is_lost: bool = False
        #: the last moment at which this process is known to have owned the run
        self._owned_at = monotonic()
        #: set whenever a reply came; its waiters clear it
        self.progress: asyncio.Event = asyncio.Event()
        self._fields = fields
        self._on_lost = on_lost
        self._is_owner = is_owner
        #: whether Redis has a higher epoch although it does not decide: of a successor, which the
        #: run does not know yet, or of a claim that the store is about to refuse
        self.is_fenced: bool = False
        #: whether Redis has nothing yet that was written under this lease
        self.needs_rewrite: bool = True
        #: up to where Redis has the log
        self._position: Position = (0, 0)
        #: up to where it is folded, and what was written since
        self._folded_position: Position = (0, 0)
        self._entries = 0
        self._bytes = 0

    @property
    def is_behind(self) -> bool:
        """Whether there is something to write."""
        if self.is_lost or self.has_ended or self.is_fenced:
            return False
        if self.has_log_end:
            return self.on_freed is not None
        return self.needs_rewrite or self.log.has_ended or self.log.is_behind(self._position)

    @property
    def lease_may_have_expired(self) -> bool:
        """Whether another process may own the run: the lease was not renewed in time."""
        if self._is_owner is not None:
            return not self._is_owner()
        return monotonic() - self._owned_at > LEASE

    @property
    def may_have_successor(self) -> bool:
        """Whether another process may own the run, according to the store."""
        return self._is_owner is not None and not self._is_owner()

    def has(self, position: Position) -> bool:
        """Whether Redis has everything before a position."""
        return not self.needs_rewrite and self._position >= position

    async def rewrite(self, logs: LogCommands) -> None:
        """Write the whole log in place of whatever Redis has."""
        batches, end = self._encode_from((0, 0))
        sent_at = monotonic()
        status = await logs.rewrite_log(self.lease, position_id(end), self._fields, batches)
        if self.on_reply(status, end):
            self.confirm_ownership(sent_at)
            self.needs_rewrite = False
            self._folded_position, self._entries, self._bytes = end, 0, 0

    def next_batch(self) -> tuple[Append, Position] | None:
        """Return what to add, and the position after it; None if only the end is left."""
        chunks, end = self.log.read_chunks(self._position)
        if not chunks:
            return None
        folded: list[bytes] = []
        self._entries += 1
        if self._entries > _MAX_ENTRIES or self._bytes > _MAX_BYTES:
            while self.log.is_behind(end):
                more, end = self.log.read_chunks(end)
                chunks += more
            folded, _ = self._encode_from(self._folded_position)
            self._folded_position, self._entries, self._bytes = end, 0, 0
        batch = encode(chunks)
        self._bytes += len(batch)
        append = Append(self.lease, position_id(self._position), position_id(end), batch, folded)
        return append, end

    async def write_end(self, logs: LogCommands) -> None:
        """Write that the log has ended; then that the chat is free, once it may be freed."""
        if not self.has_log_end:
            start, end = position_id(self._position), position_id((self._position[0] + 1, 0))
            status = await logs.end_log(self.lease, start, end)
            self.has_log_end = self.on_reply(status, self._position)
        if self.has_log_end and self.on_freed is not None:
            status = await logs.end_run(self.lease, is_unacknowledged=self.is_unacknowledged)
            self.has_ended = self.on_reply(status, self._position)
            if self.has_ended:
                self.on_freed()

    def on_reply(self, status: str, position: Position = (0, 0)) -> bool:
        """Record the reply to a write: `ok` (Redis has the log up to `position`), `missing` or
        `fenced`. Return whether it is ok."""
        is_ok = status == "ok"
        if is_ok:
            self._position = position
        elif status == "missing" and not self.lease_may_have_expired:
            # Redis was emptied. No other process can have taken the run over meanwhile.
            self.needs_rewrite, self.has_log_end, self.is_fenced = True, False, False
        elif self._is_owner is not None:
            self.is_fenced = True  # until a renewal finds it otherwise
        else:
            self.abandon()
        self.progress.set()
        return is_ok

    def abandon(self) -> None:
        """Stop publishing: this process is not known to own the run any more. Idempotent."""
        if not self.is_lost:
            self.is_lost = True
            self._on_lost()
        self.progress.set()

    def confirm_ownership(self, sent_at: float) -> None:
        """Record that the lease was renewed.

        Args:
            sent_at: When the renewal was sent. Its reply may be read much later, by a process that
                was suspended meanwhile and has lost the run since.
        """
        self._owned_at = max(self._owned_at, sent_at)

    def on_unavailable(self) -> None:
        """Record that Redis is unavailable, so that no process can take the run over.

        It says nothing if the lease may have expired before: then this process may have been
        suspended, and the failure may be that of a command it sent long ago.
        """
        if not self.lease_may_have_expired:
            self._owned_at = monotonic()
        self.progress.set()

    def _encode_from(self, position: Position) -> tuple[list[bytes], Position]:
        batches: list[bytes] = []
        while self.log.is_behind(position):
            chunks, position = self.log.read_chunks(position)
            batches.append(encode(chunks))
        return batches, position
