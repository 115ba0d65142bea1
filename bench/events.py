"""The bytes of a Messages API stream, built once. One SSE event in one HTTP chunk, as the API."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from plan import DELTA_BYTES, stamp

__all__ = ["HEAD", "MODEL", "MODEL_INFO", "TEXT_START", "batches", "text_delta", "text_end"]

#: a name that every peer knows
MODEL = "claude-sonnet-4-5"

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\nrequest-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n"
)
_LAST_CHUNK = b"0\r\n\r\n"
#: deltas in one write of a stream that is not paced: what a read of 16 KB holds
_BATCH = 100


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
_TEXT_END = _end("end_turn")
_MARK = "#" * DELTA_BYTES
_BEFORE, _AFTER = _event(
    "content_block_delta", index=0, delta={"type": "text_delta", "text": _MARK}
).split(_MARK.encode())

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


def text_delta(microseconds: int, number: int) -> bytes:
    """One text delta with its stamp."""
    return _BEFORE + stamp(microseconds, number) + _AFTER


def text_end() -> bytes:
    """What ends a text stream."""
    return _TEXT_END


@cache
def batches(kind: str, deltas: int) -> list[bytes]:
    """Everything after the start of a stream that is sent at once, a write each."""
    if kind == "text":
        events = [text_delta(0, number) for number in range(deltas)]
        events.append(_TEXT_END)
    else:
        block = {"type": "tool_use", "id": "toolu_bench", "name": "write", "input": {}}
        events = [_start(block)]
        events += (
            _event(
                "content_block_delta",
                index=0,
                delta={"type": "input_json_delta", "partial_json": piece},
            )
            for piece in _pieces(kind, deltas)
        )
        events.append(_end("tool_use"))
    return [b"".join(events[i : i + _BATCH]) for i in range(0, len(events), _BATCH)]


def _pieces(kind: str, deltas: int) -> list[str]:
    """The JSON text of a tool's input: pieces of DELTA_BYTES, each with one "~"."""
    if kind == "string":
        opening, row, closing = '{"body":"', "line %012d~\\n", '"}'
    else:
        opening, row, closing = '{"body":[', '{"n":"%010d~"},', "0]}"
    rows = [row % number for number in range(deltas)]
    assert all(len(text) == DELTA_BYTES for text in rows), rows[0]
    return [opening, *rows, closing]
