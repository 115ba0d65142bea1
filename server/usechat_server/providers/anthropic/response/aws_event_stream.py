"""Bytes of an AWS event stream, Bedrock's framing → event payloads.

Source: `InvokeModelWithResponseStream` of the Bedrock runtime's API reference. A frame is an event
of the Messages API, in base64 inside JSON, or an exception that ends the stream.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from ui_message_stream import json_codec

from usechat_server.errors import ModelError

__all__ = ["MEDIA_TYPE", "EventStreamFraming"]

MEDIA_TYPE = "application/vnd.amazon.eventstream"

#: Bedrock's exceptions → the error types of the Messages API.
_ERRORS: Mapping[str, str] = {
    "internalServerException": "api_error",
    "modelStreamErrorException": "api_error",
    "modelTimeoutException": "timeout_error",
    "serviceUnavailableException": "overloaded_error",
    "throttlingException": "rate_limit_error",
    "validationException": "invalid_request_error",
}


class EventStreamFraming:
    """Cuts a body that arrives in pieces of any size into the payloads of its events. Raises
    ModelError if botocore is not there to do so."""

    def __init__(self) -> None:
        try:
            # Only those who use Bedrock have it.
            botocore = import_module("botocore.eventstream")
        except ImportError:
            raise ModelError(
                "Bedrock's framing needs botocore: pip install 'usechat-server[bedrock]'", "auth"
            ) from None
        self._buffer: Any = botocore.EventStreamBuffer()
        self._broken: type[Exception] = botocore.ParserError

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads of the frames that are complete now. Raises ModelError after those that
        came before a broken frame."""
        self._buffer.add_data(data)
        try:
            for frame in self._buffer:
                yield from _payload(frame.headers, frame.payload)
        except (self._broken, ValueError, KeyError, binascii.Error) as error:
            raise ModelError(
                f"a frame is not what Bedrock sends: {error!r}", "truncated", retryable=True
            ) from None


def _payload(headers: Mapping[str, Any], body: bytes) -> Iterator[bytes]:
    kind = headers.get(":message-type")
    if kind == "event":
        if headers.get(":event-type") == "chunk":
            yield base64.b64decode(json_codec.decode(body)["bytes"], validate=True)
        return
    if kind == "exception":
        name, text = headers[":exception-type"], body.decode("utf-8", "replace")
    else:
        name, text = headers[":error-code"], headers.get(":error-message", "")
    error = {"type": _ERRORS.get(name, "api_error"), "message": f"{name}: {text}"}
    yield json_codec.encode({"type": "error", "error": error})
