"""Failures of an SDK and of its transport as ModelErrors. The SDKs come from one generator, so
that their exceptions have the same attributes."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import httpx2

from usechat_server.errors import ErrorKind, ModelError

__all__ = [
    "LONGEST_RETRY_AFTER",
    "api_message",
    "kind_of_status",
    "retry_after",
    "status_error",
    "transport_error",
]

#: The longest `retry-after`, in seconds, that is obeyed before a step's own retries. The SDK would
#: wait for hours; after a longer one than this the user gets an error instead.
LONGEST_RETRY_AFTER = 30.0

#: HTTP status → our kind, and whether a retry may succeed.
_STATUS_KINDS: Mapping[int, tuple[ErrorKind, bool]] = {
    401: ("auth", False),
    402: ("auth", False),
    403: ("auth", False),
    408: ("timeout", True),
    409: ("internal", True),
    429: ("rate-limit", True),
    503: ("overloaded", True),
    504: ("timeout", True),
    529: ("overloaded", True),
}


def kind_of_status(status: int) -> tuple[ErrorKind, bool]:
    """Return the kind of an error response, and whether a retry may succeed."""
    if status in _STATUS_KINDS:
        return _STATUS_KINDS[status]
    return ("request", False) if 400 <= status < 500 else ("internal", status >= 500)


def status_error(
    error: Any, kind: ErrorKind, *, retryable: bool, request_id: str | None
) -> ModelError:
    """Convert an SDK's `APIStatusError`."""
    return ModelError(
        f"{type(error).__name__}: {error}",
        kind,
        retryable=retryable,
        retry_after=retry_after(error.response.headers),
        request_id=error.request_id or request_id,
    )


def transport_error(
    error: Exception,
    timeout: type[Exception],
    connection: type[Exception],
    request_id: str | None,
) -> ModelError:
    """Convert any other exception of an SDK or of its transport.

    Args:
        error: The exception.
        timeout: The SDK's `APITimeoutError`.
        connection: The SDK's `APIConnectionError`.
        request_id: The provider's id of the request, if it is known already.
    """
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, timeout | httpx2.TimeoutException | TimeoutError):
        return ModelError(text, "timeout", retryable=True, request_id=request_id)
    if isinstance(error, connection | httpx2.TransportError | OSError):
        cause = error.__cause__
        text = f"{text} ({type(cause).__name__}: {cause})" if cause else text
        return ModelError(text, "connection", retryable=True, request_id=request_id)
    return ModelError(text, "internal", request_id=request_id)


def api_message(error: Any) -> str:
    """Return what the API says of an error, without the type and the status."""
    body = error.body if isinstance(error.body, dict) else {}
    details = body.get("error", body)
    message = details.get("message") if isinstance(details, dict) else details
    return message if isinstance(message, str) else str(error.body or error)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a response asks to wait: in a header with milliseconds, which the
    SDKs read first, or in one with seconds or a date."""
    with suppress(KeyError, ValueError):
        return max(0.0, float(headers["retry-after-ms"]) / 1000)
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        date = email.utils.parsedate_tz(value)
        return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None
