"""Used approvals, remembered for all processes."""

from __future__ import annotations

from usechat_server.aio import PerLoop
from usechat_server.coordination.redis.commands import RedisCommands
from usechat_server.coordination.redis.connection import UNAVAILABLE
from usechat_server.coordination.redis.coordinator import UNREACHABLE
from usechat_server.errors import ServiceUnavailable

__all__ = ["RedisNonces"]


class RedisNonces:
    """`approvals.Nonces` in Redis.

    A Redis that is emptied forgets which approvals were used; persist it to disk where that
    matters.
    """

    #: all processes that share a Redis remember the same nonces
    scope = b""

    def __init__(self, redis: PerLoop[RedisCommands]) -> None:
        self._redis = redis

    async def consume(self, nonce: str, seconds: float) -> bool:
        """Use a nonce up. Return False if it was used before.

        Raises:
            ServiceUnavailable: While Redis is unavailable, since it is unknown then.
        """
        try:
            return await self._redis.get().consume_nonce(nonce, seconds)
        except UNAVAILABLE:
            raise ServiceUnavailable(UNREACHABLE) from None
