"""Whatever fails on the way to the model → ModelError: one function, one table."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from typing import Any

import anthropic
import httpx2

from usechat_server.errors import ErrorKind, ModelError

__all__ = ["from_event", "model_error", "retry_after"]

#: The API's error type → our kind, and whether the same call may succeed a moment later.
#: Source: the API's error page, and `types/shared/error_type.py` of the SDK.
_TYPES: Mapping[str, tuple[ErrorKind, bool]] = {
    "invalid_request_error": ("request", False),
    "authentication_error": ("auth", False),
    "billing_error": ("auth", False),
    "permission_error": ("auth", False),
    # Of a message it says that there is no such model, which nobody in a chat can change.
    "not_found_error": ("auth", False),
    "request_too_large": ("request", False),
    "rate_limit_error": ("rate-limit", True),
    "timeout_error": ("timeout", True),
    "api_error": ("internal", True),
    "overloaded_error": ("overloaded", True),
}

#: For answers without an error type, such as a gateway's.
_STATUS_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    408: "timeout_error",
    409: "api_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def model_error(error: Exception, *, request_id: str | None = None) -> ModelError:
    """What the SDK or its transport raised, as the one error that a run knows."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, anthropic.APIStatusError):
        kind, retryable = _classify(error.type, error.status_code)
        return ModelError(
            text,
            kind,
            retryable=retryable,
            retry_after=retry_after(error.response.headers),
            request_id=error.request_id or request_id,
        )
    if isinstance(error, anthropic.APITimeoutError | httpx2.TimeoutException | TimeoutError):
        return ModelError(text, "timeout", retryable=True, request_id=request_id)
    if isinstance(error, anthropic.APIConnectionError | httpx2.TransportError | OSError):
        cause = error.__cause__
        text = f"{text} ({type(cause).__name__}: {cause})" if cause else text
        return ModelError(text, "connection", retryable=True, request_id=request_id)
    if _names_no_credentials(error):
        return ModelError("no credentials: set ANTHROPIC_API_KEY", "auth", request_id=request_id)
    if isinstance(error, anthropic.CredentialsError):
        return ModelError(text, "auth", request_id=request_id)
    return ModelError(text, "internal", request_id=request_id)


def from_event(error: Mapping[str, Any] | str, *, request_id: str | None = None) -> ModelError:
    """What an `error` event says, inside a stream that began with status 200."""
    name = error.get("type") if isinstance(error, Mapping) else None
    kind, retryable = _classify(name if isinstance(name, str) else None, 200)
    return ModelError(f"error event: {error}", kind, retryable=retryable, request_id=request_id)


def _classify(name: str | None, status: int) -> tuple[ErrorKind, bool]:
    name = name if name in _TYPES else _STATUS_TYPES.get(status)
    if name is not None:
        return _TYPES[name]
    return ("request", False) if 400 <= status < 500 else ("internal", status >= 500)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the answer asks to wait: a number, or the date until when."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        date = email.utils.parsedate_tz(value)
        return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None


def _names_no_credentials(error: Exception) -> bool:
    # The SDK raises a bare TypeError when neither a key nor a token is configured.
    return isinstance(error, TypeError) and "authentication method" in str(error)
