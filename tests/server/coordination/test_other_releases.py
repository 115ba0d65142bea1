"""A process of another release, whose turns and logs this one cannot read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from unittest import mock

import pytest
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server.chat_request import parse_request, turn_of
from usechat_server.coordination.base import ChatKey, OrphanedRun
from usechat_server.coordination.redis import commands as shared
from usechat_server.coordination.redis import heartbeat
from usechat_server.coordination.redis.commands import HeldLease, RedisCommands, chat_digest
from usechat_server.coordination.redis.coordinator import RedisCoordinator
from usechat_server.coordination.redis.subscriber import LogSubscriber

from tests.harness.redis_server import RedisServer

DEADLINE = 20.0
START = b'[{"type": "start", "messageId": "m1"}]'


@pytest.fixture(autouse=True)
def short_leases() -> Iterator[None]:
    with mock.patch.object(shared, "LEASE", 0.3), mock.patch.object(heartbeat, "LEASE", 0.3):
        yield


async def begun(redis: RedisCommands, key: ChatKey, turn: bytes) -> HeldLease:
    """A run of a process that does not renew its lease."""
    run, d = f"run of {key.chat_id}", chat_digest(key)
    epoch = await redis.claim(d, run, "digest")
    assert epoch is not None
    held = HeldLease(d, run, epoch)
    fields: dict[str, str | bytes] = {
        "run": run,
        "digest": "digest",
        "owner": redis.process,
        "turn": turn,
    }
    assert await redis.fill(held, "1-0", fields, [START]) == "ok"
    return held


async def test_a_turn_that_nobody_can_take_over_gives_its_chat_back(redis: RedisServer) -> None:
    async def take_over(orphan: OrphanedRun) -> None:
        raise AssertionError("there is nothing to take over")

    other, own = RedisCommands(redis.url), RedisCommands(redis.url)
    key = ChatKey(None, "c1")
    await begun(other, key, b'{"written": "otherwise"}')
    coordinator = RedisCoordinator(own, take_over)
    try:
        async with asyncio.timeout(DEADLINE):
            while True:
                lease = await coordinator.acquire(key, "next", "another")
                if lease is not None:
                    break
                await asyncio.sleep(0.05)
        await lease.release()
    finally:
        await coordinator.aclose()
        await own.aclose()
        await other.aclose()


async def test_a_log_that_cannot_be_read_ends_and_others_go_on(redis: RedisServer) -> None:
    other, own = RedisCommands(redis.url), RedisCommands(redis.url)
    body = b'{"id": "c2", "messages": [{"id": "u", "role": "user", "parts": []}]}'
    turn = turn_of(parse_request(body), None, NEWEST_CLIENT_VERSION)
    held = await begun(other, ChatKey(None, "c2"), turn.to_json())
    follower = LogSubscriber(own)
    try:
        remote_log = await follower.open(held.d, held.run_id)
        assert remote_log is not None
        reader = remote_log.log.reader(NEWEST_CLIENT_VERSION)
        unknown = b'[{"type": "of-a-later-release"}]'
        await other.append([shared.Append(held, "1-0", "2-0", unknown, [])])
        async with asyncio.timeout(DEADLINE):
            said = b""
            while data := await reader.read():
                said += data
            assert b'"start"' in said
            assert b'"error"' in said
            # It still looks at what comes.
            follower.woken.clear()
            await other.wake(own.process)
            await follower.woken.wait()
        follower.close(remote_log)
    finally:
        await follower.aclose()
        await own.aclose()
        await other.aclose()
