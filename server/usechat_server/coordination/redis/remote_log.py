"""A local copy of a log that another process writes."""

from __future__ import annotations

from ui_message_stream.messages import UIMessage

from usechat_server.coordination.redis.codec import decode
from usechat_server.coordination.redis.log_commands import Entries, LogCommands
from usechat_server.run_log.log import Log
from usechat_server.run_log.position import parse_position, position_id

__all__ = ["RemoteLog", "load_log"]

#: Error text for readers of a log that neither Redis nor an owner has any more.
LOST = "The connection to this response was lost. Reload the page to see what was saved."


class RemoteLog:
    """The copy of one log, which any number of readers in this process can follow.

    Its items and positions are those of the owner's log. So an entry of the stream fits if it
    starts where the copy ends; if not, what is in between was folded, and the log is loaded again.
    """

    def __init__(
        self, chat_digest: str, run_id: str, log_id: str, continued: UIMessage | None
    ) -> None:
        self.chat_digest = chat_digest
        self.run_id = run_id
        self.log_id = log_id
        self.log: Log = Log(continued)
        self.log.id = log_id
        #: readers in this process
        self.readers = 0

    @property
    def last_entry_id(self) -> str:
        """The id of the last entry that the copy has."""
        return position_id(self.log.end_position)

    async def load(self, logs: LogCommands) -> None:
        """Copy what is in Redis and not here yet."""
        loaded = Log()
        has_ended = await load_log(logs, self.log_id, loaded)
        while loaded.is_behind(self.log.end_position):
            chunks, _ = loaded.read_chunks(self.log.end_position)
            self.log.append(chunks)
        if has_ended:
            self.log.end()

    async def feed(self, entries: Entries, logs: LogCommands) -> None:
        """Copy new entries of the stream."""
        if self.log.has_ended:
            return
        has_ended = _append_entries(self.log, entries)
        if has_ended:
            self.log.end()
        elif has_ended is None:
            await self.load(logs)

    def break_off(self) -> None:
        """End the copy with an error: nothing more will come. Clients end what is open."""
        if not self.log.has_ended:
            self.log.append(self.log.error_chunks(LOST))
            self.log.end()


async def load_log(logs: LogCommands, log_id: str, log: Log) -> bool:
    """Append everything that Redis has of a log.

    Returns:
        Whether it has its end; `log` is not ended.
    """
    batches, entries = await logs.read_log(log_id)
    for batch in batches:
        log.append(decode(batch))
    return bool(_append_entries(log, entries))


def _append_entries(log: Log, entries: Entries) -> bool | None:
    """Append entries. Return whether the last one is the end; None if there is a gap before one."""
    for _, fields in entries:
        start = fields[b"p"].decode()
        if start != position_id(log.end_position):
            if parse_position(start) < log.end_position:
                continue  # the log has it already
            return None
        if b"end" in fields:
            return True
        log.append(decode(fields[b"c"]))
    return False
