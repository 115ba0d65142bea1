"""Messages API events, built as the real API sends them.

    message(thinking("Hmm.", signature="c2ln"), text("Hel", Pause(), "lo"))
    message(text("Half an ans"))[:-3]          # cut before the block ends

A `message` is a plain list of events, so a test cuts, repeats or replaces what it likes.
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
    """A content block: what `content_block_start` holds, and its deltas."""

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
    """Any content block, by its JSON."""
    return Block(start, deltas)


def text(*pieces: str | Pause, start: str = "") -> Block:
    """A text block, one delta a piece."""
    return Block({"type": "text", "text": start}, _deltas("text_delta", "text", pieces))


def thinking(*pieces: str | Pause, signature: str | None = "c2lnbmF0dXJl") -> Block:
    """A thinking block; its signature comes in a delta of its own."""
    deltas = _deltas("thinking_delta", "thinking", pieces)
    if signature is not None:
        deltas.append({"type": "signature_delta", "signature": signature})
    return Block({"type": "thinking", "thinking": "", "signature": ""}, deltas)


def redacted_thinking(data: str = "cmVkYWN0ZWQ=") -> Block:
    return Block({"type": "redacted_thinking", "data": data})


def tool_use(
    call_id: str, name: str, tool_input: Any = None, *, pieces: Sequence[str | Pause] | None = None
) -> Block:
    """A tool call. Its input comes as one piece of JSON, or as the pieces given."""
    if pieces is None:
        pieces = [""] if tool_input is None else ["", json.dumps(tool_input)]
    deltas = _deltas("input_json_delta", "partial_json", pieces)
    return Block({"type": "tool_use", "id": call_id, "name": name, "input": {}}, deltas)


def ping() -> dict[str, Any]:
    return {"type": "ping"}


def error_event(kind: str = "overloaded_error", text: str = "Overloaded") -> dict[str, Any]:
    """The event that ends a 200 stream in an error."""
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
    """A whole answer: `message_start` to `message_stop`.

    Among the blocks, events of one's own and pauses stay where they are. `usage` may hold
    `input_tokens`, `cache_read_input_tokens`, `cache_creation_input_tokens` and `output_tokens`;
    `delta` holds further keys of `message_delta`'s delta (`stop_sequence`, `stop_details`).
    """
    counts = {"input_tokens": 10, "output_tokens": 5, **(usage or {})}
    start_usage = {
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        **counts,
        "output_tokens": 1,
        "service_tier": "standard",
    }
    made: list[Event] = [
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
            made += item.events(index)
            index += 1
        else:
            made.append(item)
    ended = {"stop_reason": stop_reason, "stop_sequence": None, **delta}
    made.append(
        {
            "type": "message_delta",
            "delta": ended,
            "usage": {"output_tokens": counts["output_tokens"]},
        }
    )
    made.append({"type": "message_stop"})
    return made


def to_sse(event: dict[str, Any] | bytes) -> bytes:
    """An event as the API frames it."""
    if isinstance(event, bytes):
        return event
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event.get('type', 'message')}\ndata: {data}\n\n".encode(
        "utf-8", "surrogatepass"
    )


def _deltas(kind: str, key: str, pieces: Sequence[str | Pause]) -> list[dict[str, Any] | Pause]:
    return [piece if isinstance(piece, Pause) else {"type": kind, key: piece} for piece in pieces]
