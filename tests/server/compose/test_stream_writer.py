"""What plain code writes is what the page shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from ui_message_stream.checker import check
from ui_message_stream.chunks import (
    Abort,
    Chunk,
    Error,
    Finish,
    FinishStep,
    MessageMetadata,
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
)
from ui_message_stream.messages import StepStartPart, TextPart, ToolPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.state import IllegalChunk
from ui_message_stream.versions import NEWEST_CLIENT_VERSION, ChunkVariant, VersionedChunk
from usechat_server import ChatError, StreamWriter, Turn, UIMessageStreamResponse
from usechat_server.compose import ChatHandler

from tests.harness.asgi_host import LONG, AsgiHost

QUESTION = UIMessage(id="u", role="user", parts=[TextPart(text="?")])
TURN = Turn(
    user=None,
    chat_id="c",
    client_version=NEWEST_CLIENT_VERSION,
    messages=[QUESTION],
    message_id="m",
    body={},
)


async def answer(function: ChatHandler, turn: Turn = TURN) -> list[Chunk]:
    host = AsgiHost(UIMessageStreamResponse.of(function, turn))
    chunks = await host.answer()
    assert check(host.body, turn.client_version, message=turn.continued) == []
    return chunks


async def shown(function: ChatHandler, turn: Turn = TURN) -> list[Any]:
    """The parts of the message, without its steps' starts."""
    message = reduce(await answer(function, turn), turn.continued)
    assert message.id == turn.message_id
    parts = [part.to_object() for part in message.parts]
    return [part for part in parts if part["type"] != "step-start"]


def text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text, "state": "done"}


async def stream(
    *chunks: ChunkVariant | asyncio.Event | BaseException,
) -> AsyncIterator[ChunkVariant]:
    for chunk in chunks:
        if isinstance(chunk, asyncio.Event):
            await chunk.wait()
        elif isinstance(chunk, BaseException):
            raise chunk
        else:
            yield chunk


def said(block: str, *deltas: str) -> Sequence[Chunk]:
    return [TextStart(id=block), *(TextDelta(id=block, delta=d) for d in deltas), TextEnd(id=block)]


async def test_text_goes_on_until_another_part_comes() -> None:
    async def function(turn: Turn, writer: StreamWriter) -> None:
        writer.reasoning("Let me ")
        writer.reasoning("see.")
        writer.text("Hel")
        writer.source_url("https://example.com", title="Example", id="s")
        writer.metadata({"model": "mine"})
        writer.data("progress", {"done": 1}, transient=True)
        writer.text("lo")
        writer.data("map", {"zoom": 1}, id="map")
        writer.text("Look: ")
        writer.data("map", {"zoom": 2}, id="map")
        writer.text("closer")
        writer.file(b"\x00", "image/png")
        writer.source_document("Paper", "application/pdf", filename="p.pdf", id="d")
        writer.text("Bye")

    assert await shown(function) == [
        {"type": "reasoning", "id": "1", "text": "Let me see.", "state": "done"},
        text("Hello"),
        {"type": "source-url", "sourceId": "s", "url": "https://example.com", "title": "Example"},
        {"type": "data-map", "id": "map", "data": {"zoom": 2}},
        text("Look: closer"),
        {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AA=="},
        {
            "type": "source-document",
            "sourceId": "d",
            "mediaType": "application/pdf",
            "title": "Paper",
            "filename": "p.pdf",
        },
        text("Bye"),
    ]


async def test_what_is_written_arrives_while_the_function_goes_on() -> None:
    gate = asyncio.Event()

    async def function(turn: Turn, writer: StreamWriter) -> None:
        writer.text("Hel")
        await gate.wait()
        writer.text("lo")

    host = AsgiHost(UIMessageStreamResponse.of(function, TURN))
    responder = host.request()
    await host.until(lambda body: b"Hel" in body)
    gate.set()
    await asyncio.wait_for(responder, LONG)
    assert host.complete


async def test_a_tool_call_with_its_output_is_no_request_loop() -> None:
    async def function(turn: Turn, writer: StreamWriter) -> None:
        call = writer.tool_call("search", {"q": "x"}, id="call")
        writer.tool_output(call, {"found": 1}, preliminary=True)
        writer.tool_output(call, {"found": 2})
        failed = writer.tool_call("search", {"q": "y"}, id="failed", dynamic=True)
        writer.tool_error(failed, "No index")

    chunks = await answer(function)  # the check inside would name the loop
    assert chunks[-1] == Finish()
    first, second, *_ = [p for p in reduce(chunks).parts if isinstance(p, ToolPart)]
    assert (first.state, first.output) == ("output-available", {"found": 2})
    assert (second.state, second.error_text, second.dynamic) == ("output-error", "No index", True)


async def test_a_call_that_the_page_answers_is_waited_for_and_continued() -> None:
    async def function(turn: Turn, writer: StreamWriter) -> None:
        if turn.continued is None:
            writer.tool_call("pick", {"from": [1, 2]}, id="call")
        else:
            [part] = [part for part in turn.continued.parts if isinstance(part, ToolPart)]
            writer.text(f"You picked {part.output}")

    chunks = await answer(function)
    assert chunks[-1] == Finish(finish_reason="tool-calls")
    message = reduce(chunks)
    [part] = [part for part in message.parts if isinstance(part, ToolPart)]
    part.state, part.output = "output-available", 2
    turn = Turn(
        user=None,
        chat_id="c",
        client_version=NEWEST_CLIENT_VERSION,
        messages=[QUESTION, message],
        message_id="m",
        body={},
    )
    assert await shown(function, turn) == [part.to_object(), text("You picked 2")]


async def test_merged_streams_are_parts_of_one_message() -> None:
    other = [
        Start(message_id="other", message_metadata={"a": 1}),
        StartStep(),
        *said("0", "One"),
        FinishStep(),
        StartStep(),
        *said("0", "Two"),
        FinishStep(),
        Finish(finish_reason="length", message_metadata={"b": 2}),
    ]

    async def function(turn: Turn, writer: StreamWriter) -> None:
        writer.text("Before")
        await writer.merge(stream(*other))
        writer.text("After")

    chunks = await answer(function)
    message = reduce(chunks)
    assert [type(part) for part in message.parts].count(StepStartPart) == 3
    assert [p.text for p in message.parts if isinstance(p, TextPart)] == [
        "Before",
        "One",
        "Two",
        "After",
    ]
    assert message.metadata == {"a": 1, "b": 2}
    assert chunks[0] == Start(message_id="m")
    assert chunks[-1] == Finish(finish_reason="length")


async def test_streams_with_the_same_ids_are_kept_apart() -> None:
    def half(name: str, mine: asyncio.Event, other: asyncio.Event) -> AsyncIterator[ChunkVariant]:
        async def talk() -> AsyncIterator[ChunkVariant]:
            yield TextStart(id="0")
            yield TextDelta(id="0", delta=f"{name} begins")
            mine.set()
            await other.wait()
            yield TextDelta(id="0", delta=f", {name} ends")
            # One form for old clients and one for new ones: both are of the renamed block.
            yield VersionedChunk(TextEnd(id="0"), since=NEWEST_CLIENT_VERSION)
            yield VersionedChunk(TextEnd(id="0"), until=NEWEST_CLIENT_VERSION)

        return talk()

    async def function(turn: Turn, writer: StreamWriter) -> None:
        a, b = asyncio.Event(), asyncio.Event()
        await asyncio.gather(writer.merge(half("A", a, b)), writer.merge(half("B", b, a)))

    assert await shown(function) == [text("A begins, A ends"), text("B begins, B ends")]


async def test_a_step_waits_for_what_cannot_be_cut_and_cuts_the_rest() -> None:
    started, stepped = asyncio.Event(), asyncio.Event()

    async def reasons() -> AsyncIterator[ChunkVariant]:
        yield ReasoningStart(id="r")
        yield ReasoningDelta(id="r", delta="Hm")
        yield ToolInputStart(tool_call_id="x", tool_name="t")
        yield ToolInputDelta(tool_call_id="x", input_text_delta="{}")
        yield TextStart(id="t")
        yield TextDelta(id="t", delta="half ")
        started.set()
        for _ in range(20):
            await asyncio.sleep(0)  # the other one's step would come here
        yield ReasoningEnd(id="r")
        yield ToolInputAvailable(tool_call_id="x", tool_name="t", input={})
        yield ToolOutputAvailable(tool_call_id="x", output=1)
        await stepped.wait()
        yield TextDelta(id="t", delta="whole")
        yield TextEnd(id="t")

    async def steps() -> AsyncIterator[ChunkVariant]:
        yield StartStep()
        for chunk in said("t", "first"):
            yield chunk
        await started.wait()
        yield StartStep()
        for chunk in said("t", "second"):
            yield chunk
        stepped.set()

    async def function(turn: Turn, writer: StreamWriter) -> None:
        await asyncio.gather(writer.merge(steps()), writer.merge(reasons()))

    message = reduce(await answer(function))
    kinds = [part.to_object()["type"] for part in message.parts]
    second = kinds.index("step-start", 1)
    assert sorted(kinds[1:second]) == ["reasoning", "text", "text", "tool-t"]
    assert kinds.count("step-start") == 2
    texts = [part.text for part in message.parts if isinstance(part, TextPart)]
    assert texts == ["first", "half ", "second", "whole"]


async def test_a_stream_that_fails_can_be_replaced_by_another() -> None:
    async def function(turn: Turn, writer: StreamWriter) -> None:
        broken = stream(TextStart(id="0"), TextDelta(id="0", delta="Hel"), RuntimeError("gone"))
        with pytest.raises(RuntimeError, match="gone"):
            await writer.merge(broken)
        await writer.merge(stream(*said("0", "Hello")))

    assert await shown(function) == [text("Hel"), text("Hello")]


async def test_the_error_of_a_merged_stream_is_the_person_s_to_read() -> None:
    async def function(turn: Turn, writer: StreamWriter) -> None:
        await writer.merge(stream(*said("0", "Hel"), Error(error_text="No quota left.")))

    assert (await answer(function))[-1] == Error(error_text="No quota left.")

    async def refuses(turn: Turn, writer: StreamWriter) -> None:
        writer.text("Hel")
        raise ChatError("No quota left.")

    assert (await answer(refuses))[-1] == Error(error_text="No quota left.")


async def test_an_exception_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    async def function(turn: Turn, writer: StreamWriter) -> None:
        writer.text("Hel")
        raise RuntimeError("password=hunter2")

    last = (await answer(function))[-1]
    assert isinstance(last, Error)
    assert "hunter2" not in last.error_text
    assert "hunter2" in caplog.text


async def test_the_one_who_wrote_it_hears_of_an_impossible_chunk() -> None:
    async def function(turn: Turn, writer: StreamWriter) -> None:
        with pytest.raises(IllegalChunk, match="call-unknown"):
            writer.tool_output("nothing", 1)
        with pytest.raises(TypeError):
            writer.data("thing", object())
        writer.text("Hello")

    assert await shown(function) == [text("Hello")]


async def test_framing_that_is_written_by_hand_ends_nothing() -> None:
    async def function(turn: Turn, writer: StreamWriter) -> None:
        writer.write(Start(message_id="own", message_metadata={"a": 1}))
        writer.write(StartStep())
        for chunk in said("0", "One"):
            writer.write(chunk)
        writer.write(FinishStep())
        writer.write(StartStep())
        writer.write(TextStart(id="0"))
        writer.write(TextDelta(id="0", delta="Two"))
        writer.write(StartStep())
        writer.write(TextDelta(id="0", delta="Three"))
        writer.write(Finish(finish_reason="stop"))
        writer.write(Abort())
        writer.text("Four")

    assert await shown(function) == [text("One"), text("Two"), text("Three"), text("Four")]
    chunks = await answer(function)
    assert MessageMetadata(message_metadata={"a": 1}) in chunks


async def test_a_client_that_leaves_cancels_the_function_and_closes_what_it_merges() -> None:
    closed, cleaned = asyncio.Event(), asyncio.Event()

    async def endless() -> AsyncIterator[ChunkVariant]:
        try:
            yield TextStart(id="0")
            yield TextDelta(id="0", delta="Hel")
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def function(turn: Turn, writer: StreamWriter) -> None:
        try:
            await writer.merge(endless())
        finally:
            cleaned.set()

    host = AsgiHost(UIMessageStreamResponse.of(function, TURN))
    responder = host.request()
    await host.until(lambda body: b"Hel" in body)
    host.leave()
    await asyncio.wait_for(responder, LONG)
    assert closed.is_set()
    assert cleaned.is_set()
