"""A log of another process: every reader sees what the readers of its owner see."""

from __future__ import annotations

import asyncio
import secrets
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from ui_message_stream.chunks import Chunk, Error, Finish, Start, TextDelta, TextStart
from ui_message_stream.state import IllegalChunk, StreamState
from ui_message_stream.versions import ChunkVariant, ClientVersion, VersionedChunk
from ui_message_stream.writer import Writer
from usechat_server.coordination.redis import published_log
from usechat_server.coordination.redis.codec import decode, encode
from usechat_server.coordination.redis.commands import RedisCommands
from usechat_server.coordination.redis.keys import HeldLease
from usechat_server.coordination.redis.published_log import PublishedLog
from usechat_server.coordination.redis.remote_log import RemoteLog
from usechat_server.run_log import log as run_log
from usechat_server.run_log.log import Log

from tests.harness.agent_chat import call_chunks
from tests.harness.chunk_strategies import model_chunks
from tests.harness.redis_server import RedisServer

ranges = st.sampled_from([None, ClientVersion(5, 0, 92), ClientVersion(6), ClientVersion(7, 0, 70)])
variants = st.one_of(model_chunks, st.builds(VersionedChunk, model_chunks, ranges, ranges))


@given(st.lists(variants, max_size=8))
def test_every_chunk_survives_the_codec(chunks: list[ChunkVariant]) -> None:
    assert decode(encode(chunks)) == chunks


class Process:
    """A connection of its own, and the copy of one log."""

    def __init__(self, url: str, run_id: str) -> None:
        self.commands = RedisCommands(url)
        self.remote_log = RemoteLog("chat", run_id, run_id, None)
        self._wake = "0"

    async def read(self) -> None:
        """Read everything that is there now."""
        known = {self.remote_log.log_id: self.remote_log.last_entry_id}
        await self.commands.logs.wake_self()  # so that there is always an update
        self._wake, updates = await self.commands.logs.read_updates(self._wake, known)
        for entries in updates.values():
            await self.remote_log.feed(entries, self.commands.logs)


#: Chunks to append, a write to Redis, an emptied Redis, or the number of a process that reads.
acts = st.lists(
    st.one_of(
        st.lists(model_chunks, max_size=6),
        st.sampled_from(["write", "write", "empty"]),
        st.integers(0, 2),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(acts=acts, entries=st.sampled_from([1, 3, 256]), read_size=st.sampled_from([3, 64 * 1024]))
def test_a_reader_that_joins_at_any_point_has_the_owners_log(
    redis: RedisServer, acts: list[list[Chunk] | str | int], entries: int, read_size: int
) -> None:
    async def play() -> None:
        owner = RedisCommands(redis.url)
        run_id = secrets.token_hex(8)
        log, writer = Log(), Writer(message_id="m")
        log.append(writer.write(Start(message_id="m")))
        lost: list[None] = []
        published = PublishedLog(
            HeldLease(f"chat{run_id}", run_id, 1, run_id),
            log,
            {"run": run_id},
            lambda: lost.append(None),
            None,
        )
        readers: dict[int, Process] = {}

        async def write() -> None:
            while published.is_behind:
                if published.needs_rewrite:
                    await published.rewrite(owner.logs)
                elif batch := published.next_batch():
                    (status,) = await owner.logs.append([batch[0]])
                    published.on_reply(status, batch[1])
                else:
                    await published.write_end(owner.logs)

        for act in acts:
            if act == "write":
                await write()
            elif act == "empty":
                async with Redis.from_url(redis.url) as client:
                    await client.flushall()
            elif isinstance(act, int):
                await readers.setdefault(act, Process(redis.url, run_id)).read()
            elif isinstance(act, list):
                for chunk in act:
                    try:
                        log.append(writer.write(chunk))
                    except IllegalChunk:
                        continue
        log.append(writer.finish("stop"))
        log.end()
        await write()
        last = Process(redis.url, run_id)
        await last.remote_log.load(last.commands.logs)
        for process in [*readers.values(), last]:
            await process.read()
            await process.read()
            remote_log = process.remote_log.log
            assert remote_log.has_ended
            assert remote_log.message() == log.message()
            assert remote_log.end_position == log.end_position
            assert all_chunks(remote_log) == all_chunks(log)
            await process.commands.aclose()
        assert not lost
        await owner.aclose()

    with (
        mock.patch.object(published_log, "_MAX_ENTRIES", entries),
        mock.patch.object(run_log, "READ_SIZE", read_size),
    ):
        asyncio.run(play())


def test_a_copy_that_is_broken_off_has_a_legal_end() -> None:
    """Also if all that is missing is that nothing more will come."""
    writer = Writer(message_id="m")
    chunks = [
        *writer.write(Start(message_id="m")),
        *writer.write(TextStart(id="0")),
        *writer.write(TextDelta(id="0", delta="Hello")),
        *[chunk for part in call_chunks("t", "charge") for chunk in writer.write(part)],
        *writer.finish("stop"),
    ]
    for length in range(len(chunks) + 1):
        remote_log = RemoteLog("chat", "run", "run", None)
        remote_log.log.append(chunks[:length])
        remote_log.break_off()
        assert remote_log.log.has_ended
        received = [chunk for chunk in all_chunks(remote_log.log) if isinstance(chunk, Chunk)]
        state = StreamState()
        for chunk in received:
            state.check(chunk)
        assert isinstance(received[-1], Finish if length == len(chunks) else Error)


def all_chunks(log: Log) -> list[ChunkVariant]:
    """Everything that was appended, consecutive deltas merged."""
    with mock.patch.object(run_log, "READ_SIZE", 10**9):
        return log.read_chunks((0, 0))[0]
