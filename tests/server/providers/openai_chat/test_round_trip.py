"""Round trip: what a server sent is what it gets back, as from the AI SDK's own server.

Recorded responses become chunks, the chunks a message as a client holds it, and the messages a
request. The recordings are those of the differential test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ClientVersion
from usechat_server.providers.base import ModelCall
from usechat_server.providers.openai_chat.request.build import build_request

from tests.harness.fake_openai_rules import chat_request_errors
from tests.harness.node import REFERENCE, NodeProcess, require
from tests.server.providers.openai_chat.recordings import (
    Recording,
    others,
    our_own,
    recorded_chat,
)
from tests.server.providers.recorded_conversation import OUTPUT

CLIENT_VERSION = ClientVersion.parse("7.0.173")
#: The reference has other texts or ids here, or two messages of the user in a row.
LEFT_OUT = (
    *("old-function-call", "one-id", "bad-arguments", "prefix-that-parses", "unknown-tool"),
    "empty",
)

CASES = [
    pytest.param(recording, id=recording.name)
    for recording in our_own() + others()
    if recording.last_finish_reason is not None
    and not any("error" in chunk for chunk in recording.chunks)
    and recording.name not in LEFT_OUT
]


@pytest.fixture(scope="module")
def node() -> Iterator[NodeProcess]:
    require(REFERENCE)
    with NodeProcess(REFERENCE / "main.mjs") as process:
        yield process


@pytest.mark.parametrize("recording", CASES)
async def test_the_history_is_sent_as_by_the_reference(
    node: NodeProcess, recording: Recording
) -> None:
    reference = node.call(
        "translate",
        api=recording.api,
        responses=recording.responses,
        question=recording.question,
        tools=recording.client_tools,
        output=OUTPUT,
    )
    conversation = recorded_chat(recording, CLIENT_VERSION)
    await conversation.run([turn["responses"] for turn in reference["turns"]])
    messages = [UIMessage.from_object(message.to_object()) for message in conversation.messages]
    last = build_request(ModelCall(messages), model="m")

    requests = [*conversation.requests, last]
    assert [error for request in requests for error in chat_request_errors(request)] == []
    sent = [list(comparable(request["messages"])) for request in requests]
    expected = [list(comparable(request["messages"])) for request in reference["requests"]]
    assert sent == expected
    reasoning_fields = {field for delta in recording.deltas for field in reasoning(delta)}
    sent_back = {field for message in last["messages"] for field in reasoning(message)}
    assert sent_back == reasoning_fields


def reasoning(message: dict[str, Any]) -> Iterator[str]:
    """The fields that a delta or a message has its reasoning in."""
    yield from (key for key in ("reasoning_content", "reasoning") if message.get(key))
    if isinstance(content := message.get("content"), list):
        yield from ("thinking" for part in content if part["type"] == "thinking")


def comparable(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The messages without the reasoning, whose field depends on the server; arguments as values;
    and without empty ones."""
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            content = "".join(part["text"] for part in content if part["type"] == "text")
        calls = [
            {**call, "function": {**call["function"], "arguments": arguments_of(call)}}
            for call in message.get("tool_calls") or ()
        ]
        same: dict[str, Any] = {"role": message["role"], "id": message.get("tool_call_id")}
        if content or calls:
            yield {**same, "content": content or None, "tool_calls": calls}


def arguments_of(call: dict[str, Any]) -> Any:
    return json.loads(call["function"]["arguments"])
