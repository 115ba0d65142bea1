"""Calls over real sockets: the SDK's client against a fake provider that fails in many ways."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from ui_message_stream.chunks import TextDelta
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ChunkVariant
from usechat_server.errors import ModelError
from usechat_server.providers.anthropic import AnthropicModel
from usechat_server.providers.base import ModelCall
from usechat_server.providers.openai_chat import OpenAIChat
from usechat_server.providers.sdk_stream import SDKStream
from usechat_server.results import Usage
from usechat_server.tools import ClientTool

from tests.harness.fake_openai import FakeOpenAI
from tests.harness.fake_provider import (
    FakeProvider,
    Pause,
    Reply,
    error_event,
    http_error,
    message,
    text,
    thinking,
    tool_use,
)

DEADLINE = 20.0


#: A model over an SDK, which has a stream that can be read here.
APIModel = Any


@dataclass(frozen=True)
class API:
    """One API: its fake provider, our model and the SDK's client."""

    provider: FakeProvider
    model_class: Callable[..., APIModel]
    client: Callable[..., Any]
    key: str
    #: the name of the SDK's package
    sdk: str
    #: requests before those of the SDK
    direct: int

    def model(self, **options: Any) -> APIModel:
        return self.model_class("any", **options)


@pytest.fixture(params=["anthropic", "openai-chat"])
def api(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[API]:
    fake = FakeProvider() if request.param == "anthropic" else FakeOpenAI()
    with fake as provider:
        if request.param == "anthropic":
            api = API(provider, AnthropicModel, AsyncAnthropic, "ANTHROPIC_API_KEY", "anthropic", 1)
            monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url)
        else:
            api = API(provider, OpenAIChat, AsyncOpenAI, "OPENAI_API_KEY", "openai", 0)
            monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        monkeypatch.setenv(api.key, "test-key")
        yield api


@pytest.fixture
def provider(api: API) -> FakeProvider:
    return api.provider


@pytest.fixture
async def model(api: API) -> AsyncIterator[APIModel]:
    model = api.model()
    yield model
    await model.aclose()


def call(**fields: Any) -> ModelCall:
    request = UIMessage.from_object(
        {"id": "1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
    )
    return ModelCall([request], tools=[ClientTool("weather", "", {"type": "object"})], **fields)


async def read(stream: SDKStream[Any]) -> tuple[list[Any], ModelError | None]:
    """Return all chunks, and the error if there was one."""
    chunks: list[Any] = []
    try:
        await stream.write_to(chunks.extend)
    except ModelError as error:
        return chunks, error
    return chunks, None


async def iterate(stream: SDKStream[Any]) -> tuple[list[Any], ModelError | None]:
    """Like `read`, as an app does that wraps the model."""
    chunks: list[Any] = []
    try:
        async for batch in stream:
            assert batch
            chunks += batch
    except ModelError as error:
        return chunks, error
    return chunks, None


def text_of(chunks: Sequence[ChunkVariant]) -> str:
    return "".join(chunk.delta for chunk in chunks if isinstance(chunk, TextDelta))


async def connection_closed(provider: FakeProvider, index: int = 0) -> bool:
    """Whether the provider noticed that the connection was closed."""
    return await asyncio.to_thread(provider.request(index).closed.wait, DEADLINE)


@pytest.mark.parametrize("chunk_bytes", [None, 1, 7])
async def test_a_response(provider: FakeProvider, model: APIModel, chunk_bytes: int | None) -> None:
    events = message(
        thinking("Hm."),
        text("Hé", "llo 😀"),
        tool_use("toolu_1", "weather", {}),
        stop_reason="tool_use",
    )
    provider.script(Reply(events, chunk_bytes=chunk_bytes))
    stream = model.stream(call(max_tokens=50))
    chunks, error = await read(stream)
    assert error is None
    assert text_of(chunks) == "Héllo 😀"
    assert stream.result is not None
    assert stream.result.finish_reason == "tool-calls"
    assert stream.details["request_id"] == "req_fake_1"
    [request] = provider.requests
    assert request.json["max_tokens"] == 50
    assert request.json["stream"] is True
    assert "test-key" in str(request.headers)
    # Compressed bytes would arrive late, and many at a time.
    assert request.headers["accept-encoding"] == "identity"


async def test_each_delta_arrives_as_soon_as_the_provider_sends_it(
    provider: FakeProvider, model: APIModel
) -> None:
    provider.script(Reply(message(text("one", Pause(), "two", Pause(), "three"))))
    seen: list[str] = []
    async for batch in model.stream(call()):
        for word in text_of(batch).split():
            seen.append(word)
            # The provider sends nothing more before this was read.
            provider.release()
    assert "".join(seen) == "onetwothree"


async def test_nothing_is_sent_before_the_first_read(
    provider: FakeProvider, model: APIModel
) -> None:
    stream = model.stream(call())
    await stream.aclose()
    with pytest.raises(ModelError):
        await anext(aiter(stream))
    assert provider.requests == []


async def test_calls_reuse_one_connection(provider: FakeProvider, model: APIModel) -> None:
    for number in range(3):
        provider.script(Reply(message(text(f"{number}"))))
        chunks, error = await read(model.stream(call(max_tokens=9)))
        assert (text_of(chunks), error) == (f"{number}", None)
    assert len(provider.ports) == 1


@pytest.mark.parametrize(
    ("reply", "kind", "retryable"),
    [
        (http_error(400, "invalid_request_error"), "request", False),
        (http_error(401, "authentication_error"), "auth", False),
        (http_error(402, "billing_error"), "auth", False),
        (http_error(403, "permission_error"), "auth", False),
        (http_error(404, "not_found_error"), "auth", False),
        (http_error(413, "request_too_large"), "request", False),
        (http_error(418, "brand_new_error"), "request", False),
        (Reply(b"<html>teapot</html>", status=418), "request", False),
    ],
)
async def test_a_refused_call_is_not_retried(
    api: API, model: APIModel, reply: Reply, kind: str, retryable: bool
) -> None:
    provider = api.provider
    # Once directly; then the SDK says what is wrong.
    provider.script(*[reply] * (1 + api.direct))
    chunks, error = await read(model.stream(call()))
    assert chunks == []
    assert error is not None
    assert (error.kind, error.retryable) == (kind, retryable)
    assert error.request_id == f"req_fake_{1 + api.direct}"
    assert len(provider.requests) == 1 + api.direct


@pytest.mark.parametrize(
    ("status", "name", "kind"),
    [
        (429, "rate_limit_error", "rate-limit"),
        (500, "api_error", "internal"),
        (529, "overloaded_error", "overloaded"),
    ],
)
async def test_the_sdk_retries_temporary_errors(
    api: API, model: APIModel, status: int, name: str, kind: str
) -> None:
    provider = api.provider
    failed = http_error(status, name, headers={"retry-after": "0.01"})
    provider.script(*[failed] * (2 + api.direct), Reply(message(text("at last"))))
    stream = model.stream(call())
    chunks, error = await read(stream)
    assert (text_of(chunks), error) == ("at last", None)
    assert stream.details["retries"] == 2 + api.direct

    provider.script(*[failed] * (3 + api.direct))
    _, error = await read(model.stream(call()))
    assert error is not None
    # The SDK has retried already: the run does not retry again.
    assert (error.kind, error.retryable) == (kind, False)
    assert len(provider.requests) == 6 + 2 * api.direct


async def test_retry_after_is_part_of_the_error(api: API, provider: FakeProvider) -> None:
    provider.script(http_error(429, "rate_limit_error", headers={"retry-after": "17.5"}))
    async with api.client(max_retries=0) as client:
        _, error = await read(api.model(client=client).stream(call()))
    assert error is not None
    assert error.retry_after == 17.5


@pytest.mark.parametrize(
    "headers", [{"retry-after": "300"}, {"retry-after-ms": "300000", "retry-after": "1"}]
)
async def test_a_long_retry_after_fails_at_once(
    provider: FakeProvider, model: APIModel, headers: dict[str, str]
) -> None:
    provider.script(http_error(429, "rate_limit_error", "Wait.", headers=headers))
    chunks, error = await read(model.stream(call()))
    assert chunks == []
    assert error is not None
    assert (error.kind, error.retry_after, error.retryable) == ("rate-limit", 300, False)
    assert "Wait." in str(error)
    assert error.request_id == "req_fake_1"
    assert len(provider.requests) == 1


async def test_the_error_without_an_api_key_names_the_variable(
    api: API, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.delenv(api.key)
    monkeypatch.setenv("HOME", str(tmp_path))
    _, error = await read(api.model().stream(call()))
    assert error is not None
    assert error.kind == "auth"
    assert api.key in str(error)
    assert provider.requests == []


@pytest.mark.parametrize("status", [200, 203])
async def test_a_response_that_is_no_event_stream_is_not_retried(
    provider: FakeProvider, model: APIModel, status: int
) -> None:
    headers = {"content-type": "text/html"}
    provider.script(Reply(b"<h1>Sign in</h1>", status=status, headers=headers))
    chunks, error = await read(model.stream(call()))
    assert not chunks
    assert error is not None
    assert (error.kind, error.retryable) == ("auth", False)
    assert "text/html" in str(error)
    assert len(provider.requests) == 1  # the provider counts it


async def test_an_unreachable_provider_is_a_connection_error(
    api: API,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FakeProvider() as gone:
        pass
    async with api.client(base_url=gone.url, api_key="k", max_retries=0) as client:
        _, error = await read(api.model(client=client).stream(call()))
    assert error is not None
    assert error.kind == "connection"


HALF = message(thinking("Hm."), text("Half an"))[:-3]
TRUNCATED_INPUT = message(tool_use("toolu_1", "weather", pieces=['{"city": "Pa']))[:-3]


@pytest.mark.parametrize(
    ("reply", "kind", "text"),
    [
        (Reply(HALF), "truncated", "Half an"),
        (Reply(TRUNCATED_INPUT), "truncated", ""),
        (Reply(message(text("Half an"))[:-2]), "truncated", "Half an"),
        (Reply([]), "truncated", ""),
        (Reply(HALF, then="close"), "connection", "Half an"),
        (Reply(HALF, then="reset"), "connection", "Half an"),
        (Reply([*HALF, error_event()]), "overloaded", "Half an"),
        (Reply([error_event()]), "overloaded", ""),
        (Reply([*HALF, b"data: {half\n\n"]), "truncated", "Half an"),
    ],
)
async def test_a_truncated_response_is_an_error_after_its_chunks(
    provider: FakeProvider, model: APIModel, reply: Reply, kind: str, text: str
) -> None:
    for reads in (read, iterate):
        provider.script(reply)
        stream = model.stream(call())
        chunks, error = await reads(stream)
        assert error is not None
        assert (error.kind, error.retryable) == (kind, True)
        assert error.request_id is not None
        assert text_of(chunks) == text
        assert stream.result is None


async def test_usage_of_a_truncated_response_is_what_the_provider_counted(
    api: API, provider: FakeProvider, model: APIModel
) -> None:
    provider.script(Reply(message(text("Half"), usage={"input_tokens": 42})[:-2], then="reset"))
    stream = model.stream(call())
    await read(stream)
    # Chat Completions counts at the end only.
    counted = Usage(input=42, output=1, cache_read=0, cache_write=0)
    assert stream.usage == (counted if api.sdk == "anthropic" else Usage())


@pytest.mark.parametrize(
    ("reply", "error_text"),
    [
        (Reply(HALF, then="hang"), "no bytes for 1 s"),
        (Reply(HALF, then="hang", pings=0.1), "no content for 2 s, only pings"),
    ],
)
async def test_a_silent_provider_is_a_timeout(
    api: API, provider: FakeProvider, reply: Reply, error_text: str
) -> None:
    provider.script(reply)
    model = api.model(byte_timeout=1, content_timeout=2)
    began = time.monotonic()
    chunks, error = await read(model.stream(call(max_tokens=9)))
    assert error is not None
    assert (error.kind, error.retryable) == ("timeout", True)
    assert error_text in str(error)
    assert text_of(chunks) == "Half an"
    assert 1 <= time.monotonic() - began < DEADLINE
    assert await connection_closed(provider)
    await model.aclose()


async def test_timeouts_apply_to_the_apps_own_client(api: API, provider: FakeProvider) -> None:
    provider.script(Reply(HALF, then="hang"))
    async with api.client() as client:
        model = api.model(client=client, byte_timeout=1)
        _, error = await read(model.stream(call()))
    assert error is not None
    assert "no bytes for 1 s" in str(error)
    assert await connection_closed(provider)


@pytest.mark.parametrize("api", ["anthropic"], indirect=True)
async def test_a_slow_reader_does_not_cause_a_timeout(api: API, provider: FakeProvider) -> None:
    provider.script(Reply(message(text("one", Pause(), "two"))))
    model = api.model(byte_timeout=1, content_timeout=1.5)
    words = []
    async for batch in model.stream(call(max_tokens=9)):
        if word := text_of(batch):
            words.append(word)
            await asyncio.sleep(2)
            provider.release()
    assert words == ["one", "two"]
    await model.aclose()


async def test_pings_keep_a_thinking_model_alive(api: API, provider: FakeProvider) -> None:
    provider.script(Reply(message(text("one", Pause(), "two")), pings=0.1))
    model = api.model(byte_timeout=1)
    task = asyncio.create_task(read(model.stream(call(max_tokens=9))))
    await asyncio.to_thread(provider.request)
    await asyncio.sleep(2.5)
    provider.release()
    chunks, error = await task
    assert (text_of(chunks), error) == ("onetwo", None)
    await model.aclose()


@pytest.mark.parametrize("api", ["anthropic"], indirect=True)
async def test_content_restarts_the_content_timeout(api: API, provider: FakeProvider) -> None:
    words = text("one", Pause(), "two", Pause(), "three", Pause(), "four")
    provider.script(Reply(message(words), pings=0.1))
    model = api.model(content_timeout=2)
    task = asyncio.create_task(read(model.stream(call(max_tokens=9))))
    await asyncio.to_thread(provider.request)
    for _ in range(3):
        await asyncio.sleep(1)
        provider.release()
    chunks, error = await task
    assert (text_of(chunks), error) == ("onetwothreefour", None)
    await model.aclose()


@pytest.mark.parametrize("own_client", [True, False])
@pytest.mark.parametrize("when", ["before headers", "while silent"])
@pytest.mark.parametrize("how", ["cancel", "scope", "aclose", "abort"])
async def test_an_abandoned_call_closes_the_connection_at_once(
    api: API, provider: FakeProvider, how: str, when: str, own_client: bool
) -> None:
    gate = when == "before headers"
    provider.script(Reply(message(text("one", Pause(), "two")), gate=gate))
    client = None if own_client else api.client()
    model = api.model(client=client)
    stream = model.stream(call(max_tokens=9))
    began = asyncio.Event()
    scope = anyio.CancelScope()

    async def consume() -> None:
        with scope:
            if how == "abort":
                await stream.write_to(lambda _: began.set())
            async for _ in stream:
                began.set()

    task = asyncio.create_task(consume())
    if gate:
        await asyncio.to_thread(provider.request)
    else:
        await began.wait()
    if how in ("aclose", "abort"):
        if how == "aclose":
            await stream.aclose()
        else:
            stream.abort()
        with pytest.raises(ModelError, match="closed"):
            await task
    else:
        (scope if how == "scope" else task).cancel()
        await asyncio.wait([task], timeout=DEADLINE)
    assert task.cancelled() == (how == "cancel")
    assert await connection_closed(provider)
    if not gate and api.sdk == "anthropic":
        assert stream.usage.input == 10
    await model.aclose()
    if client is not None:
        await client.close()


async def test_closing_the_stream_closes_the_connection(
    provider: FakeProvider, model: APIModel
) -> None:
    provider.script(Reply(message(text("one", Pause(), "two"))))
    stream = model.stream(call())
    async for _ in stream:
        break
    await stream.aclose()
    await stream.aclose()
    assert await connection_closed(provider)


async def test_a_body_that_does_not_end_does_not_delay_the_result(
    provider: FakeProvider, model: APIModel
) -> None:
    provider.script(Reply(message(text("done")), then="hang"))
    chunks, error = await read(model.stream(call()))
    assert (text_of(chunks), error) == ("done", None)
    assert await connection_closed(provider)


async def test_the_apps_own_client_is_used_and_left_open(api: API, provider: FakeProvider) -> None:
    provider.script(Reply(message(text("Hi"))), Reply(message(text("Hi"))))
    async with api.client(api_key="theirs") as client:
        model = api.model(client=client)
        await read(model.stream(call()))
        await model.aclose()
        assert not client.is_closed()
        await read(model.stream(call()))
    assert ["theirs" in str(request.headers) for request in provider.requests] == [True, True]


def test_each_event_loop_has_its_own_connections(api: API, provider: FakeProvider) -> None:
    model = api.model()

    async def turn() -> ModelError | None:
        provider.script(Reply(message(text("Hi"))))
        try:
            return (await read(model.stream(call())))[1]
        finally:
            await model.aclose()

    assert asyncio.run(turn()) is None
    assert asyncio.run(turn()) is None


async def test_two_hundred_concurrent_calls(provider: FakeProvider, model: APIModel) -> None:
    # The transport's default would keep all but a hundred waiting.
    provider.on(lambda _: Reply(message(text("one", Pause(), "two"))))
    calls = [asyncio.create_task(read(model.stream(call(max_tokens=9)))) for _ in range(200)]
    await asyncio.to_thread(provider.request, 199)
    provider.release(200)
    results = await asyncio.gather(*calls)
    assert [(text_of(chunks), error) for chunks, error in results] == [("onetwo", None)] * 200


@pytest.mark.parametrize("status", [400, 500, 503])
@pytest.mark.parametrize(
    "body",
    [
        b"<html>\r\n\x1b[31mERROR forged line\xe2\x80\xa8</html>" * 2000,
        b'{"error": {"message": "\\n\\u001b[31mforged' + b"x" * 10**6 + b'"}}',
    ],
)
async def test_the_text_of_an_error_is_one_short_line(
    api: API, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, body: bytes, status: int
) -> None:
    monkeypatch.setattr(f"{api.sdk}._base_client.DEFAULT_MAX_RETRIES", 0)
    reply = Reply(body, status=status, headers={"content-type": "text/html"}, chunk_bytes=4096)
    provider.script(*[reply] * 3)
    model = api.model()
    _, error = await read(model.stream(call()))
    await model.aclose()
    assert error is not None
    assert str(error).isprintable()
    assert len(str(error)) <= 2000
    assert error.__suppress_context__


async def test_only_the_beginning_of_an_error_body_is_read(
    api: API, provider: FakeProvider
) -> None:
    provider.script(Reply(b"x" * 20_000_000, status=400, chunk_bytes=64 * 1024, then="hang"))
    model = api.model()
    _, error = await read(model.stream(call()))
    assert error is not None
    assert error.kind == "request"
    await model.aclose()
