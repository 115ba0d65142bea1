"""Follows the logs of other processes: one blocking read for all that have readers here."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from contextvars import Context

from usechat_server.aio import cancel
from usechat_server.coordination.redis.connection import UNAVAILABLE
from usechat_server.coordination.redis.log_commands import Entries, LogCommands
from usechat_server.coordination.redis.remote_log import RemoteLog
from usechat_server.turn import Turn

__all__ = ["LogSubscriber"]

logger: logging.Logger = logging.getLogger("usechat.coordination")

#: Seconds until the next attempt while Redis is unavailable.
_RETRY = 0.25


class LogSubscriber:
    """Keeps a copy of each log that has readers in this process. One per event loop."""

    def __init__(self, logs: LogCommands) -> None:
        #: set when another process has woken this one; the heartbeat clears it
        self.woken: asyncio.Event = asyncio.Event()
        self._logs = logs
        #: by the id of the log
        self._remote_logs: dict[str, RemoteLog] = {}
        self._leave_tasks: set[asyncio.Task[None]] = set()
        self._read_task = asyncio.create_task(
            self._read_updates(), name="redis subscriber", context=Context()
        )

    @property
    def remote_logs(self) -> list[RemoteLog]:
        """The logs that have readers here."""
        return list(self._remote_logs.values())

    async def subscribe(self, chat_digest: str, run_id: str) -> RemoteLog | None:
        """Add a reader to a log.

        Returns:
            The copy of the log; None if Redis does not have the log.

        Raises:
            RedisError, OSError: while Redis is unavailable.
        """
        logs = self._logs
        published = await logs.get_published(chat_digest, run_id)
        if published is None:
            return None
        log_id = published.log_id
        remote_log = self._remote_logs.get(log_id)
        if remote_log is None:
            continued = Turn.from_json(published.turn).continued
            remote_log = RemoteLog(chat_digest, run_id, log_id, continued)
            self._remote_logs[log_id] = remote_log
        remote_log.readers += 1
        try:
            if remote_log.readers == 1:
                await logs.start_reading(chat_digest, log_id)
                await remote_log.load(logs)
                # The read that is under way does not include this log.
                await logs.wake_self()
        except BaseException:
            self.unsubscribe(remote_log)
            raise
        return remote_log

    def unsubscribe(self, remote_log: RemoteLog) -> None:
        """Remove a reader from a log."""
        remote_log.readers -= 1
        if not remote_log.readers:
            del self._remote_logs[remote_log.log_id]
            task = asyncio.create_task(self._leave(remote_log))
            self._leave_tasks.add(task)
            task.add_done_callback(self._leave_tasks.discard)

    async def aclose(self) -> None:
        await cancel([self._read_task, *self._leave_tasks])

    async def _leave(self, remote_log: RemoteLog) -> None:
        with suppress(*UNAVAILABLE):  # the owner also notices that the read is not renewed
            await self._logs.stop_reading(remote_log.chat_digest, remote_log.log_id)

    async def _read_updates(self) -> None:
        last_wake, logs = "0", self._logs
        while True:
            last_entries = {
                remote_log.log_id: remote_log.last_entry_id
                for remote_log in self._remote_logs.values()
                if not remote_log.log.has_ended
            }
            try:
                wake, updates = await logs.read_updates(last_wake, last_entries)
                if wake != last_wake:
                    last_wake = wake
                    self.woken.set()
                for log_id, entries in updates.items():
                    if remote_log := self._remote_logs.get(log_id):
                        await self._feed(remote_log, entries)
            except UNAVAILABLE:
                await asyncio.sleep(_RETRY)

    async def _feed(self, remote_log: RemoteLog, entries: Entries) -> None:
        try:
            await remote_log.feed(entries, self._logs)
        except ValueError:
            # A later release wrote it. The other logs are followed all the same.
            logger.exception("run %s: log entries cannot be decoded", remote_log.run_id)
            remote_log.break_off()
