"""A run's log: all readers see the same message, whenever and however slowly they read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import process_time
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ui_message_stream.chunks import (
    Chunk,
    Data,
    Error,
    Finish,
    ResetStep,
    SourceUrl,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputStart,
    ToolOutputAvailable,
    parse_chunk,
)
from ui_message_stream.messages import StepStartPart, TextPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.replay import replay_chunks
from ui_message_stream.state import IllegalChunk, StreamState
from ui_message_stream.versions import (
    DEFAULT_CLIENT_VERSION,
    NEWEST_CLIENT_VERSION,
    ChunkVariant,
    ClientVersion,
    VersionedChunk,
    downgrade,
)
from ui_message_stream.writer import Writer
from usechat_server.run_log import log as run_log
from usechat_server.run_log.log import Log, Reader

from tests.harness.asgi_host import chunks_of
from tests.harness.chunk_strategies import model_chunks

CLIENT_VERSIONS = [
    ClientVersion(5),
    DEFAULT_CLIENT_VERSION,
    ClientVersion(6),
    ClientVersion(7),
    NEWEST_CLIENT_VERSION,
]


async def read_to_end(reader: Reader) -> bytes:
    data = b""
    while (piece := await reader.read()) is not None:
        data += piece
    return data


def text_chunks(*deltas: str, block: str = "0") -> list[Chunk]:
    return [TextDelta(id=block, delta=delta) for delta in deltas]


def log_of(*entries: Sequence[Chunk]) -> Log:
    log = Log()
    for entry in entries:
        log.append(entry)
    return log


#: An entry to append, or the number of a reader that reads (a new one, from the start, if that
#: number has no reader yet).
acts = st.lists(st.one_of(st.lists(model_chunks, max_size=6), st.integers(0, 4)), max_size=60)


@settings(max_examples=200)
@given(acts=acts, read_size=st.sampled_from([3, 200, 64 * 1024]))
def test_every_reader_sees_the_same_message(acts: list[list[Chunk] | int], read_size: int) -> None:
    async def play() -> None:
        log, writer = Log(), Writer(message_id="m")
        written: list[Chunk] = []
        readers: dict[int, Reader] = {}
        seen: dict[int, bytes] = dict.fromkeys(range(len(CLIENT_VERSIONS)), b"")

        def append(chunks: list[Chunk]) -> None:
            written.extend(chunks)
            log.append(chunks)

        append(writer.write(Start(message_id="m")))
        for act in acts:
            if isinstance(act, int):
                reader = readers.setdefault(act, log.reader(CLIENT_VERSIONS[act], from_start=True))
                # A reader that is caught up would wait for what this test appends next.
                reading = asyncio.create_task(reader.read())
                await asyncio.sleep(0)
                if reading.done():
                    seen[act] += reading.result() or b""
                reading.cancel()
                continue
            entry: list[Chunk] = []
            for chunk in act:
                try:
                    entry += writer.write(chunk)
                except IllegalChunk:
                    continue
            append(entry)
        append(writer.finish("stop"))
        log.end()

        for number, client_version in enumerate(CLIENT_VERSIONS):
            reader = readers.get(number) or log.reader(client_version)
            seen[number] += await read_to_end(reader)
            assert seen[number].endswith(b"data: [DONE]\n\n")
            expected = [
                downgraded for chunk in written if (downgraded := downgrade(chunk, client_version))
            ]
            assert reduce(chunks_of(seen[number])) == reduce(expected)

    with mock.patch.object(run_log, "READ_SIZE", read_size):
        asyncio.run(play())


START_CALL = ToolInputStart(tool_call_id="d", tool_name="t", title="T")
OUTPUT = ToolOutputAvailable(tool_call_id="d", output=0)

#: An entry to append, the number of a reader that reads, or a reset of the step.
acts_with_resets = st.lists(
    st.one_of(st.lists(model_chunks, max_size=6), st.integers(0, 4), st.just("reset")), max_size=40
)


@settings(max_examples=300)
@example(acts=[[START_CALL, StartStep(), OUTPUT], 0, "reset"], read_size=64 * 1024)
@example(acts=[[START_CALL, StartStep(), OUTPUT], 4, "reset"], read_size=64 * 1024)
@example(
    acts=[
        [Data(name="n", id="i", data=1), StartStep(), Data(name="n", id="i", data=2)],
        4,
        "reset",
    ],
    read_size=64 * 1024,
)
@given(acts=acts_with_resets, read_size=st.sampled_from([3, 64 * 1024]))
def test_every_reader_handles_a_reset(acts: list[list[Chunk] | int | str], read_size: int) -> None:
    """Readers that were sent the reset, and those that had received nothing of the step, see the
    same message. Any other one gets an error, and the log knew that it blocked the reset."""

    async def play() -> None:
        log, writer = Log(), Writer(message_id="m")
        readers = {
            number: log.reader(client_version)
            for number, client_version in enumerate(CLIENT_VERSIONS)
        }
        seen: dict[int, bytes] = dict.fromkeys(readers, b"")
        broken_off: set[int] = set()
        log.append(writer.write(Start(message_id="m")))
        for act in acts:
            if isinstance(act, int):
                seen[act] += readers[act].read_nowait() or b""
            elif isinstance(act, str):
                if writer.in_step:
                    blocking = {number for number in readers if readers[number].blocks_reset()}
                    assert log.can_reset == (not blocking)
                    broken_off |= blocking
                    log.append(writer.write(ResetStep()))
            else:
                entry: list[Chunk] = []
                for chunk in act:
                    try:
                        entry += writer.write(chunk)
                    except IllegalChunk:
                        continue
                log.append(entry)
        log.append(writer.finish("stop"))
        log.end()

        replayed = chunks_of(await read_to_end(log.reader(NEWEST_CLIENT_VERSION, from_start=True)))
        assert not any(isinstance(chunk, ResetStep) for chunk in replayed)
        assert reduce(replayed) == log.message()
        for number, reader in readers.items():
            seen[number] += await read_to_end(reader)
            received = chunks_of(seen[number])
            assert seen[number].endswith(b"data: [DONE]\n\n")
            if number in broken_off:
                assert isinstance(received[-1], Error)
                assert not reader.blocks_reset()
                state = StreamState(client_version=CLIENT_VERSIONS[number])
                for chunk in received:
                    state.advance(chunk)
                assert not state.open_parts  # it is ended before the error
                continue
            expected = [
                downgraded
                for chunk in replayed
                if (downgraded := downgrade(chunk, CLIENT_VERSIONS[number]))
            ]
            assert reduce(received) == reduce(expected)
            reader.close()
        assert log.can_reset

    with mock.patch.object(run_log, "READ_SIZE", read_size):
        asyncio.run(play())


async def test_a_caught_up_reader_wakes_once_for_each_entry() -> None:
    log = log_of([Start(message_id="m")])
    reader = log.reader(DEFAULT_CLIENT_VERSION)
    await reader.read()
    reading = asyncio.create_task(reader.read())
    await asyncio.sleep(0)
    assert not reading.done()

    log.append([TextStart(id="0"), *text_chunks("a", "b", "c")])

    data = await reading
    assert data is not None
    assert len(chunks_of(data)) == 4


async def test_caught_up_readers_of_one_client_version_share_the_bytes() -> None:
    log = log_of([Start(message_id="m")])
    first, second = log.reader(DEFAULT_CLIENT_VERSION), log.reader(DEFAULT_CLIENT_VERSION)
    await first.read()
    await second.read()
    log.append([TextStart(id="0"), *text_chunks("a", "b")])
    assert await first.read() is await second.read()


async def test_a_reader_that_is_behind_gets_the_deltas_of_a_block_as_one() -> None:
    log = log_of([Start(message_id="m")], [TextStart(id="0")])
    reader = log.reader(DEFAULT_CLIENT_VERSION)
    await reader.read()
    for number in range(1000):
        log.append(text_chunks(str(number % 10)))

    data = await reader.read()

    assert data is not None
    assert chunks_of(data) == text_chunks("0123456789" * 100)


async def test_blocks_that_grow_side_by_side_stay_apart() -> None:
    both: list[Chunk] = [TextStart(id="a"), TextStart(id="b")]
    log = log_of([Start(message_id="m")], both)
    for number in range(4):
        log.append(text_chunks("x", block="a" if number % 2 else "b"))
    log.append([TextEnd(id="a"), TextEnd(id="b"), Finish()])
    log.end()
    message = reduce(chunks_of(await read_to_end(log.reader(DEFAULT_CLIENT_VERSION))))
    assert [part.text for part in message.parts if isinstance(part, TextPart)] == ["xx", "xx"]


async def test_a_long_backlog_comes_in_parts() -> None:
    text = "0123456789" * 50_000
    log = log_of([Start(message_id="m"), TextStart(id="0")], text_chunks(text), [TextEnd(id="0")])
    log.append([Finish()])
    log.end()
    reader = log.reader(DEFAULT_CLIENT_VERSION)
    parts = []
    while (part := await reader.read()) is not None:
        parts.append(part)
    assert max(map(len, parts)) < 2 * run_log.READ_SIZE
    deltas = [chunk.delta for chunk in chunks_of(b"".join(parts)) if isinstance(chunk, TextDelta)]
    assert "".join(deltas) == text


async def test_a_text_that_is_read_in_parts_while_it_grows_stays_complete() -> None:
    log = log_of([Start(message_id="m"), TextStart(id="0")])
    reader = log.reader(DEFAULT_CLIENT_VERSION)
    await reader.read()
    data = b""
    with mock.patch.object(run_log, "READ_SIZE", 3):
        for piece in ("abcdefg", "hijklmn", "opq", "rst", "u"):
            log.append(text_chunks(piece))
            log.append(text_chunks("-"))
            data += await reader.read() or b""
        log.append([TextEnd(id="0"), Finish()])
        log.end()
        data += await read_to_end(reader)
    deltas = [chunk.delta for chunk in chunks_of(data) if isinstance(chunk, TextDelta)]
    assert "".join(deltas) == "abcdefg-hijklmn-opq-rst-u-"
    assert max(map(len, deltas)) <= 3


async def test_a_reader_waits_for_the_end_and_then_returns_none() -> None:
    log = log_of([Start(message_id="m")])
    reader = log.reader(DEFAULT_CLIENT_VERSION)
    await reader.read()
    reading = asyncio.create_task(reader.read())
    await asyncio.sleep(0)
    log.append([Finish()])
    log.end()
    data = await reading
    assert data is not None
    assert data.endswith(b"data: [DONE]\n\n")
    assert await reader.read() is None
    assert await reader.read() is None


async def test_an_entry_that_a_client_version_does_not_support_wakes_no_reader() -> None:
    log = log_of([Start(message_id="m")])
    reader = log.reader(DEFAULT_CLIENT_VERSION)
    await reader.read()
    reading = asyncio.create_task(reader.read())
    await asyncio.sleep(0)
    log.append([parse_chunk({"type": "custom", "kind": "a.b"})])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not reading.done()
    log.append([TextStart(id="0")])
    assert chunks_of(await reading or b"") == [TextStart(id="0")]


async def test_a_continuation_is_replayed_from_the_message_it_continues() -> None:
    before = UIMessage(
        id="m", role="assistant", parts=[StepStartPart(), TextPart(text="Hello", state="done")]
    )
    added: list[Chunk] = [StartStep(), TextStart(id="0"), *text_chunks(" again"), TextEnd(id="0")]
    log = Log(before)
    log.append([Start(message_id="m", message_metadata={"k": 1})])
    log.append([*added, parse_chunk({"type": "finish-step"}), Finish()])
    log.end()

    own = chunks_of(await read_to_end(log.reader(NEWEST_CLIENT_VERSION)))
    replayed = chunks_of(await read_to_end(log.reader(NEWEST_CLIENT_VERSION, from_start=True)))

    assert [chunk.type for chunk in own[:2]] == ["start", "start-step"]
    assert [chunk.type for chunk in replayed].count("start") == 1
    assert replayed[: len(replay_chunks(before, NEWEST_CLIENT_VERSION))] == replay_chunks(
        before, NEWEST_CLIENT_VERSION
    )
    assert reduce(replayed) == reduce(own, before)


async def test_the_cost_of_a_delta_does_not_grow_with_the_log() -> None:
    async def seconds(deltas: int) -> float:
        log = log_of([Start(message_id="m"), TextStart(id="0")])
        ahead, behind = log.reader(DEFAULT_CLIENT_VERSION), log.reader(DEFAULT_CLIENT_VERSION)
        began = process_time()
        for number in range(deltas):
            log.append(text_chunks("twenty characters..."))
            await ahead.read()
            if number % 2:
                await behind.read()
        return process_time() - began

    await seconds(1000)
    # Linear growth is 4; anything that looks at earlier entries is 16.
    assert await seconds(40_000) < 9 * await seconds(10_000)


@pytest.mark.parametrize("client_version", [DEFAULT_CLIENT_VERSION, NEWEST_CLIENT_VERSION])
async def test_each_reader_gets_the_chunks_of_its_client_version(
    client_version: ClientVersion,
) -> None:
    newer = ClientVersion(7)
    source = SourceUrl(source_id="s", url="https://example.com/")
    old_end, new_end = TextEnd(id="0"), TextEnd(id="0", provider_metadata={"p": {"k": 1}})
    variants: list[ChunkVariant] = [
        TextStart(id="0"),
        VersionedChunk(source, until=newer),
        VersionedChunk(new_end, since=newer),
        VersionedChunk(old_end, until=newer),
        Finish(),
    ]
    writer, log = Writer(message_id="m", client_version=client_version), Log()
    for variant in variants:
        log.append(
            writer.write_variant(variant)
            if isinstance(variant, VersionedChunk)
            else writer.write(variant)
        )
    log.end()

    for reader_client_version in (DEFAULT_CLIENT_VERSION, NEWEST_CLIENT_VERSION):
        chunks = chunks_of(await read_to_end(log.reader(reader_client_version)))
        state = StreamState(client_version=reader_client_version)
        for chunk in chunks:
            state.check(chunk)
        old = reader_client_version < newer
        downgraded = [source, old_end] if old else [new_end]
        assert chunks[2:-2] == [TextStart(id="0"), *downgraded]
