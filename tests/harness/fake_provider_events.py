"""Messages API events, built as the real API sends them.

    message(thinking("Hmm.", signature="c2ln"), text("Hel", Pause(), "lo"))
    message(text("Half an ans"))[:-3]          # cut before the block ends

A `message` is a plain list of events, so a test can cut, repeat or replace any of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Block",
    "Event",
    "Pause",
    "block",
    "error_event",
    "message",
    "ping",
    "redacted_thinking",
    "text",
    "thinking",
    "to_sse",
    "tool_use",
]


@dataclass(frozen=True)
class Pause:
    """A place in a reply where the provider waits for `release()`."""


#: One SSE event's payload, raw bytes of the body, or a place to wait.
Event = dict[str, Any] | bytes | Pause


@dataclass(frozen=True)
class Block:
    """A content block: the block of `content_block_start`, and its deltas."""

    start: dict[str, Any]
    deltas: Sequence[dict[str, Any] | Pause] = ()

    def events(self, index: int) -> list[Event]:
        return [
            {"type": "content_block_start", "index": index, "content_block": self.start},
            *(
                delta
                if isinstance(delta, Pause)
                else {"type": "content_block_delta", "index": index, "delta": delta}
                for delta in self.deltas
            ),
            {"type": "content_block_stop", "index": index},
        ]


def block(start: dict[str, Any], *deltas: dict[str, Any] | Pause) -> Block:
    """Return a content block of any kind."""
    return Block(start, deltas)


def text(*pieces: str | Pause, start: str = "") -> Block:
    """Return a text block with one delta per piece."""
    return Block({"type": "text", "text": start}, _deltas("text_delta", "text", pieces))


def thinking(*pieces: str | Pause, signature: str | None = "c2lnbmF0dXJl") -> Block:
    """Return a thinking block; its signature is a separate delta."""
    deltas = _deltas("thinking_delta", "thinking", pieces)
    if signature is not None:
        deltas.append({"type": "signature_delta", "signature": signature})
    return Block({"type": "thinking", "thinking": "", "signature": ""}, deltas)


def redacted_thinking(data: str = "cmVkYWN0ZWQ=") -> Block:
    return Block({"type": "redacted_thinking", "data": data})


def tool_use(
    call_id: str, name: str, tool_input: Any = None, *, pieces: Sequence[str | Pause] | None = None
) -> Block:
    """Return a tool call. Its input is one piece of JSON, or the given pieces."""
    if pieces is None:
        pieces = [""] if tool_input is None else ["", json.dumps(tool_input)]
    deltas = _deltas("input_json_delta", "partial_json", pieces)
    return Block({"type": "tool_use", "id": call_id, "name": name, "input": {}}, deltas)


def ping() -> dict[str, Any]:
    return {"type": "ping"}


def error_event(kind: str = "overloaded_error", text: str = "Overloaded") -> dict[str, Any]:
    """Return the event that ends a stream with an error."""
    return {
        "type": "error",
        "error": {"type": kind, "message": text, "details": None},
        "request_id": "req_fake_in_stream",
    }


def message(
    *blocks: Block | Event,
    stop_reason: str | None = "end_turn",
    usage: dict[str, int] | None = None,
    model: str = "claude-sonnet-5-5",
    message_id: str = "msg_fake",
    **delta: Any,
) -> list[Any]:
    """Return the events of a message, from `message_start` to `message_stop`.

    Other events and pauses may stand between the blocks. `usage` may contain
    `input_tokens`, `cache_read_input_tokens`, `cache_creation_input_tokens` and `output_tokens`;
    `delta` contains further keys of `message_delta`'s delta (`stop_sequence`, `stop_details`).
    """
    counts = {"input_tokens": 10, "output_tokens": 5, **(usage or {})}
    start_usage = {
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        **counts,
        "output_tokens": 1,
        "service_tier": "standard",
    }
    events: list[Event] = [
        {
            "type": "message_start",
            "message": {
                "id": message_id,
                "type": "message",
                "role": "assistant",
                "model": model,
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": start_usage,
            },
        },
    ]
    index = 0
    for item in blocks:
        if isinstance(item, Block):
            events += item.events(index)
            index += 1
        else:
            events.append(item)
    message_delta = {"stop_reason": stop_reason, "stop_sequence": None, **delta}
    events.append(
        {
            "type": "message_delta",
            "delta": message_delta,
            "usage": {"output_tokens": counts["output_tokens"]},
        }
    )
    events.append({"type": "message_stop"})
    return events


def to_sse(event: dict[str, Any] | bytes) -> bytes:
    """Encode an event like the API does."""
    if isinstance(event, bytes):
        return event
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event.get('type', 'message')}\ndata: {data}\n\n".encode(
        "utf-8", "surrogatepass"
    )


def _deltas(kind: str, key: str, pieces: Sequence[str | Pause]) -> list[dict[str, Any] | Pause]:
    return [piece if isinstance(piece, Pause) else {"type": kind, key: piece} for piece in pieces]
