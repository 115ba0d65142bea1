"""Used approvals, remembered for all processes."""

from __future__ import annotations

from usechat_server.aio import PerLoop
from usechat_server.coordination.redis.commands import UNAVAILABLE, RedisCommands
from usechat_server.coordination.redis.coordinator import UNREACHABLE
from usechat_server.errors import ServiceUnavailable

__all__ = ["RedisNonces"]


class RedisNonces:
    """`approvals.Nonces` in Redis.

    A Redis that is emptied forgets which approvals were used; keep it on disk where that matters.
    """

    #: all processes that share a Redis remember the same
    scope = b""

    def __init__(self, redis: PerLoop[RedisCommands]) -> None:
        self._redis = redis

    async def consume(self, nonce: str, seconds: float) -> bool:
        """Raises ChatError while Redis is away: nobody knows whether it was used."""
        try:
            return await self._redis.get().use(nonce, seconds)
        except UNAVAILABLE:
            raise ServiceUnavailable(UNREACHABLE) from None
