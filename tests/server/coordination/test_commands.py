"""Many requests at the same time."""

from __future__ import annotations

import asyncio

from usechat_server.coordination.redis.commands import RedisCommands

from tests.harness.redis_server import RedisServer


async def test_concurrent_requests_wait_for_a_connection(redis: RedisServer) -> None:
    commands = RedisCommands(redis.url)
    try:
        leases = (commands.acquire(f"chat{number}", "run", "digest") for number in range(300))
        assert None not in await asyncio.gather(*leases)
    finally:
        await commands.aclose()
