"""The first request of a call, which does not go through the SDK's pipeline."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from anthropic import AsyncAnthropic
from ui_message_stream.messages import UIMessage
from usechat_server.errors import ModelError
from usechat_server.providers.anthropic import AnthropicModel, AnthropicOptions
from usechat_server.providers.anthropic.client import Clients
from usechat_server.providers.base import ModelCall
from usechat_server.tools import ClientTool

from tests.harness.fake_provider import FakeProvider, RecordedRequest, Reply, http_error, message
from tests.harness.fake_provider import text as text_block
from tests.harness.fake_provider_events import to_sse
from tests.server.providers.transport.wire_server import Exchange, serve

#: What only the SDK sends: "NOT_GIVEN", how its response is read, and what HTTP/1.1 implies.
OF_THE_SDK = {"x-stainless-timeout", "x-stainless-raw-response", "connection"}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        provider.on(lambda _: Reply(message(text_block("Hi"))))
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url)
        yield provider


@pytest.fixture
async def model(provider: FakeProvider) -> AsyncIterator[AnthropicModel]:
    model = AnthropicModel("claude-sonnet-5-5")
    yield model
    await model.aclose()


def call(text: str = "Hi", **fields: Any) -> ModelCall:
    parts = [{"type": "text", "text": text}]
    request = UIMessage.from_object({"id": "1", "role": "user", "parts": parts})
    return ModelCall([request], **{"max_tokens": 2048, **fields})


async def respond(model: AnthropicModel, model_call: ModelCall | None = None) -> Any:
    stream = model.stream(model_call or call())
    await stream.write_to(lambda _: None)
    return stream.details


def content(request: RecordedRequest) -> Any:
    headers = {name: value for name, value in request.headers.items() if name not in OF_THE_SDK}
    headers.pop("content-length")  # the body may be spelled in another way
    return request.method, request.path, headers, request.json


CASES: dict[str, tuple[AnthropicOptions, ModelCall, dict[str, str]]] = {
    "plain": (AnthropicOptions(), call(), {}),
    "any text": (AnthropicOptions(), call('é 😀 "\\ \u2028 </script>', system="Be brief."), {}),
    "tools": (
        AnthropicOptions(effort="low", temperature=0.5, stop_sequences=["END"]),
        call(tools=[ClientTool("weather", "The weather", {"type": "object"})]),
        {},
    ),
    "headers": (
        AnthropicOptions(
            betas=["some-beta"],
            extra_headers={"X-Own": "1", "user-agent": "mine", "Anthropic-Version": "2030-01-01"},
            extra_body={"max_tokens": 7, "nothing": None, "metadata": {"user_id": "u"}},
        ),
        call(),
        {"ANTHROPIC_CUSTOM_HEADERS": "X-Gateway: secret\nX-Own: 2"},
    ),
    "a token": (
        AnthropicOptions(),
        call(),
        {"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": "token"},
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("path", ["", "/gateway/anthropic"])
async def test_the_request_is_that_of_the_sdk(
    provider: FakeProvider, case: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, model_call, variables = CASES[case]
    for name, value in variables.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url + path)
    if path:  # no response: the list of models that follows one would be among the requests
        provider.script(*[http_error(404)] * 3)
    own = AnthropicModel("claude-sonnet-5-5", options)
    timeout = httpx2.Timeout(None, connect=5)  # as ours has
    async with AsyncAnthropic(max_retries=0, timeout=timeout) as client:
        for model in (own, AnthropicModel("claude-sonnet-5-5", options, client=client)):
            try:
                await respond(model, model_call)
            except Exception:
                assert path
    await own.aclose()
    assert "x-stainless-timeout" not in provider.requests[0].headers
    direct, *_, through_sdk = map(content, provider.requests)
    assert direct == through_sdk


async def test_a_new_key_of_the_client_is_used(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = Clients(None)
    monkeypatch.setattr("usechat_server.providers.anthropic.model.Clients", lambda _: clients)
    model = AnthropicModel("claude-sonnet-5-5")
    await respond(model)
    client: Any = clients.get()
    client.api_key = "rotated"
    await respond(model)
    assert ["rotated" in str(request.headers) for request in provider.requests] == [False, True]
    await model.aclose()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses before the SDK asks again, which are not waited for."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("usechat_server.providers.anthropic.direct.sleep", sleep)
    return pauses


@pytest.mark.parametrize(
    ("reply", "pause"),
    [
        (http_error(429, headers={"retry-after": "7"}), (7, 7)),
        (http_error(529, headers={"retry-after-ms": "250", "retry-after": "7"}), (0.25, 0.25)),
        (http_error(503, headers={"retry-after-ms": "soon", "retry-after": "7"}), (7, 7)),
        (http_error(429, headers={"retry-after": "0"}), (0.375, 0.5)),
        (http_error(418, headers={"x-should-retry": "true"}), (0.375, 0.5)),
        *((http_error(status), (0.375, 0.5)) for status in (408, 409, 429, 500, 529)),
    ],
)
async def test_the_sdk_repeats_what_failed_after_its_own_pause(
    provider: FakeProvider,
    model: AnthropicModel,
    pauses: list[float],
    reply: Reply,
    pause: tuple[float, float],
) -> None:
    provider.script(reply)
    details = await respond(model)
    [seconds] = pauses
    assert pause[0] <= seconds <= pause[1]
    assert details["retries"] == 1
    first, second = provider.requests
    assert content(first) == content(second)
    assert "x-stainless-timeout" in second.headers


@pytest.mark.parametrize("status", [408, 409, 429, 500, 529])
async def test_what_is_not_to_be_repeated_is_not(
    provider: FakeProvider, model: AnthropicModel, pauses: list[float], status: int
) -> None:
    provider.script(http_error(status, text="Not again.", headers={"x-should-retry": "false"}))
    with pytest.raises(ModelError, match="Not again") as raised:
        await respond(model)
    assert not raised.value.retryable
    assert len(provider.requests) == 1
    assert pauses == []


@pytest.mark.parametrize("is_reused", [False, True])
async def test_a_connection_that_ends_unanswered_is_not_the_end(
    monkeypatch: pytest.MonkeyPatch, pauses: list[float], is_reused: bool
) -> None:
    body = b"".join(map(to_sse, message(text_block("Hi"))))
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n"
    requests = 0

    async def script(exchange: Exchange) -> None:
        nonlocal requests
        while await exchange.request():
            requests += 1
            if requests == 1 + is_reused:
                return  # closes the connection
            await exchange.send((head % len(body)).encode(), body)

    async with serve(script) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        model = AnthropicModel("claude-sonnet-5-5")
        for _ in range(1 + is_reused):
            await respond(model)
        await model.aclose()
    assert requests == 2 + is_reused
    # Servers close idle connections: that says nothing of their state.
    assert len(pauses) == (0 if is_reused else 1)


class UnhashableClient(AsyncAnthropic):
    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("create", [AsyncAnthropic, UnhashableClient])
async def test_the_apps_own_client_sends_its_requests(
    provider: FakeProvider, create: type[AsyncAnthropic]
) -> None:
    async with create() as client:
        await respond(AnthropicModel("claude-sonnet-5-5", client=client))
    assert "x-stainless-timeout" in provider.requests[0].headers
