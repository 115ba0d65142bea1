"""Messages API events as Bedrock frames them.

    provider.script(bedrock_reply(message(text("Hello"))))

Source of the layout: AWS, "Event stream encoding". Every number is big-endian.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

from tests.harness.fake_provider import Pause, Reply

__all__ = ["bedrock_exception", "bedrock_frame", "bedrock_reply"]

_STRING = 7


def bedrock_frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return a frame: lengths and their checksum, headers, payload, checksum of the frame."""
    head = b"".join(
        struct.pack("!B", len(name))
        + name.encode()
        + struct.pack("!BH", _STRING, len(value))
        + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack("!II", 12 + len(head) + len(payload) + 4, len(head))
    frame = prelude + struct.pack("!I", crc32(prelude)) + head + payload
    return frame + struct.pack("!I", crc32(frame))


def bedrock_exception(name: str, text: str) -> bytes:
    """Return the frame that ends a stream with an error."""
    headers = {
        ":exception-type": name,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return bedrock_frame(headers, json.dumps({"message": text}).encode())


def bedrock_reply(events: Iterable[Any], **fields: Any) -> Reply:
    """Return a reply in Bedrock's framing, of events, encoded frames and pauses."""
    headers = {
        ":event-type": "chunk",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    framed = [
        event
        if isinstance(event, (bytes, Pause))
        else bedrock_frame(
            headers,
            json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()}).encode(),
        )
        for event in events
    ]
    return Reply(framed, headers={"content-type": "application/vnd.amazon.eventstream"}, **fields)
