"""Replies of the provider that several scenarios use."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.harness.fake_provider import Block, Event, Reply, message, tool_use

__all__ = [
    "HALF",
    "PARIS",
    "SUNNY",
    "USED",
    "WEATHER",
    "cut_reply",
    "escaped_event",
    "file",
    "reply",
    "tool_call_reply",
    "tool_result",
]

PARIS = {"city": "Paris"}
SUNNY = {"sky": "clear", "degrees": 21}
WEATHER = tool_use("toolu_1", "weather", PARIS, pieces=['{"ci', 'ty": "Par', 'is"}'])
#: A call whose input is incomplete if the reply is cut.
HALF = tool_use("toolu_1", "weather", pieces=['{"city": "Pa'])
USED = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": PARIS}


def reply(*blocks: Block | Event, **options: Any) -> Reply:
    return Reply(message(*blocks, **options))


def cut_reply(*blocks: Block, then: Any) -> Reply:
    """Return a reply that ends within its last block."""
    return Reply(message(*blocks)[:-3], then=then)


def tool_call_reply(block: Block = WEATHER, *more: Block) -> Reply:
    return reply(block, *more, stop_reason="tool_use")


def tool_result(output: Any, call_id: str = "toolu_1", **fields: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": output, **fields}


def data_url(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def file(name: str, media_type: str, content: bytes) -> dict[str, str]:
    url = data_url(media_type, content)
    return {"type": "file", "mediaType": media_type, "filename": name, "url": url}


def escaped_event(event: dict[str, Any]) -> bytes:
    """Encode an event with \\u escapes for all but ASCII, surrogates separately."""
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
