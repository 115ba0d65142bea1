"""Runs in Redis whose process is gone."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ui_message_stream.chunks import Error

from usechat_server.coordination.orphans import FormerLog
from usechat_server.coordination.redis.commands import RedisCommands, Takeover
from usechat_server.coordination.redis.connection import UNAVAILABLE
from usechat_server.coordination.redis.remote_log import load_log
from usechat_server.run_log.log import Log
from usechat_server.turn import Turn

__all__ = ["read_former_log", "take_over"]

logger: logging.Logger = logging.getLogger("usechat.coordination")

#: Maximum number of takeovers per run. After that, the process that takes it over ends it instead
#: of continuing.
_MAX_TAKEOVERS = 2

#: What is raised for a log, or a turn, that another release has written.
_UNREADABLE = (ValueError, LookupError, TypeError)


async def read_former_log(
    commands: RedisCommands, chat_digest: str, run_id: str
) -> FormerLog | None:
    """Return what the former process of a run has published; None: nothing can be read."""
    try:
        published = await commands.logs.get_published(chat_digest, run_id)
        if published is None:
            return None
        log = Log(Turn.from_json(published.turn).continued)
        has_ended = await load_log(commands.logs, published.log_id, log)
    except UNAVAILABLE:
        return None
    except _UNREADABLE:
        logger.exception("run %s: cannot decode its published log", run_id)
        return None
    has_failed = has_ended and isinstance(log.last_chunk, Error)
    return FormerLog(
        published.turn,
        published.log_id,
        log,
        has_ended and not has_failed,
        has_failed,
        published.is_stop_requested,
    )


async def take_over(
    commands: RedisCommands, chat_digest: str, read_turn: Callable[[bytes], Turn]
) -> tuple[Turn, Log, Takeover, bool] | None:
    """Take over the run of a chat whose lease has expired.

    Returns:
        Its turn, its log, the lease, and whether the model may continue it. None: another process
        was faster, or nothing can be read; then the chat is free.
    """
    takeover = await commands.take_over(chat_digest)
    if takeover is None:
        return None
    held = takeover.lease
    try:
        turn = read_turn(takeover.turn)
        log = Log(turn.continued)
        has_ended = await load_log(commands.logs, held.log_id, log)
    except _UNREADABLE:
        # Release the lease, so that readers get an error and the chat accepts new messages.
        logger.exception("run %s: owner crashed, cannot decode its run log", held.run_id)
        await commands.release(held)
        return None
    logger.warning("run %s: owner crashed, taken over", held.run_id)
    was_stopped = bool(takeover.stop_request)
    may_repeat = takeover.earlier_takeovers < _MAX_TAKEOVERS
    return turn, log, takeover, may_repeat and not has_ended and not was_stopped
