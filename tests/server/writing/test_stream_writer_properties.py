"""Whatever several tasks write and merge, in whatever order: the stream is legal, and whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from harness.asgi_host import LONG, AsgiHost
from harness.chunk_strategies import said
from hypothesis import given, settings
from hypothesis import strategies as st
from ui_message_stream.check import check
from ui_message_stream.chunks import (
    Chunk,
    Error,
    Finish,
    FinishStep,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolOutputError,
)
from ui_message_stream.grammar import Grammar
from ui_message_stream.messages import (
    ReasoningPart,
    StepStartPart,
    TextPart,
    ToolPart,
    UIMessage,
)
from ui_message_stream.reduce import reduce
from ui_message_stream.versions import NEWEST_FLOOR, Floor, Form
from usechat_server import BadRequest, StreamWriter, Turn, UIMessageStreamResponse

ANSWERED = UIMessage(
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
    said,
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


class Told:
    """Counts the characters that were taken."""

    def __init__(self) -> None:
        self.text = self.reasoning = 0

    def of(self, chunk: Form | str) -> None:
        if isinstance(chunk, TextDelta):
            self.text += len(chunk.delta)
        elif isinstance(chunk, ReasoningDelta):
            self.reasoning += len(chunk.delta)


async def merged(chunks: Sequence[Chunk | str], told: Told) -> AsyncIterator[Form]:
    for one in chunks:
        await asyncio.sleep(0)
        if isinstance(one, str):
            raise RuntimeError("the merged stream broke")
        yield one
        told.of(one)  # the writer asks for the next one when it has taken this


async def play(writer: StreamWriter, calls: Sequence[Call], told: Told) -> None:
    for name, arguments in calls:
        await asyncio.sleep(0)
        method: Callable[..., Any] = getattr(writer, name)
        try:
            if name == "merge":
                await method(merged(arguments[0], told))
            else:
                method(*arguments)
        except (ValueError, RuntimeError, BadRequest):
            continue
        if name in ("text", "reasoning"):
            setattr(told, name, getattr(told, name) + len(arguments[0]))
        elif name == "write":
            told.of(arguments[0])


@settings(max_examples=400)
@given(
    tasks=st.lists(st.lists(write, max_size=8), min_size=1, max_size=3),
    floor=st.sampled_from([Floor(5, 0, 92), Floor(6), NEWEST_FLOOR]),
    before=st.sampled_from([None, ANSWERED]),
)
def test_any_calls_from_any_tasks_give_a_legal_stream(
    tasks: list[list[Call]], floor: Floor, before: UIMessage | None
) -> None:
    told = Told()

    async def answer(turn: Turn, writer: StreamWriter) -> None:
        await asyncio.gather(*(play(writer, calls, told) for calls in tasks))

    async def respond() -> bytes:
        question = UIMessage(id="u", role="user", parts=[TextPart(text="?")])
        turn = Turn(
            user=None,
            chat_id="c",
            floor=floor,
            messages=[question, *([before] if before else [])],
            message_id="m",
        )
        host = AsgiHost(UIMessageStreamResponse.of(answer, turn))
        await asyncio.wait_for(host.request(), LONG)
        assert host.complete
        chunks.extend(host.chunks)
        return host.body

    chunks: list[Chunk] = []
    body = asyncio.run(respond())
    assert check(body, floor, message=before) == []
    grammar = Grammar(before, floor=floor)
    for one in chunks:
        grammar.check(one)
    assert isinstance(chunks[-1], Finish)

    parts = reduce(chunks, before).parts
    assert sum(len(part.text) for part in parts if isinstance(part, TextPart)) == told.text
    assert sum(len(p.text) for p in parts if isinstance(p, ReasoningPart)) == told.reasoning
