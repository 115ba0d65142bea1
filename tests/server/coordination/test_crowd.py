"""Many requests at one moment."""

from __future__ import annotations

import asyncio

from usechat_server.coordination.redis.commands import RedisCommands

from tests.harness.redis_server import RedisServer


async def test_requests_at_one_moment_wait_for_each_other(redis: RedisServer) -> None:
    shared = RedisCommands(redis.url)
    try:
        claims = (shared.claim(f"chat{number}", "run", "digest") for number in range(300))
        assert None not in await asyncio.gather(*claims)
    finally:
        await shared.aclose()
