"""The SDK can read the fake provider, which refuses what the real one refuses."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic import APIStatusError, AsyncAnthropic, BadRequestError, NotFoundError

from tests.harness.fake_provider import (
    FakeProvider,
    Reply,
    error_event,
    message,
    ping,
    redacted_thinking,
    text,
    thinking,
    tool_use,
)
from tests.harness.fake_provider_rules import request_errors

HI: dict[str, Any] = {"role": "user", "content": [{"type": "text", "text": "Hi"}]}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}
CALL_MESSAGE = {"role": "assistant", "content": [CALL]}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}


async def test_the_sdk_can_read_the_fake_provider() -> None:
    with FakeProvider() as provider:
        provider.script(
            Reply(
                message(
                    thinking("Hm", "m.", signature="c2ln"),
                    redacted_thinking("b3Bh"),
                    ping(),
                    text("Hé", "llo"),
                    tool_use("toolu_1", "weather", pieces=['{"city": ', '"Paris"}']),
                    stop_reason="tool_use",
                    usage={"input_tokens": 7, "output_tokens": 9},
                ),
                chunk_bytes=11,
            ),
            Reply([error_event("overloaded_error", "Overloaded")]),
        )
        async with AsyncAnthropic(base_url=provider.url, api_key="k", max_retries=0) as client:
            request: Any = {"model": "claude-sonnet-5-5", "max_tokens": 9, "messages": [HI]}
            async with client.messages.stream(**request) as stream:
                response = await stream.get_final_message()
            with pytest.raises(APIStatusError) as overloaded:
                async with client.messages.stream(**request) as stream:
                    await stream.get_final_message()
            listed = [model.id async for model in client.models.list()]
            model_info = await client.models.retrieve("claude-sonnet-5-5")
            with pytest.raises(NotFoundError):
                await client.models.retrieve("claude-0")
            with pytest.raises(BadRequestError, match="first message must use the user role"):
                await client.messages.create(**{**request, "messages": [CALL_MESSAGE]})
    content: list[Any] = list(response.content)
    hm, redacted, hello, called = content
    assert (hm.type, hm.thinking, hm.signature) == ("thinking", "Hmm.", "c2ln")
    assert (redacted.type, redacted.data) == ("redacted_thinking", "b3Bh")
    assert (hello.type, hello.text) == ("text", "Héllo")
    assert (called.type, called.input) == ("tool_use", {"city": "Paris"})
    assert response.stop_reason == "tool_use"
    assert (response.usage.input_tokens, response.usage.output_tokens) == (7, 9)
    assert overloaded.value.type == "overloaded_error"
    assert listed == ["claude-sonnet-5-5"]
    assert model_info.max_tokens == 64_000


def user(*content: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def assistant(*content: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content)}


@pytest.mark.parametrize(
    ("messages", "error_text"),
    [
        ([], "at least one message"),
        ([assistant({"type": "text", "text": "Hi"}), HI], "first message"),
        ([HI, HI], "alternate"),
        ([HI, assistant({"type": "text", "text": "Yes"})], "end with a user message"),
        ([user({"type": "text", "text": " \n"})], "non-whitespace"),
        ([user()], "content must be non-empty"),
        ([HI, CALL_MESSAGE, HI], "`tool_use` ids"),
        ([HI, CALL_MESSAGE], "without `tool_result`"),
        ([user(RESULT)], "`tool_result` for ['toolu_1']"),
        ([HI, CALL_MESSAGE, user(HI["content"][0], RESULT)], "tool_result blocks must come first"),
        ([HI, assistant(CALL, CALL), user(RESULT, RESULT)], "must be unique"),
        ([HI, CALL_MESSAGE, user(RESULT), CALL_MESSAGE, user(RESULT)], "must be unique"),
        ([HI, assistant({**CALL, "id": "call:1"}), HI], "does not match the pattern"),
        ([HI, assistant({**CALL, "name": "a b"}), user(RESULT)], "does not match the pattern"),
        ([HI, assistant({**CALL, "input": "x"}), user(RESULT)], "valid dictionary"),
        (
            [HI, CALL_MESSAGE, user({**RESULT, "content": "", "is_error": True})],
            "content cannot be empty if `is_error` is true",
        ),
        ([HI, assistant(THOUGHT), HI], "final block"),
        ([HI, assistant({**THOUGHT, "signature": ""}, CALL), user(RESULT)], "signature"),
        ([{"role": "system", "content": "x"}, HI], "unexpected role"),
        (
            [user({"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}})],
            "Only HTTPS URLs",
        ),
    ],
)
def test_requests_that_the_api_refuses(messages: list[Any], error_text: str) -> None:
    request = {"model": "m", "max_tokens": 1, "messages": messages, "tools": [{"name": "weather"}]}
    assert error_text in "; ".join(request_errors(request))


def test_requests_that_the_api_accepts() -> None:
    messages = [HI, assistant(THOUGHT, CALL), user(RESULT, HI["content"][0])]
    request = {"model": "m", "max_tokens": 1, "messages": messages}
    assert request_errors({**request, "tools": [{"name": "weather"}]}) == []
    assert "must define tools" in "; ".join(request_errors(request))
