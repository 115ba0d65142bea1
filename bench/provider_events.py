"""The bytes of a Messages API stream: each SSE event in an HTTP chunk of its own, as in the API."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from delta_text import DELTA_BYTES, delta_text

__all__ = ["HEAD", "MODEL", "MODEL_INFO", "TEXT_END", "TEXT_START", "batches", "text_delta"]

#: A model that every peer knows.
MODEL = "claude-sonnet-4-5"

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\nrequest-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n"
)
_LAST_CHUNK = b"0\r\n\r\n"
#: Events in one write of a stream that is not paced: about 16 KB, which one read takes.
_EVENTS_PER_WRITE = 100


def _chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def _event(name: str, **fields: Any) -> bytes:
    data = json.dumps({"type": name, **fields}, separators=(",", ":"))
    return _chunk(f"event: {name}\ndata: {data}\n\n".encode())


def _start(block: dict[str, Any]) -> bytes:
    message: dict[str, Any] = {
        "model": MODEL,
        "id": "msg_bench",
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 12, "output_tokens": 1},
    }
    return (
        _event("message_start", message=message)
        + _event("content_block_start", index=0, content_block=block)
        + _event("ping")
    )


def _end(stop_reason: str) -> bytes:
    return (
        _event("content_block_stop", index=0)
        + _event(
            "message_delta",
            delta={"stop_reason": stop_reason, "stop_sequence": None},
            usage={"output_tokens": 100},
        )
        + _event("message_stop")
        + _LAST_CHUNK
    )


TEXT_START = _start({"type": "text", "text": ""})
TEXT_END = _end("end_turn")
_PLACEHOLDER = "#" * DELTA_BYTES
_DELTA_PREFIX, _DELTA_SUFFIX = _event(
    "content_block_delta", index=0, delta={"type": "text_delta", "text": _PLACEHOLDER}
).split(_PLACEHOLDER.encode())

MODEL_INFO = json.dumps(
    {
        "type": "model",
        "id": MODEL,
        "display_name": "Bench",
        "created_at": "2026-01-01T00:00:00Z",
        "max_input_tokens": 200_000,
        "max_tokens": 32_000,
    }
).encode()


def text_delta(written_at: int, number: int) -> bytes:
    """Return a text delta; see `delta_text` for the arguments."""
    return _DELTA_PREFIX + delta_text(written_at, number) + _DELTA_SUFFIX


@cache
def batches(kind: str, deltas: int) -> list[bytes]:
    """Return what a stream that is not paced writes, in writes of up to 100 events.

    Args:
        kind: as in StreamSpec. For "text", HEAD and TEXT_START come first; for others, HEAD.
        deltas: how many there are.
    """
    if kind == "text":
        events = [text_delta(0, number) for number in range(deltas)]
        events.append(TEXT_END)
    else:
        block = {"type": "tool_use", "id": "toolu_bench", "name": "write", "input": {}}
        events = [_start(block)]
        events += (
            _event(
                "content_block_delta",
                index=0,
                delta={"type": "input_json_delta", "partial_json": text},
            )
            for text in _input_deltas(kind, deltas)
        )
        events.append(_end("tool_use"))
    return [
        b"".join(events[i : i + _EVENTS_PER_WRITE])
        for i in range(0, len(events), _EVENTS_PER_WRITE)
    ]


def _input_deltas(json_type: str, deltas: int) -> list[str]:
    """Return the JSON text of a tool's input, in deltas of DELTA_BYTES with one "~" each.

    The first and the last delta, which open and close the JSON value, are extra and have no "~".
    """
    if json_type == "string":
        first, middle, last = '{"body":"', "line %012d~\\n", '"}'
    else:
        first, middle, last = '{"body":[', '{"n":"%010d~"},', "0]}"
    texts = [middle % number for number in range(deltas)]
    assert all(len(text) == DELTA_BYTES for text in texts), texts[0]
    return [first, *texts, last]
