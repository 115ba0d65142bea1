"""What only the provider can judge: it refuses a history, and the conversation goes on without."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from ui_message_stream.messages import UIMessage
from usechat_server.errors import ModelError, public_error
from usechat_server.providers.anthropic import AnthropicModel
from usechat_server.providers.base import ModelCall
from usechat_server.tools import ClientTool

from tests.harness.fake_provider import FakeProvider, RecordedRequest, Reply, http_error
from tests.harness.fake_provider_account import Account
from tests.harness.fake_provider_events import message, text
from tests.harness.media import data_url, png

#: Undamaged to us, and not to the provider: the checksum is wrong.
UNREADABLE = data_url(png()[:-20] + b"\1" + png()[-19:])
EXPIRED = "https://files.example/expired.png"


def file(url: str = EXPIRED, media_type: str = "image/png", **fields: Any) -> dict[str, Any]:
    return {"type": "file", "mediaType": media_type, "url": url, "filename": "cat.png", **fields}


def text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def user(*parts: dict[str, Any]) -> UIMessage:
    return UIMessage.from_object({"id": "u", "role": "user", "parts": list(parts)})


def assistant(*parts: dict[str, Any], **fields: Any) -> UIMessage:
    parts = ({"type": "step-start"}, *parts)
    return UIMessage.from_object({"id": "a", "role": "assistant", "parts": list(parts), **fields})


def call(output: Any, **fields: Any) -> dict[str, Any]:
    part = {"type": "tool-draw", "toolCallId": "toolu_1", "state": "output-available"}
    return {**part, "input": {}, "output": output, **fields}


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        provider.account = Account(sealed={"c2ln"}, max_tokens=10_000)
        provider.on(lambda _: Reply(message(text("Hi."))))
        yield provider


@pytest.fixture
async def model(provider: FakeProvider) -> AsyncIterator[AnthropicModel]:
    async with AsyncAnthropic(base_url=provider.url, api_key="any", max_retries=0) as client:
        yield AnthropicModel("m", client=client)


DRAW = ClientTool(
    "draw",
    "",
    {"type": "object"},
    to_model_output=lambda output: (
        [UIMessage.from_object(output).parts[0]]
        if isinstance(output, dict) and "parts" in output
        else output
    ),
)


async def respond(model: AnthropicModel, *messages: UIMessage) -> None:
    stream = model.stream(ModelCall(messages, tools=[DRAW], may_use_file=lambda _: True))
    async for _ in stream:
        pass
    assert stream.result is not None


def blocks(request: RecordedRequest) -> list[str]:
    """The types of the blocks in a request, and the texts."""
    return [
        block.get("text", block["type"])
        for turn in request.json["messages"]
        for block in turn["content"]
    ]


@pytest.mark.parametrize(
    "part",
    [
        file(),
        file("https://files.example/gone.pdf", "application/pdf"),
        file(UNREADABLE),
        file("", providerReference={"anthropic": "file_deleted"}),
        file("", "application/pdf", providerReference={"anthropic": "file_deleted"}),
    ],
)
async def test_an_older_file_that_the_provider_refuses_is_left_out(
    provider: FakeProvider, model: AnthropicModel, part: dict[str, Any]
) -> None:
    await respond(
        model,
        user(text_part("Look:"), part),
        assistant(text_part("Nice.")),
        user(text_part("Hello")),
    )
    assert len(provider.requests) == 2
    expected = ["Look:", "(cat.png could not be read.)", "Nice.", "Hello"]
    assert blocks(provider.requests[1]) == expected
    with pytest.raises(ModelError) as caught:
        await respond(model, user(text_part("Look:"), part))
    assert len(provider.requests) == 3
    assert public_error(caught.value).text.startswith("The model cannot read cat.png. Please")


async def test_the_new_message_keeps_its_files(
    provider: FakeProvider, model: AnthropicModel
) -> None:
    new = file("https://example.com/dog.png")
    await respond(model, user(file()), assistant(text_part("Nice.")), user(new))
    assert blocks(provider.requests[1])[-1] == "image"


async def test_a_file_of_a_tool_is_left_out_before_the_users(
    provider: FakeProvider, model: AnthropicModel
) -> None:
    picture = {"id": "p", "role": "user", "parts": [file()]}
    await respond(model, user(file("https://example.com/dog.png")), assistant(call(picture)))
    [_, last] = provider.requests
    [question, _, results] = last.json["messages"]
    assert question["content"][0]["type"] == "image"
    assert results["content"][0]["content"] == "(cat.png could not be read.)"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "reasoning", "text": "Hm.", "providerMetadata": {"anthropic": {"signature": "x"}}},
        {"type": "reasoning", "text": "", "providerMetadata": {"anthropic": {"redactedData": "x"}}},
        {
            "type": "tool-web_search",
            "toolCallId": "srvtoolu_1",
            "state": "output-available",
            "providerExecuted": True,
            "input": {"query": "x"},
            "output": [
                {
                    "type": "web_search_result",
                    "url": "https://example.com",
                    "title": "T",
                    "pageAge": None,
                    "encryptedContent": "of another account",
                }
            ],
        },
        call(
            1, callProviderMetadata={"anthropic": {"caller": {"type": "code_execution_20250825"}}}
        ),
    ],
)
async def test_what_another_account_made_is_left_out(
    provider: FakeProvider, model: AnthropicModel, part: dict[str, Any]
) -> None:
    await respond(
        model, user(text_part("?")), assistant(part, text_part("Nice.")), user(text_part("Hello"))
    )
    last = blocks(provider.requests[-1])
    assert (last[0], last[-1], "Nice." in last) == ("?", "Hello", True)
    assert len(provider.requests) == 2


@pytest.mark.parametrize("container_id", ["container_gone", "container_lost"])
async def test_a_container_that_is_gone_is_left_out(
    provider: FakeProvider, model: AnthropicModel, container_id: str
) -> None:
    expired = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    record = {"container": {"id": container_id, "expires_at": expired}}
    response = assistant(text_part("Ran."), metadata={"usechat.anthropic": record})
    await respond(model, user(text_part("?")), response, user(text_part("Hello")))
    containers = [request.json.get("container") for request in provider.requests]
    assert containers == [container_id, None]


@pytest.mark.parametrize("as_output", [True, False])
async def test_a_history_that_is_too_long_is_cut(
    provider: FakeProvider, model: AnthropicModel, as_output: bool
) -> None:
    long = "x" * 60_000
    part = call(long) if as_output else text_part(long)
    await respond(model, user(text_part("?")), assistant(part), user(text_part("Hello")))
    last = provider.requests[-1]
    assert len(last.body) < 40_000
    assert blocks(last)[-1] == "Hello"
    assert "left out: the conversation is too long" in last.body.decode()


async def test_a_message_that_is_too_long_is_refused(
    provider: FakeProvider, model: AnthropicModel
) -> None:
    with pytest.raises(ModelError):
        await respond(
            model, user(text_part("?")), assistant(text_part("Hi.")), user(text_part("x" * 60_000))
        )
    assert len(provider.requests) <= 6


@pytest.mark.parametrize(
    ("status", "kind", "error_text"),
    [
        (401, "authentication_error", "invalid x-api-key"),
        (403, "permission_error", "not allowed"),
        (404, "not_found_error", "model: m"),
        (429, "rate_limit_error", "slow down"),
        (400, "invalid_request_error", "Your credit balance is too low to access the API."),
        (400, "invalid_request_error", "tools.0.custom.input_schema: JSON schema is invalid"),
        (400, "invalid_request_error", "`temperature` may only be set to 1 with thinking"),
        (400, "invalid_request_error", "max_tokens: 99999 > 64000"),
        (400, "invalid_request_error", "Unexpected value(s) for the `anthropic-beta` header"),
    ],
)
async def test_nothing_is_left_out_where_no_history_is_to_blame(
    provider: FakeProvider, model: AnthropicModel, status: int, kind: str, error_text: str
) -> None:
    provider.on(lambda _: http_error(status, kind, error_text))
    picture = file("https://example.com/dog.png")
    with pytest.raises(ModelError) as caught:
        await respond(model, user(picture), assistant(text_part("Nice.")), user(text_part("Hello")))
    assert len(provider.requests) == 1
    # The text for the user names the operator, or the provider, and not the message.
    assert caught.value.kind in ("auth", "rate-limit")


async def test_the_log_says_what_was_left_out(
    provider: FakeProvider, model: AnthropicModel, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "usechat.providers"):
        await respond(model, user(file()), assistant(text_part("Nice.")), user(text_part("Hello")))
    [record] = caplog.records
    assert record.getMessage().startswith("left out older files: the request was refused: Unable")
