"""Property: whatever several tasks write and merge, the stream is legal and complete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import cycle
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ui_message_stream.checker import check
from ui_message_stream.chunks import (
    Chunk,
    Error,
    Finish,
    FinishStep,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputError,
)
from ui_message_stream.messages import (
    ReasoningPart,
    StepStartPart,
    TextPart,
    ToolPart,
    UIMessage,
)
from ui_message_stream.reducer import reduce
from ui_message_stream.state import StreamState
from ui_message_stream.versions import NEWEST_CLIENT_VERSION, ChunkVariant, ClientVersion
from usechat_server import ChatError, StreamWriter, Turn, UIMessageStreamResponse

from tests.harness.asgi_host import LONG, AsgiHost
from tests.harness.chunk_strategies import model_chunks

COMPLETED = UIMessage(
    id="m",
    role="assistant",
    parts=[
        StepStartPart(),
        ToolPart(tool_name="t", tool_call_id="c", state="output-available", input={}, output=1),
    ],
)

Call = tuple[str, tuple[Any, ...]]


def call(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Call]:
    return st.tuples(st.just(name), st.tuples(*arguments))


chunk = st.one_of(
    model_chunks,
    st.sampled_from(
        [
            Start(message_id="other", message_metadata={"a": 1}),
            FinishStep(),
            Finish(finish_reason="stop"),
            Finish(finish_reason="tool-calls"),
            Error(error_text="Broken"),
            ToolOutputError(tool_call_id="c", error_text="No"),
        ]
    ),
)
ids = st.sampled_from(["c", "d", "e"])
write: st.SearchStrategy[Call] = st.one_of(
    call("text", st.text(max_size=5)),
    call("text", st.text(max_size=5)),
    call("reasoning", st.text(max_size=5)),
    call("data", st.just("n"), st.integers(0, 9)),
    call("source_url", st.just("https://example.com")),
    call("file", st.just(b"x"), st.just("text/plain")),
    call("metadata", st.just({"k": [1]})),
    call("tool_call", st.just("t"), st.just({})),
    call("tool_output", ids, st.integers(0, 9)),
    call("tool_error", ids, st.just("No")),
    call("write", chunk),
    call("merge", st.lists(st.one_of(chunk, chunk, st.just("raise")), max_size=8)),
)


class WrittenText:
    """Counts the characters that the writer accepted."""

    def __init__(self) -> None:
        self.text = self.reasoning = 0

    def count(self, chunk: ChunkVariant | str) -> None:
        if isinstance(chunk, TextDelta):
            self.text += len(chunk.delta)
        elif isinstance(chunk, ReasoningDelta):
            self.reasoning += len(chunk.delta)


async def stream_of(
    chunks: Sequence[Chunk | str], written: WrittenText
) -> AsyncIterator[ChunkVariant]:
    for chunk in chunks:
        await asyncio.sleep(0)
        if isinstance(chunk, str):
            raise RuntimeError("the merged stream failed")
        yield chunk
        written.count(chunk)  # the writer requests the next chunk after it accepted this one


async def play(writer: StreamWriter, calls: Sequence[Call], written: WrittenText) -> None:
    for name, arguments in calls:
        await asyncio.sleep(0)
        method: Callable[..., Any] = getattr(writer, name)
        try:
            if name == "merge":
                await method(stream_of(arguments[0], written))
            else:
                method(*arguments)
        except (ValueError, RuntimeError, ChatError):
            continue
        if name in ("text", "reasoning"):
            setattr(written, name, getattr(written, name) + len(arguments[0]))
        elif name == "write":
            written.count(arguments[0])


@settings(max_examples=400)
@given(
    tasks=st.lists(st.lists(write, max_size=8), min_size=1, max_size=3),
    client_version=st.sampled_from(
        [ClientVersion(5, 0, 92), ClientVersion(6), NEWEST_CLIENT_VERSION]
    ),
    before=st.sampled_from([None, COMPLETED]),
)
def test_calls_from_several_tasks_write_a_legal_stream(
    tasks: list[list[Call]], client_version: ClientVersion, before: UIMessage | None
) -> None:
    written = WrittenText()

    async def handler(turn: Turn, writer: StreamWriter) -> None:
        await asyncio.gather(*(play(writer, calls, written) for calls in tasks))

    async def respond() -> bytes:
        question = UIMessage(id="u", role="user", parts=[TextPart(text="?")])
        turn = Turn(
            user=None,
            chat_id="c",
            client_version=client_version,
            messages=[question, *([before] if before else [])],
            message_id="m",
        )
        host = AsgiHost(UIMessageStreamResponse.from_handler(handler, turn))
        await asyncio.wait_for(host.request(), LONG)
        assert host.complete
        chunks.extend(host.chunks)
        return host.body

    chunks: list[Chunk] = []
    body = asyncio.run(respond())
    assert check(body, client_version, message=before) == []
    state = StreamState(before, client_version=client_version)
    for each in chunks:
        state.check(each)
    assert isinstance(chunks[-1], Finish)

    parts = reduce(chunks, before).parts
    assert sum(len(part.text) for part in parts if isinstance(part, TextPart)) == written.text
    assert sum(len(p.text) for p in parts if isinstance(p, ReasoningPart)) == written.reasoning


def text(block: str, deltas: list[str]) -> list[Chunk]:
    return [
        TextStart(id=block),
        *(TextDelta(id=block, delta=delta) for delta in deltas),
        TextEnd(id=block),
    ]


def reasoning(block: str, deltas: list[str]) -> list[Chunk]:
    signed = {"anthropic": {"signature": "s"}}
    return [
        ReasoningStart(id=block),
        *(ReasoningDelta(id=block, delta=delta) for delta in deltas),
        ReasoningEnd(id=block, provider_metadata=signed),
    ]


def tool(call_id: str, outputs: list[str]) -> list[Chunk]:
    return [
        ToolInputStart(tool_call_id=call_id, tool_name="t"),
        ToolInputDelta(tool_call_id=call_id, input_text_delta="{}"),
        ToolInputAvailable(tool_call_id=call_id, tool_name="t", input={}),
        *(ToolOutputAvailable(tool_call_id=call_id, output=output) for output in outputs[:1]),
    ]


#: The parts of each step of a legal stream.
parts = st.tuples(st.sampled_from([text, reasoning, tool]), st.lists(st.text("ab", max_size=2)))
steps = st.lists(st.lists(parts, max_size=3), max_size=3)


@settings(max_examples=300)
@given(
    streams=st.lists(st.tuples(steps, st.booleans()), min_size=2, max_size=3),
    pauses=st.lists(st.integers(0, 3), min_size=1, max_size=20),
)
def test_legal_streams_are_merged_completely(
    streams: list[tuple[list[list[Any]], bool]], pauses: list[int]
) -> None:
    """No chunk is rejected, and reasoning is never split."""
    pause = cycle(pauses)

    async def stream(
        index: int, steps: list[list[Any]], finishes: bool
    ) -> AsyncIterator[ChunkVariant]:
        chunks: list[Chunk] = [Start(message_id=f"other-{index}")]
        for step, inside in enumerate(steps):
            chunks.append(StartStep())
            for part, (kind, deltas) in enumerate(inside):
                name = f"{index}-{step}-{part}"
                chunks += kind(name if kind is tool else str(part), deltas)
            if finishes:
                chunks.append(FinishStep())
        for each in [*chunks, Finish(finish_reason="stop")]:
            for _ in range(next(pause)):
                await asyncio.sleep(0)
            yield each

    async def handler(turn: Turn, writer: StreamWriter) -> None:
        merges = [
            writer.merge(stream(index, *arguments)) for index, arguments in enumerate(streams)
        ]
        await asyncio.gather(*merges)

    async def respond() -> AsgiHost:
        question = UIMessage(id="u", role="user", parts=[TextPart(text="?")])
        turn = Turn(
            user=None,
            chat_id="c",
            client_version=ClientVersion(6),
            messages=[question],
            message_id="m",
        )
        host = AsgiHost(UIMessageStreamResponse.from_handler(handler, turn))
        await asyncio.wait_for(host.request(), LONG)
        return host

    host = asyncio.run(respond())
    assert check(host.body, ClientVersion(6)) == []
    assert isinstance(host.chunks[-1], Finish)
    merged = reduce(host.chunks).parts
    sent = [part for steps, _ in streams for inside in steps for part in inside]

    def expected(kind: object) -> list[str]:
        return sorted("".join(deltas) for part_kind, deltas in sent if part_kind is kind)

    assert sorted(p.text for p in merged if isinstance(p, ReasoningPart)) == expected(reasoning)
    texts = [part.text for part in merged if isinstance(part, TextPart)]
    assert sorted("".join(texts)) == sorted("".join(expected(text)))
    assert len([part for part in merged if isinstance(part, ToolPart)]) == len(expected(tool))
    for part in merged:
        assert not isinstance(part, ToolPart) or part.state != "output-error"
