"""Round trip: the blocks that the provider sent are the blocks that it gets back.

Recorded responses become chunks, the chunks a message as a client of each major holds it, and the
messages a request. The recordings are those of the differential test.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, ClientVersion
from usechat_server.providers.anthropic.request.build import build_request
from usechat_server.providers.base import ModelCall
from usechat_server.tools import ClientTool

from tests.harness.fake_provider_rules import request_errors
from tests.server.providers.anthropic.recorded_claude import recorded_claude
from tests.server.providers.anthropic.recordings import Recording, others, our_own

CLIENT_VERSIONS = [
    DEFAULT_CLIENT_VERSION,
    ClientVersion.parse("6.0.324"),
    ClientVersion.parse("7.0.173"),
]
_THINKING = ("thinking", "redacted_thinking")


def is_complete(recording: Recording) -> bool:
    """Whether all responses are complete."""
    kinds = [event["type"] for event in recording.events]
    have_ended = [json.loads(lines[-1])["type"] == "message_stop" for lines in recording.responses]
    ids = {e["message"]["id"] for e in recording.events if e["type"] == "message_start"}
    return "error" not in kinds and all(have_ended) and len(ids) == len(recording.responses)


CASES = [
    pytest.param(recording, client_version, id=f"{recording.name}-{client_version.major}")
    for recording in our_own() + others()
    if is_complete(recording)
    for client_version in CLIENT_VERSIONS
]


@pytest.mark.parametrize(("recording", "client_version"), CASES)
async def test_every_block_is_sent_back_unchanged(
    recording: Recording, client_version: ClientVersion
) -> None:
    conversation = recorded_claude(recording, client_version)
    await conversation.run(responses_per_message(recording))

    tools = [ClientTool(name, name, {"type": "object"}) for name in recording.client_tools]
    messages = [UIMessage.from_object(m.to_object()) for m in conversation.messages]
    request = build_request(ModelCall(messages, tools=tools), model="m", max_tokens=100)

    assert request_errors(request) == []
    for body in conversation.requests:
        assert request_errors(body) == []
    sent_blocks = [
        block
        for message in request["messages"]
        if message["role"] == "assistant"
        for block in message["content"]
    ]
    received_blocks = [
        block for response in recording.responses for block in content_blocks(response)
    ]
    assert [comparable(block) for block in sent_blocks] == [
        comparable(block) for block in received_blocks
    ]


def responses_per_message(recording: Recording) -> list[int]:
    """The number of responses in each assistant message: a message continues after a call of the
    app's tool and after a pause."""
    turns = [0]
    for response in recording.responses:
        turns[-1] += 1
        events = [json.loads(line) for line in response]
        reasons = [event.get("delta", {}).get("stop_reason") for event in events]
        reasons.append(events[0]["message"].get("stop_reason"))
        if not {"tool_use", "pause_turn"} & set(reasons):
            turns.append(0)
    return [count for count in turns if count]


def content_blocks(response: list[str]) -> list[dict[str, Any]]:
    """The content of a response, assembled as the API's documentation says, without what the API
    refuses: blank text, and thinking at the end."""
    content: dict[int, dict[str, Any]] = {}
    pieces: dict[int, str] = {}
    for event in map(json.loads, response):
        if event["type"] == "message_start":
            content = dict(enumerate(event["message"].get("content") or ()))
        elif event["type"] == "content_block_start":
            content[event["index"]] = dict(event["content_block"])
        elif event["type"] == "content_block_delta" and event["index"] in content:
            delta, block = dict(event["delta"]), content[event["index"]]
            match delta.pop("type"):
                case "text_delta":
                    block["text"] += delta["text"]
                case "thinking_delta":
                    block["thinking"] += delta["thinking"]
                case "citations_delta":
                    block["citations"] = [*(block.get("citations") or []), delta["citation"]]
                case "compaction_delta" if delta.get("content"):
                    block["content"] = (block.get("content") or "") + delta["content"]
                    block["encrypted_content"] = delta.get("encrypted_content")
                case "input_json_delta":
                    pieces[event["index"]] = pieces.get(event["index"], "") + delta["partial_json"]
                case "signature_delta":
                    block["signature"] = delta["signature"]
                case _ if "text" not in block:
                    # An unknown delta.
                    del content[event["index"]]
    for index, text in pieces.items():
        if text:
            content[index]["input"] = parse_input(text)
    sendable = [block for block in content.values() if block.get("text", "x").strip()]
    while sendable and sendable[-1]["type"] in _THINKING:
        sendable.pop()
    return sendable


def parse_input(text: str) -> Any:
    """A tool's input; if it was cut off, wrapped so that the model sees what it wrote."""
    try:
        return json.loads(text)
    except ValueError:
        return {"invalid_input": text}


def comparable(block: Any) -> Any:
    """The block without null and empty citations, which mean the same as absent ones."""
    if isinstance(block, dict):
        return {
            key: comparable(value)
            for key, value in block.items()
            if value is not None and not (key == "citations" and value == [])
        }
    return [comparable(item) for item in block] if isinstance(block, list) else block
