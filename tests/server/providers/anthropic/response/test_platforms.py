"""Claude on Bedrock, Vertex and Foundry: the SDK's clients against fake servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from anthropic import AsyncAnthropicBedrock, AsyncAnthropicFoundry, AsyncAnthropicVertex
from ui_message_stream.chunks import TextDelta
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ChunkVariant
from usechat_server.anthropic import AnthropicModel, AnthropicOptions, mcp_server
from usechat_server.errors import ModelError
from usechat_server.providers.anthropic.client import Client
from usechat_server.providers.anthropic.response import aws_event_stream
from usechat_server.providers.base import ModelCall
from usechat_server.providers.sdk_stream import SDKStream
from usechat_server.tools import Tool

from tests.harness.fake_provider import (
    FakeProvider,
    Pause,
    Reply,
    message,
    text,
    thinking,
    tool_use,
)
from tests.harness.fake_provider_bedrock import bedrock_exception, bedrock_frame, bedrock_reply

MODEL = "anthropic.claude-sonnet-5-5-v1:0"
RESPONSE = message(
    thinking("Hm."), text("Hé", "llo 😀"), tool_use("toolu_1", "clock", {}), stop_reason="tool_use"
)
OPTIONS = AnthropicOptions(effort="low", temperature=0.5)


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        # Requests of these platforms have the model in the URL.
        provider.strict = False
        yield provider


def bedrock(url: str) -> Any:
    return AsyncAnthropicBedrock(
        base_url=url, aws_region="eu-west-1", aws_access_key="a", aws_secret_key="s", max_retries=0
    )


def vertex(url: str) -> Any:
    return AsyncAnthropicVertex(
        base_url=url, region="eu", project_id="p", access_token="t", max_retries=0
    )


def foundry(url: str) -> Any:
    return AsyncAnthropicFoundry(base_url=url, api_key="k", max_retries=0)


def ask(client: Any, *tools: Tool) -> SDKStream[Client]:
    request = {"id": "1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
    call = ModelCall([UIMessage.from_object(request)], tools=tools)
    return AnthropicModel(MODEL, OPTIONS, client=client).stream(call)


async def read(
    stream: SDKStream[Client], into: list[ChunkVariant] | None = None
) -> list[ChunkVariant]:
    chunks = [] if into is None else into
    async for batch in stream:
        chunks += batch
    return chunks


def text_of(chunks: Sequence[ChunkVariant]) -> str:
    return "".join(chunk.delta for chunk in chunks if isinstance(chunk, TextDelta))


@pytest.mark.parametrize(
    ("create_client", "create_reply", "path"),
    [
        (bedrock, bedrock_reply, f"/model/{MODEL}/invoke-with-response-stream"),
        (vertex, Reply, f"/projects/p/locations/eu/publishers/anthropic/models/{MODEL}"),
        (foundry, Reply, "/v1/messages"),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [None, 1, 7])
async def test_a_response_is_the_same_on_every_platform(
    provider: FakeProvider,
    create_client: Callable[[str], Any],
    create_reply: Callable[..., Reply],
    path: str,
    chunk_bytes: int | None,
) -> None:
    provider.script(create_reply(RESPONSE, chunk_bytes=chunk_bytes))
    server = mcp_server("echo", url="https://echo.example/mcp")
    async with create_client(provider.url) as client:
        stream = ask(client, server)
        chunks = await read(stream)
    assert text_of(chunks) == "Héllo 😀"
    assert stream.result is not None
    assert stream.result.finish_reason == "tool-calls"
    assert (stream.usage.input, stream.usage.output) == (10, 5)
    [request] = provider.requests
    assert request.path.startswith(path)
    assert request.json["output_config"] == {"effort": "low"}
    assert request.json["temperature"] == 0.5
    assert request.json["mcp_servers"][0]["name"] == "echo"
    # Bedrock has the betas in the body.
    betas = request.json.get("anthropic_beta") or request.headers["anthropic-beta"].split(",")
    assert betas == ["mcp-client-2025-11-20"]


async def test_a_frame_is_read_as_soon_as_it_arrives(provider: FakeProvider) -> None:
    provider.script(bedrock_reply(message(text("one", Pause(), "two"))))
    received = ""
    async with bedrock(provider.url) as client:
        async for batch in ask(client):
            if text_piece := text_of(batch):
                received += text_piece
                provider.release()
    assert received == "onetwo"


@pytest.mark.parametrize(
    ("name", "kind", "retryable"),
    [
        ("throttlingException", "rate-limit", True),
        ("serviceUnavailableException", "overloaded", True),
        ("modelTimeoutException", "timeout", True),
        ("validationException", "request", False),
        ("internalServerException", "internal", True),
        ("newException", "internal", True),
    ],
)
async def test_an_exception_is_an_error_event(
    provider: FakeProvider, name: str, kind: str, retryable: bool
) -> None:
    provider.script(bedrock_reply([*message(text("Half"))[:3], bedrock_exception(name, "no")]))
    chunks: list[ChunkVariant] = []
    async with bedrock(provider.url) as client:
        with pytest.raises(ModelError, match=f"{name}.*no") as failed:
            await read(ask(client), chunks)
    assert text_of(chunks) == "Half"
    assert (failed.value.kind, failed.value.retryable) == (kind, retryable)


@pytest.mark.parametrize(
    "broken",
    [
        b"data: {}\n\n" * 3,
        bedrock_frame({":message-type": "event", ":event-type": "chunk"}, b"{}"),
        bedrock_frame({":message-type": "event", ":event-type": "chunk"}, b'{"bytes":"?"}'),
        bedrock_frame({":message-type": "odd"}, b""),
        bedrock_exception("throttlingException", "no")[:-1] + b"\0",
        bedrock_exception("throttlingException", "no")[:-1],
    ],
    ids=["sse", "no bytes", "no base64", "no type", "checksum", "cut"],
)
async def test_the_chunks_before_a_malformed_frame_are_kept(
    provider: FakeProvider, broken: bytes
) -> None:
    provider.script(bedrock_reply([*message(text("Half"))[:3], broken]))
    chunks: list[ChunkVariant] = []
    async with bedrock(provider.url) as client:
        with pytest.raises(ModelError) as failed:
            await read(ask(client), chunks)
    assert text_of(chunks) == "Half"
    assert failed.value.kind == "truncated"


async def test_frames_of_other_types_are_ignored(provider: FakeProvider) -> None:
    other = bedrock_frame({":message-type": "event", ":event-type": "trace"}, b"{}")
    provider.script(bedrock_reply([other, *RESPONSE]))
    async with bedrock(provider.url) as client:
        assert text_of(await read(ask(client))) == "Héllo 😀"


async def test_closing_a_bedrock_stream_closes_the_connection(provider: FakeProvider) -> None:
    provider.script(bedrock_reply(message(text("one", Pause(), "two"))))
    async with bedrock(provider.url) as client:
        stream = ask(client)
        async for batch in stream:
            if text_of(batch):
                break
        await stream.aclose()
        assert await asyncio.to_thread(provider.request().closed.wait, 20)


async def test_without_botocore_the_error_says_what_to_install(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    provider.script(bedrock_reply(RESPONSE))
    async with bedrock(provider.url) as client:
        stream = ask(client)
        monkeypatch.setattr(aws_event_stream, "import_module", missing)
        with pytest.raises(ModelError, match=r"usechat-server\[bedrock\]") as failed:
            await read(stream)
    assert not failed.value.retryable
