"""The provider's model list, which has a model's most tokens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from ui_message_stream.messages import UIMessage
from usechat_server.providers.anthropic import DEFAULT_MAX_TOKENS, AnthropicModel
from usechat_server.providers.anthropic.client import Client
from usechat_server.providers.base import ModelCall
from usechat_server.providers.sdk_stream import SDKStream

from tests.harness.fake_provider import FakeProvider, Reply, message, text

DEADLINE = 20.0


@pytest.fixture
async def model(provider: FakeProvider) -> AsyncIterator[AnthropicModel]:
    model = AnthropicModel("claude-sonnet-5-5")
    yield model
    await model.aclose()


def call(**fields: Any) -> ModelCall:
    parts = [{"type": "text", "text": "Hi"}]
    return ModelCall([UIMessage.from_object({"id": "1", "role": "user", "parts": parts})], **fields)


async def read(stream: SDKStream[Client]) -> None:
    async for _ in stream:
        pass


async def test_max_tokens_comes_from_the_model_list_once_it_is_known(
    provider: FakeProvider, model: AnthropicModel
) -> None:
    reply = Reply(message(text("Hi")))
    provider.script(reply, reply, reply)
    await read(model.stream(call()))
    deadline = time.monotonic() + DEADLINE
    while model.stream(call()).request["max_tokens"] == DEFAULT_MAX_TOKENS:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    await read(model.stream(call()))
    await read(model.stream(call(max_tokens=5)))
    lengths = [request.json["max_tokens"] for request in provider.requests]
    assert lengths == [DEFAULT_MAX_TOKENS, 64_000, 5]
    assert [request.path for request in provider.model_requests] == ["/v1/models/claude-sonnet-5-5"]


@pytest.mark.parametrize("models", [[], [{"id": "claude-sonnet-5-5"}]])
async def test_a_provider_needs_no_model_list(
    provider: FakeProvider, model: AnthropicModel, models: list[Any]
) -> None:
    provider.models = models
    for _ in range(2):
        provider.script(Reply(message(text("Hi"))))
        await read(model.stream(call()))
    lengths = {request.json["max_tokens"] for request in provider.requests}
    assert lengths == {DEFAULT_MAX_TOKENS}
