"""StreamWriter: the message that a client has of what a handler writes."""

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
TURN: Turn = Turn(
    user=None,
    chat_id="c",
    client_version=NEWEST_CLIENT_VERSION,
    messages=[QUESTION],
    message_id="m",
    body={},
)


async def written_chunks(handler: ChatHandler, turn: Turn = TURN) -> list[Chunk]:
    host = AsgiHost(UIMessageStreamResponse.from_handler(handler, turn))
    chunks = await host.read_chunks()
    assert check(host.body, turn.client_version, message=turn.continued) == []
    return chunks


async def written_parts(handler: ChatHandler, turn: Turn = TURN) -> list[Any]:
    """Return the parts of the message, without `step-start`."""
    message = reduce(await written_chunks(handler, turn), turn.continued)
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


def text_chunks(block: str, *deltas: str) -> Sequence[Chunk]:
    return [TextStart(id=block), *(TextDelta(id=block, delta=d) for d in deltas), TextEnd(id=block)]


async def test_text_continues_until_another_part_follows() -> None:
    async def handler(turn: Turn, writer: StreamWriter) -> None:
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

    assert await written_parts(handler) == [
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


async def test_chunks_arrive_while_the_handler_runs() -> None:
    gate = asyncio.Event()

    async def handler(turn: Turn, writer: StreamWriter) -> None:
        writer.text("Hel")
        await gate.wait()
        writer.text("lo")

    host = AsgiHost(UIMessageStreamResponse.from_handler(handler, TURN))
    request = host.request()
    await host.wait_for_body(lambda body: b"Hel" in body)
    gate.set()
    await asyncio.wait_for(request, LONG)
    assert host.complete


async def test_a_tool_call_with_an_output_causes_no_request_loop() -> None:
    async def handler(turn: Turn, writer: StreamWriter) -> None:
        call = writer.tool_call("search", {"q": "x"}, id="call")
        writer.tool_output(call, {"found": 1}, preliminary=True)
        writer.tool_output(call, {"found": 2})
        failed = writer.tool_call("search", {"q": "y"}, id="failed", dynamic=True)
        writer.tool_error(failed, "No index")

    chunks = await written_chunks(handler)  # checks the rule `request-loop`
    assert chunks[-1] == Finish()
    first, second, *_ = [p for p in reduce(chunks).parts if isinstance(p, ToolPart)]
    assert (first.state, first.output) == ("output-available", {"found": 2})
    assert (second.state, second.error_text, second.dynamic) == ("output-error", "No index", True)


async def test_a_call_without_output_is_continued_by_the_client() -> None:
    async def handler(turn: Turn, writer: StreamWriter) -> None:
        if turn.continued is None:
            writer.tool_call("pick", {"from": [1, 2]}, id="call")
        else:
            [part] = [part for part in turn.continued.parts if isinstance(part, ToolPart)]
            writer.text(f"You picked {part.output}")

    chunks = await written_chunks(handler)
    assert chunks[-1] == Finish(finish_reason="tool-calls")
    message = reduce(chunks)
    [part] = [part for part in message.parts if isinstance(part, ToolPart)]
    part.state, part.output = "output-available", 2
    turn: Turn = Turn(
        user=None,
        chat_id="c",
        client_version=NEWEST_CLIENT_VERSION,
        messages=[QUESTION, message],
        message_id="m",
        body={},
    )
    assert await written_parts(handler, turn) == [part.to_object(), text("You picked 2")]


async def test_a_merged_stream_becomes_part_of_the_message() -> None:
    other = [
        Start(message_id="other", message_metadata={"a": 1}),
        StartStep(),
        *text_chunks("0", "One"),
        FinishStep(),
        StartStep(),
        *text_chunks("0", "Two"),
        FinishStep(),
        Finish(finish_reason="length", message_metadata={"b": 2}),
    ]

    async def handler(turn: Turn, writer: StreamWriter) -> None:
        writer.text("Before")
        await writer.merge(stream(*other))
        writer.text("After")

    chunks = await written_chunks(handler)
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


async def test_colliding_block_ids_are_renamed() -> None:
    def half(name: str, mine: asyncio.Event, other: asyncio.Event) -> AsyncIterator[ChunkVariant]:
        async def chunks() -> AsyncIterator[ChunkVariant]:
            yield TextStart(id="0")
            yield TextDelta(id="0", delta=f"{name} begins")
            mine.set()
            await other.wait()
            yield TextDelta(id="0", delta=f", {name} ends")
            # Variants for old and for new clients: both belong to the renamed block.
            yield VersionedChunk(TextEnd(id="0"), since=NEWEST_CLIENT_VERSION)
            yield VersionedChunk(TextEnd(id="0"), until=NEWEST_CLIENT_VERSION)

        return chunks()

    async def handler(turn: Turn, writer: StreamWriter) -> None:
        a, b = asyncio.Event(), asyncio.Event()
        await asyncio.gather(writer.merge(half("A", a, b)), writer.merge(half("B", b, a)))

    assert await written_parts(handler) == [text("A begins, A ends"), text("B begins, B ends")]


async def test_a_step_waits_for_reasoning_and_tool_inputs_and_splits_text() -> None:
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
            await asyncio.sleep(0)  # the other stream would start its step here
        yield ReasoningEnd(id="r")
        yield ToolInputAvailable(tool_call_id="x", tool_name="t", input={})
        yield ToolOutputAvailable(tool_call_id="x", output=1)
        await stepped.wait()
        yield TextDelta(id="t", delta="whole")
        yield TextEnd(id="t")

    async def steps() -> AsyncIterator[ChunkVariant]:
        yield StartStep()
        for chunk in text_chunks("t", "first"):
            yield chunk
        await started.wait()
        yield StartStep()
        for chunk in text_chunks("t", "second"):
            yield chunk
        stepped.set()

    async def handler(turn: Turn, writer: StreamWriter) -> None:
        await asyncio.gather(writer.merge(steps()), writer.merge(reasons()))

    message = reduce(await written_chunks(handler))
    kinds = [part.to_object()["type"] for part in message.parts]
    second = kinds.index("step-start", 1)
    assert sorted(kinds[1:second]) == ["reasoning", "text", "text", "tool-t"]
    assert kinds.count("step-start") == 2
    texts = [part.text for part in message.parts if isinstance(part, TextPart)]
    assert texts == ["first", "half ", "second", "whole"]


async def test_a_handler_can_replace_a_stream_that_fails() -> None:
    async def handler(turn: Turn, writer: StreamWriter) -> None:
        failing = stream(TextStart(id="0"), TextDelta(id="0", delta="Hel"), RuntimeError("gone"))
        with pytest.raises(RuntimeError, match="gone"):
            await writer.merge(failing)
        await writer.merge(stream(*text_chunks("0", "Hello")))

    assert await written_parts(handler) == [text("Hel"), text("Hello")]


async def test_the_user_reads_chat_errors_and_error_chunks_of_merged_streams() -> None:
    async def handler(turn: Turn, writer: StreamWriter) -> None:
        await writer.merge(stream(*text_chunks("0", "Hel"), Error(error_text="No quota left.")))

    assert (await written_chunks(handler))[-1] == Error(error_text="No quota left.")

    async def refuses(turn: Turn, writer: StreamWriter) -> None:
        writer.text("Hel")
        raise ChatError("No quota left.")

    assert (await written_chunks(refuses))[-1] == Error(error_text="No quota left.")


async def test_other_exceptions_are_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(turn: Turn, writer: StreamWriter) -> None:
        writer.text("Hel")
        raise RuntimeError("password=hunter2")

    last = (await written_chunks(handler))[-1]
    assert isinstance(last, Error)
    assert "hunter2" not in last.error_text
    assert "hunter2" in caplog.text


async def test_an_illegal_chunk_raises_where_it_is_written() -> None:
    async def handler(turn: Turn, writer: StreamWriter) -> None:
        with pytest.raises(IllegalChunk, match="call-unknown"):
            writer.tool_output("nothing", 1)
        with pytest.raises(TypeError):
            writer.data("thing", object())
        writer.text("Hello")

    assert await written_parts(handler) == [text("Hello")]


async def test_framing_chunks_do_not_end_the_message() -> None:
    async def handler(turn: Turn, writer: StreamWriter) -> None:
        writer.write(Start(message_id="own", message_metadata={"a": 1}))
        writer.write(StartStep())
        for chunk in text_chunks("0", "One"):
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

    assert await written_parts(handler) == [text("One"), text("Two"), text("Three"), text("Four")]
    chunks = await written_chunks(handler)
    assert MessageMetadata(message_metadata={"a": 1}) in chunks


async def test_a_disconnect_cancels_the_handler_and_closes_merged_streams() -> None:
    closed, cleaned = asyncio.Event(), asyncio.Event()

    async def endless() -> AsyncIterator[ChunkVariant]:
        try:
            yield TextStart(id="0")
            yield TextDelta(id="0", delta="Hel")
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def handler(turn: Turn, writer: StreamWriter) -> None:
        try:
            await writer.merge(endless())
        finally:
            cleaned.set()

    host = AsgiHost(UIMessageStreamResponse.from_handler(handler, TURN))
    request = host.request()
    await host.wait_for_body(lambda body: b"Hel" in body)
    host.disconnect()
    await asyncio.wait_for(request, LONG)
    assert closed.is_set()
    assert cleaned.is_set()
