"""A process of another release, whose turns and logs this one cannot decode."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from unittest import mock

import pytest
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server.chat_request import parse_request, turn_of
from usechat_server.coordination.base import ChatKey
from usechat_server.coordination.orphans import OrphanedRun
from usechat_server.coordination.redis import commands, heartbeat, log_commands
from usechat_server.coordination.redis.commands import RedisCommands
from usechat_server.coordination.redis.coordinator import RedisCoordinator
from usechat_server.coordination.redis.keys import HeldLease, hash_chat_key
from usechat_server.coordination.redis.log_commands import Append
from usechat_server.coordination.redis.subscriber import LogSubscriber

from tests.harness.common import DEADLINE
from tests.harness.redis_server import RedisServer

START = b'[{"type": "start", "messageId": "m1"}]'


@pytest.fixture(autouse=True)
def short_leases() -> Iterator[None]:
    with ExitStack() as stack:
        for module in (commands, heartbeat, log_commands):
            stack.enter_context(mock.patch.object(module, "LEASE", 0.3))
        yield


async def begin_run(redis: RedisCommands, key: ChatKey, turn: bytes) -> HeldLease:
    """Begin a run in a process that does not renew its lease."""
    run, chat_digest = f"run of {key.chat_id}", hash_chat_key(key)
    epoch = await redis.acquire(chat_digest, run, "digest")
    assert epoch is not None
    held = HeldLease(chat_digest, run, epoch, run)
    fields: dict[str, str | bytes] = {
        "run": run,
        "digest": "digest",
        "owner": redis.process,
        "turn": turn,
    }
    assert await redis.logs.rewrite_log(held, "1-0", fields, [START]) == "ok"
    return held


async def test_a_run_that_cannot_be_taken_over_frees_its_chat(redis: RedisServer) -> None:
    async def take_over(orphan: OrphanedRun) -> None:
        raise AssertionError("there is nothing to take over")

    other, own = RedisCommands(redis.url), RedisCommands(redis.url)
    key = ChatKey(None, "c1")
    await begin_run(other, key, b'{"written": "otherwise"}')
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


async def test_a_log_that_cannot_be_decoded_ends_and_others_continue(redis: RedisServer) -> None:
    other, own = RedisCommands(redis.url), RedisCommands(redis.url)
    body = b'{"id": "c2", "messages": [{"id": "u", "role": "user", "parts": []}]}'
    turn = turn_of(parse_request(body), None, NEWEST_CLIENT_VERSION)
    held = await begin_run(other, ChatKey(None, "c2"), turn.to_json())
    subscriber = LogSubscriber(own.logs)
    try:
        remote_log = await subscriber.subscribe(held.chat_digest, held.run_id)
        assert remote_log is not None
        reader = remote_log.log.reader(NEWEST_CLIENT_VERSION)
        unknown = b'[{"type": "of-a-later-release"}]'
        await other.logs.append([Append(held, "1-0", "2-0", unknown, [])])
        async with asyncio.timeout(DEADLINE):
            frames = b""
            while data := await reader.read():
                frames += data
            assert b'"start"' in frames
            assert b'"error"' in frames
            # It still receives updates.
            subscriber.woken.clear()
            await other.logs.wake(own.process)
            await subscriber.woken.wait()
        subscriber.unsubscribe(remote_log)
    finally:
        await subscriber.aclose()
        await own.aclose()
        await other.aclose()
