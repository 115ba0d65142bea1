"""A log of another process, copied into one here, which any number of readers can follow."""

from __future__ import annotations

from ui_message_stream.chunks import Error
from ui_message_stream.messages import UIMessage

from usechat_server.coordination.redis.codec import decode, position_id
from usechat_server.coordination.redis.commands import Entries, RedisCommands
from usechat_server.run_log.log import Log

__all__ = ["GONE", "RemoteLog", "whole_log"]

#: What readers are told when neither a log nor its owner is there any more.
GONE = "The connection to this answer was lost. Reload the page to see what was kept of it."


class RemoteLog:
    """The copy of one log. Its items and positions are those of the owner's log, so that an entry
    of the stream fits if it begins where the copy ends; if not, what is between was folded."""

    def __init__(self, d: str, run_id: str, continued: UIMessage | None) -> None:
        self.d = d
        self.run_id = run_id
        self.log = Log(continued)
        #: readers in this process
        self.readers = 0

    @property
    def at(self) -> str:
        """The id of the last entry that is in it."""
        return position_id(self.log.end_position)

    async def load(self, shared: RedisCommands) -> None:
        """Copies what is there and not in it yet."""
        whole = Log()
        ended = await whole_log(shared, self.run_id, whole)
        while whole.is_behind(self.log.end_position):
            chunks, _ = whole.read_chunks(self.log.end_position)
            self.log.append(chunks)
        if ended:
            self.log.end()

    async def feed(self, entries: Entries, shared: RedisCommands) -> None:
        """Copies what came to the stream."""
        if self.log.has_ended:
            return
        ended = _extend(self.log, entries)
        if ended:
            self.log.end()
        elif ended is None:
            await self.load(shared)

    def break_off(self) -> None:
        """Nothing more will come. What was said stays; the client ends what is open."""
        if not self.log.has_ended:
            self.log.append([Error(error_text=GONE)])
            self.log.end()


async def whole_log(shared: RedisCommands, run_id: str, log: Log) -> bool:
    """Appends all that Redis has of a run's log. True if there is an end: that is not given."""
    pieces, entries = await shared.log(run_id)
    for piece in pieces:
        log.append(decode(piece))
    return bool(_extend(log, entries))


def _extend(log: Log, entries: Entries) -> bool | None:
    """Appends entries that follow a log's end: whether the last one ends it; None if they do not
    follow."""
    for _, fields in entries:
        before = fields[b"p"].decode()
        if before != position_id(log.end_position):
            if _order(before) < log.end_position:
                continue  # it is in the log already
            return None
        if b"end" in fields:
            return True
        log.append(decode(fields[b"c"]))
    return False


def _order(identity: str) -> tuple[int, int]:
    item, _, offset = identity.partition("-")
    return int(item), int(offset)
