"""A process that was suspended: what it reads late does not prove that it owns its run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from unittest import mock

import pytest
from ui_message_stream.chunks import Start, StartStep, TextDelta, TextStart
from ui_message_stream.messages import TextPart, UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server.coordination.base import ChatKey
from usechat_server.coordination.orphans import OrphanedRun
from usechat_server.coordination.redis import commands, heartbeat, log_commands, published_log
from usechat_server.coordination.redis.commands import RedisCommands, RenewedLease
from usechat_server.coordination.redis.coordinator import RedisCoordinator
from usechat_server.coordination.redis.keys import HeldLease, hash_chat_key
from usechat_server.coordination.subscription import LogSubscription
from usechat_server.run_log.log import Log
from usechat_server.turn import Turn

from tests.harness.common import DEADLINE
from tests.harness.redis_server import RedisServer

KEY, OTHER_KEY = ChatKey(None, "c"), ChatKey(None, "d")


@pytest.fixture(autouse=True)
def short_leases() -> Iterator[None]:
    with ExitStack() as stack:
        for module in (commands, heartbeat, log_commands, published_log):
            stack.enter_context(mock.patch.object(module, "LEASE", 0.5))
        stack.enter_context(mock.patch.object(heartbeat, "HEARTBEAT", 0.05))
        yield


class SuspendedCommands(RedisCommands):
    """Redis, as a process sees it that may be suspended after Redis has renewed its leases."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.suspended = False
        self.is_waiting = asyncio.Event()
        self.resumed = asyncio.Event()

    async def renew(self, leases: Iterable[HeldLease]) -> tuple[list[str], list[RenewedLease]]:
        result = await super().renew(leases)
        if self.suspended:
            self.is_waiting.set()
            await self.resumed.wait()
        return result


class BegunRun:
    """A run whose log has begun."""

    readers = 0
    is_proven_owner = True

    def __init__(self, key: ChatKey) -> None:
        question = UIMessage(id="u", role="user", parts=[TextPart(text="?")])
        self.turn = Turn(key.user, key.chat_id, NEWEST_CLIENT_VERSION, [question], "m")
        self.log = Log()
        self.log.append([Start(message_id="m"), StartStep(), TextStart(id="0")])
        self.is_abandoned = False

    def stop(self) -> None:
        raise AssertionError("no client has asked for it")

    def abandon(self) -> None:
        self.is_abandoned = True

    def set_remote_readers(self, readers: int) -> None:
        pass

    def subscribe(self) -> LogSubscription:
        raise AssertionError("nothing reads it")


async def refuse(orphan: OrphanedRun) -> None:
    raise AssertionError("its owner was suspended")


async def test_a_renewal_that_is_read_late_does_not_confirm_ownership(redis: RedisServer) -> None:
    """The other process has ended the run and its client has the end, so Redis has forgotten it: to
    a process that believes in its lease, that looks like a Redis that was emptied."""
    own, other = SuspendedCommands(redis.url), RedisCommands(redis.url)
    is_over = asyncio.Event()

    async def end_run(orphan: OrphanedRun) -> None:
        taken_over = BegunRun(KEY)
        await orphan.lease.begin(taken_over)
        taken_over.log.end()
        await orphan.lease.end("finished")
        await successor.mark_acknowledged(KEY, orphan.lease.run_id)
        is_over.set()

    owner, run = RedisCoordinator(own, refuse), BegunRun(KEY)
    successor = RedisCoordinator(other, end_run)
    try:
        async with asyncio.timeout(DEADLINE):
            lease = await owner.acquire(KEY, "run", "digest")
            assert lease is not None
            await lease.begin(run)
            own.suspended = True
            await own.is_waiting.wait()
            await is_over.wait()
            own.suspended = False
            own.resumed.set()
            run.log.append([TextDelta(id="0", delta="More")])
            assert not await lease.wait_until_durable()
        assert run.is_abandoned
    finally:
        await owner.aclose()
        await successor.aclose()
        await own.aclose()
        await other.aclose()


async def test_an_owner_that_cannot_ask_after_a_pause_abandons_the_run(redis: RedisServer) -> None:
    own = RedisCommands(redis.url)
    owner, run = RedisCoordinator(own, refuse), BegunRun(OTHER_KEY)
    try:
        async with asyncio.timeout(DEADLINE):
            lease = await owner.acquire(OTHER_KEY, "another run", "digest")
            assert lease is not None
            await lease.begin(run)
            assert await lease.wait_until_durable()
            unavailable = mock.AsyncMock(side_effect=OSError)
            with (
                mock.patch.object(own, "renew", unavailable),
                mock.patch.object(published_log, "LEASE", -1.0),
            ):
                assert not await lease.wait_until_durable()
        assert run.is_abandoned
    finally:
        await owner.aclose()
        await own.aclose()


async def test_a_run_without_proof_of_ownership_is_not_published(redis: RedisServer) -> None:
    """Its process was suspended before it could publish the run. Meanwhile another one has ended
    it, and Redis has forgotten it."""
    commands = RedisCommands(redis.url)
    key, run = ChatKey(None, "e"), BegunRun(ChatKey(None, "e"))
    coordinator = RedisCoordinator(commands, refuse, find_end=mock.AsyncMock())
    try:
        async with asyncio.timeout(DEADLINE):
            lease = await coordinator.adopt(key, "unproven")
            assert lease is not None
            run.is_proven_owner = False
            await lease.begin(run)
            assert await commands.get(hash_chat_key(key)) is None
            lease.drop()
            assert await coordinator.get(key) is None
            assert await coordinator.acquire(key, "next", "digest") is not None
    finally:
        await coordinator.aclose()
        await commands.aclose()
