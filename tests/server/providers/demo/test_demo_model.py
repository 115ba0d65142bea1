"""The demo model, without its pauses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from ui_message_stream.chunks import (
    ReasoningDelta,
    TextDelta,
    ToolInputAvailable,
    ToolInputDelta,
)
from ui_message_stream.json_codec import decode
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ChunkVariant
from usechat_server.demo import CLAUDE, default_agent
from usechat_server.demo.tools import BROWSER_TIME
from usechat_server.errors import ChatError, ModelError
from usechat_server.providers.base import ModelCall, ModelStream, StepResult
from usechat_server.providers.demo import DemoModel


def user_message(text: str, message_id: str = "u1") -> UIMessage:
    return UIMessage.from_object(
        {"id": message_id, "role": "user", "parts": [{"type": "text", "text": text}]}
    )


def message_with_call(output: dict[str, Any]) -> UIMessage:
    part = {"type": "tool-browser_time", "toolCallId": "demo-call-1", "input": {}, **output}
    return UIMessage.from_object(
        {"id": "a1", "role": "assistant", "parts": [{"type": "step-start"}, part]}
    )


async def ask(
    *messages: UIMessage, model: DemoModel | None = None
) -> tuple[list[list[ChunkVariant]], StepResult | None]:
    stream = (model or DemoModel(pace=0)).stream(ModelCall(messages, tools=[BROWSER_TIME]))
    batches = [list(batch) async for batch in stream]
    return batches, stream.result


def text_of(batches: list[list[ChunkVariant]]) -> str:
    return "".join(c.delta for batch in batches for c in batch if isinstance(c, TextDelta))


async def test_a_response_is_the_same_twice_and_has_many_small_deltas() -> None:
    batches, result = await ask(user_message("Show me some Markdown"))

    again, _ = await ask(user_message("Show me some Markdown"))
    assert batches == again
    assert result is not None
    assert result.finish_reason == "stop"
    text = text_of(batches)
    for markdown in ("## ", "\n1. ", "```python\n", "\n|---|", "**", "\n> "):
        assert markdown in text
    chunks = [chunk for batch in batches for chunk in batch]
    assert any(isinstance(chunk, ReasoningDelta) for chunk in chunks)
    deltas = [c.delta for c in chunks if isinstance(c, TextDelta | ReasoningDelta)]
    assert len(deltas) > 100
    assert max(map(len, deltas)) < 20


async def test_counts_a_token_for_each_chunk() -> None:
    stream = DemoModel(pace=0).stream(ModelCall([user_message("Hello")]))
    chunks = [chunk async for batch in stream for chunk in batch]
    assert stream.usage.output == len(chunks)


async def test_calls_the_tool_that_the_question_mentions_and_ends_the_step() -> None:
    batches, result = await ask(user_message("What time is it here?"))

    chunks = [chunk for batch in batches for chunk in batch]
    call = chunks[-1]
    assert isinstance(call, ToolInputAvailable)
    assert (call.tool_name, call.input) == ("browser_time", {"clock": "24-hour"})
    pieces = [c.input_text_delta for c in chunks if isinstance(c, ToolInputDelta)]
    assert len(pieces) > 1
    assert decode("".join(pieces)) == call.input
    assert result is not None
    assert result.finish_reason == "tool-calls"


async def test_a_second_call_in_one_chat_has_another_id() -> None:
    first = message_with_call({"state": "output-available", "output": {"time": "12:00"}})
    batches, _ = await ask(
        user_message("What time is it?"), first, user_message("What time is it now?", "u2")
    )

    call = batches[-1][-1]
    assert isinstance(call, ToolInputAvailable)
    assert call.tool_call_id != "demo-call-1"


@pytest.mark.parametrize(
    ("output", "response_text"),
    [
        ({"state": "output-available", "output": {"time": "12:34", "zone": "Asia/Tokyo"}}, "12:34"),
        ({"state": "output-available", "output": "noon"}, "noon"),
        ({"state": "output-available", "output": None}, "null"),
        ({"state": "output-error", "errorText": "no clock"}, "no clock"),
    ],
)
async def test_continues_with_the_output_of_the_client(
    output: dict[str, Any], response_text: str
) -> None:
    batches, result = await ask(user_message("What time is it here?"), message_with_call(output))

    assert response_text in text_of(batches)
    assert result is not None
    assert result.finish_reason == "stop"


async def test_a_question_for_an_error_fails_once_and_works_on_retry() -> None:
    model = DemoModel(pace=0)
    chunks: list[ChunkVariant] = []

    async def read(stream: ModelStream) -> None:
        async for batch in stream:
            chunks.extend(batch)

    stream = model.stream(ModelCall([user_message("/error")]))
    with pytest.raises(ModelError):
        await read(stream)

    assert any(isinstance(chunk, TextDelta) for chunk in chunks)
    assert stream.result is None
    _, result = await ask(user_message("/error"), model=model)
    assert result is not None
    with pytest.raises(ModelError):
        await ask(user_message("/error", "u2"), model=model)


async def test_the_response_to_any_other_question_quotes_it() -> None:
    batches, _ = await ask(user_message("Where is\nmy hat?"))

    assert "> Where is\n> my hat?" in text_of(batches)


async def test_closing_ends_a_pause_at_once() -> None:
    stream = DemoModel(pace=1_000_000).stream(ModelCall([user_message("Hello")]))
    reading = asyncio.ensure_future(anext(aiter(stream)))
    await asyncio.sleep(0)

    await stream.aclose()
    await stream.aclose()

    with pytest.raises(ModelError):
        await asyncio.wait_for(reading, timeout=10)
    assert stream.result is None


def test_a_call_without_a_question_is_refused() -> None:
    with pytest.raises(ChatError):
        DemoModel().stream(ModelCall([]))


def test_the_default_agent_is_claude_when_there_is_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    assert default_agent().spec.model.name == "demo"
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    assert default_agent().spec.model.name == CLAUDE
