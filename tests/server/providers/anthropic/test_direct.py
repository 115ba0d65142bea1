"""The first request of a call, which does not go through the SDK's pipeline."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest
from anthropic import AsyncAnthropic
from ui_message_stream.messages import UIMessage
from usechat_server.providers.anthropic import AnthropicModel, AnthropicOptions
from usechat_server.providers.anthropic.client import Clients
from usechat_server.providers.base import ModelCall
from usechat_server.tools import ClientTool

from tests.harness.fake_provider import FakeProvider, RecordedRequest, Reply, http_error, message
from tests.harness.fake_provider import text as text_block

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
    if path:  # where the fake provider has nothing: both ways, and the SDK's own is enough
        provider.script(http_error(404), http_error(404))
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


async def test_the_sdk_repeats_what_failed_after_the_pause_that_was_asked_for(
    provider: FakeProvider, model: AnthropicModel
) -> None:
    provider.script(http_error(429, "rate_limit_error", headers={"retry-after": "0.3"}))
    began = time.monotonic()
    details = await respond(model)
    assert time.monotonic() - began >= 0.3
    assert details["retries"] == 1
    first, second = provider.requests
    assert content(first) == content(second)
    assert "x-stainless-timeout" in second.headers


async def test_a_connection_that_ends_unanswered_is_not_the_end(
    provider: FakeProvider, model: AnthropicModel
) -> None:
    provider.script(Reply(b"", gate=False, then="reset", status=500))
    await respond(model)
    assert len(provider.requests) == 2


class UnhashableClient(AsyncAnthropic):
    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("create", [AsyncAnthropic, UnhashableClient])
async def test_the_apps_own_client_sends_its_requests(
    provider: FakeProvider, create: type[AsyncAnthropic]
) -> None:
    async with create() as client:
        await respond(AnthropicModel("claude-sonnet-5-5", client=client))
    assert "x-stainless-timeout" in provider.requests[0].headers
