"""Split the body of an AWS event stream, which Bedrock sends, into event payloads.

Source: `InvokeModelWithResponseStream` in the API reference of the Bedrock runtime. A frame is an
event of the Messages API, as base64 inside JSON, or an exception that ends the stream.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from ui_message_stream import json_codec

from usechat_server.errors import ModelError

__all__ = ["MEDIA_TYPE", "AWSEventStreamDecoder"]

MEDIA_TYPE = "application/vnd.amazon.eventstream"

#: Bedrock's exceptions → the error types of the Messages API.
_ERROR_TYPES: Mapping[str, str] = {
    "internalServerException": "api_error",
    "modelStreamErrorException": "api_error",
    "modelTimeoutException": "timeout_error",
    "serviceUnavailableException": "overloaded_error",
    "throttlingException": "rate_limit_error",
    "validationException": "invalid_request_error",
}


class AWSEventStreamDecoder:
    """Decodes a body that arrives in pieces of any size.

    Raises:
        ModelError: `botocore` is not installed.
    """

    def __init__(self) -> None:
        try:
            # An optional dependency, only for Bedrock.
            botocore = import_module("botocore.eventstream")
        except ImportError:
            raise ModelError(
                "Bedrock requires botocore: pip install 'usechat-server[bedrock]'", "auth"
            ) from None
        self._buffer: Any = botocore.EventStreamBuffer()
        self._parser_error: type[Exception] = botocore.ParserError

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the payloads of the events that this piece completes.

        Raises:
            ModelError: A frame is malformed; the payloads before it were yielded.
        """
        self._buffer.add_data(data)
        try:
            for frame in self._buffer:
                yield from _frame_payloads(frame.headers, frame.payload)
        except (self._parser_error, ValueError, KeyError, binascii.Error) as error:
            raise ModelError(
                f"malformed frame of an AWS event stream: {error!r}", "truncated", retryable=True
            ) from None


def _frame_payloads(headers: Mapping[str, Any], body: bytes) -> Iterator[bytes]:
    message_type = headers.get(":message-type")
    if message_type == "event":
        if headers.get(":event-type") == "chunk":
            yield base64.b64decode(json_codec.decode(body)["bytes"], validate=True)
        return
    if message_type == "exception":
        name, text = headers[":exception-type"], body.decode("utf-8", "replace")
    else:
        name, text = headers[":error-code"], headers.get(":error-message", "")
    error = {"type": _ERROR_TYPES.get(name, "api_error"), "message": f"{name}: {text}"}
    yield json_codec.encode({"type": "error", "error": error})
