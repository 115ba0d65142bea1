"""The connections of a process to Redis."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from usechat_server.coordination.redis import scripts
from usechat_server.coordination.redis.keys import HEARTBEAT, SETTLE, milliseconds
from usechat_server.telemetry.storage import measured

__all__ = ["BLOCK", "COMMAND_SECONDS", "UNAVAILABLE", "RedisConnection"]

#: What is raised while Redis is unavailable or cannot be used.
UNAVAILABLE = (RedisError, OSError)

#: Seconds after which Redis counts as unavailable if a command was not answered.
COMMAND_SECONDS = 2.0
#: Connections for commands. Commands are short, so many requests can share few.
_CONNECTIONS = 32
#: Seconds that a command which waits for an update blocks. Shorter than its socket's timeout.
BLOCK = 5.0

#: What each script does.
_OPERATIONS = {getattr(scripts, name): name.lower() for name in scripts.__all__}


class RedisConnection:
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
        self.redis: Any = Redis.from_pool(pool)
        #: for `xread`, which blocks
        self.updates: Any = Redis.from_url(
            url, socket_timeout=2 * BLOCK, socket_connect_timeout=COMMAND_SECONDS, retry=retry
        )
        self.scripts: dict[str, Any] = {
            text: self.redis.register_script(text)
            for text in (getattr(scripts, name) for name in scripts.__all__)
        }

    async def aclose(self) -> None:
        await self.redis.aclose()
        await self.updates.aclose()

    async def run(self, script: str, keys: list[str], arguments: list[Any]) -> list[Any]:
        """Run a script; return what it returned."""
        work = self.scripts[script](keys, arguments)
        return cast("list[Any]", await measured("redis", _OPERATIONS[script], work))

    async def run_settled(self, script: str, keys: list[str], arguments: list[Any]) -> list[Any]:
        """Run a script until an emptied Redis has been filled again; return what it returned."""
        while True:
            result = await self.run(script, keys, [milliseconds(SETTLE), *arguments])
            if result[0] != b"unsettled":
                return result
            await asyncio.sleep(HEARTBEAT / 4)

    async def run_for_status(self, script: str, keys: list[str], arguments: list[Any]) -> str:
        """Run a script that returns `ok`, `missing` or `fenced`."""
        (status,) = await self.run(script, keys, arguments)
        return cast(bytes, status).decode()
