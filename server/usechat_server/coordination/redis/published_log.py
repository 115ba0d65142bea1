"""What of a run's log is in Redis, and what goes there next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic

from usechat_server.coordination.redis.codec import encode, position_id
from usechat_server.coordination.redis.commands import LEASE, Append, HeldLease, RedisCommands
from usechat_server.run_log.log import Log, Position

__all__ = ["PublishedLog"]

#: Entries of a stream, and bytes of them, after which they are folded.
_MOST_ENTRIES = 256
_MOST_BYTES = 64 * 1024


class PublishedLog:
    """A run's log in Redis, which a Mirror keeps up.

    `fields` say what is known of its turn. `lost` is called, once, when it turns out that another
    process has the chat.
    """

    def __init__(
        self,
        held: HeldLease,
        log: Log,
        fields: Mapping[str, str | bytes],
        lost: Callable[[], None],
    ) -> None:
        self.held = held
        self.log = log
        #: whether Redis has the log's end
        self.closed = False
        #: what to call when the chat is free; None: it is not to be free yet
        self.over: Callable[[], None] | None = None
        #: whether the same request is to get the answer then
        self.owed = False
        #: whether Redis has it free
        self.ended = False
        #: whether another process has the chat
        self.is_lost = False
        #: when it was last known that no other process could have the chat
        self._sure = monotonic()
        #: set whenever the copy went on; whoever waits for that clears it
        self.progress = asyncio.Event()
        self._fields = fields
        self._lost = lost
        #: whether it is to be written from its beginning: what is there is not this owner's
        self.starts = True
        #: how far Redis has it
        self._at: Position = (0, 0)
        #: how far that is folded; what came since
        self._folded: Position = (0, 0)
        self._entries = 0
        self._bytes = 0

    @property
    def is_behind(self) -> bool:
        """Whether there is something to write."""
        if self.is_lost or self.ended:
            return False
        if self.closed:
            return self.over is not None
        return self.starts or self.log.has_ended or self.log.is_behind(self._at)

    @property
    def is_doubtful(self) -> bool:
        """Whether another process may have the chat: the lease was not renewed in time."""
        return monotonic() - self._sure > LEASE

    def has(self, position: Position) -> bool:
        """Whether Redis has everything before a position."""
        return not self.starts and self._at >= position

    async def fill(self, shared: RedisCommands) -> None:
        """Writes all there is, over whatever is there."""
        pieces, at = self._pieces((0, 0))
        told = position_id(at)
        word = await shared.fill(self.held, told, self._fields, pieces)
        if self.told(word, at):
            self.starts = False
            self._folded, self._entries, self._bytes = at, 0, 0

    def batch(self) -> tuple[Append, Position] | None:
        """What to add, and the position after it; None if what is left is the end."""
        chunks, at = self.log.read_chunks(self._at)
        if not chunks:
            return None
        pieces: list[bytes] = []
        self._entries += 1
        if self._entries > _MOST_ENTRIES or self._bytes > _MOST_BYTES:
            while self.log.is_behind(at):
                more, at = self.log.read_chunks(at)
                chunks += more
            pieces, _ = self._pieces(self._folded)
            self._folded, self._entries, self._bytes = at, 0, 0
        data = encode(chunks)
        self._bytes += len(data)
        before, after = position_id(self._at), position_id(at)
        return Append(self.held, before, after, data, pieces), at

    async def end(self, shared: RedisCommands) -> None:
        """Writes that the log has its end; then that the chat is free, if it is."""
        if not self.closed:
            before, after = position_id(self._at), position_id((self._at[0] + 1, 0))
            self.closed = self.told(await shared.close(self.held, before, after), self._at)
        if self.closed and self.over is not None:
            self.ended = self.told(await shared.end(self.held, owed=self.owed), self._at)
            if self.ended:
                self.over()

    def told(self, word: str, at: Position = (0, 0)) -> bool:
        """What Redis said: `ok` (it has the log up to `at`), `missing` or `fenced`."""
        ok = word == "ok"
        if ok:
            self._at = at
            self.confirmed()
        elif word == "missing" and not self.is_doubtful:
            # Redis was emptied. Nobody can have taken the chat meanwhile.
            self.starts, self.closed = True, False
        elif not self.is_lost:
            self.is_lost = True
            self._lost()
        self.progress.set()
        return ok

    def confirmed(self) -> None:
        """The lease was renewed."""
        self._sure = monotonic()

    def unreachable(self) -> None:
        """Redis is away, so that nobody can take the chat; unless this process was stopped, and it
        is only its own question of before that is too late."""
        if not self.is_doubtful:
            self.confirmed()
        self.progress.set()

    def _pieces(self, position: Position) -> tuple[list[bytes], Position]:
        pieces: list[bytes] = []
        while self.log.is_behind(position):
            chunks, position = self.log.read_chunks(position)
            pieces.append(encode(chunks))
        return pieces, position
