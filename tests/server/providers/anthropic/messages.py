"""UI messages as a client sends them, and the requests that they become."""

from __future__ import annotations

import json
from typing import Any

from ui_message_stream.messages import UIMessage
from usechat_server.providers.anthropic.request.build import build_request
from usechat_server.providers.base import ModelCall

from tests.harness.fake_provider_rules import request_errors

__all__ = [
    "SEARCH_HIT",
    "STEP_START",
    "assistant_blocks",
    "assistant_message",
    "request_body",
    "request_messages",
    "search_part",
    "text_part",
    "tool_part",
    "user_message",
]

STEP_START = {"type": "step-start"}
SEARCH_HIT = {
    "type": "web_search_result",
    "url": "u",
    "title": "T",
    "pageAge": None,
    "encryptedContent": "e",
}


def text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def tool_part(state: str, **fields: Any) -> dict[str, Any]:
    """A call of the tool `weather`, which the client or the app executes."""
    part = {"type": "tool-weather", "toolCallId": "toolu_1", "state": state}
    return {**part, "input": {"city": "Paris"}, **fields}


def search_part(state: str, **fields: Any) -> dict[str, Any]:
    """A call of the provider's web search."""
    part = {"type": "tool-web_search", "toolCallId": "srvtoolu_1", "state": state}
    return {**part, "providerExecuted": True, "input": {"query": "x"}, **fields}


def user_message(*parts: dict[str, Any], message_id: str = "u") -> UIMessage:
    return UIMessage.from_object({"id": message_id, "role": "user", "parts": list(parts)})


def assistant_message(*parts: dict[str, Any], message_id: str = "a") -> UIMessage:
    return UIMessage.from_object({"id": message_id, "role": "assistant", "parts": list(parts)})


def request_body(*messages: UIMessage, **fields: Any) -> dict[str, Any]:
    """The request for these messages, which the API accepts."""
    request = build_request(
        ModelCall(messages, **fields), model="claude-sonnet-5-5", max_tokens=100
    )
    assert request_errors(request) == []
    json.dumps(request).encode()
    return request


def request_messages(*messages: UIMessage) -> list[tuple[str, list[dict[str, Any]]]]:
    """The roles and contents of the request's messages."""
    request = request_body(*messages)
    return [(message["role"], message["content"]) for message in request["messages"]]


def assistant_blocks(message: UIMessage) -> list[dict[str, Any]]:
    """The blocks of an assistant message in the next request."""
    history = (user_message(text_part("Hi")), message, user_message(text_part("?")))
    return request_messages(*history)[1][1]
