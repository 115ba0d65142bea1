"""Turn every failure of a call to the provider into a ModelError."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from typing import Any

import anthropic
import httpx2

from usechat_server.errors import ErrorKind, ModelError

__all__ = ["api_message", "error_from_event", "error_from_exception", "retry_after"]

#: The API's error type → our kind, and whether a retry may succeed.
#: Source: the API's error page, and `types/shared/error_type.py` of the SDK.
_TYPES: Mapping[str, tuple[ErrorKind, bool]] = {
    "invalid_request_error": ("request", False),
    "authentication_error": ("auth", False),
    "billing_error": ("auth", False),
    "permission_error": ("auth", False),
    # For a message this means that there is no such model, which no user of a chat can change.
    "not_found_error": ("auth", False),
    "request_too_large": ("request", False),
    "rate_limit_error": ("rate-limit", True),
    "timeout_error": ("timeout", True),
    "api_error": ("internal", True),
    "overloaded_error": ("overloaded", True),
}

#: What `not_found_error` says of a file or a container that was deleted.
_MISSING_FILE = re.compile(r"\bfiles?\b|\bfile_|\bcontainer", re.IGNORECASE)
#: What `invalid_request_error` says of what only the operator can change: an account that has run
#: out of money, and parameters of the request other than the messages.
_SETUP = re.compile(
    r"\W*(?:tools|tool_choice|system|thinking|temperature|top_[kp]|output_config|output_format"
    r"|max_tokens|stop_sequences|mcp_servers|context_management|service_tier|speed|fallbacks)\b"
    r"|.*(?:credit balance is too low|anthropic-beta)",
    re.DOTALL,
)

#: Error type by HTTP status, for responses that name none, such as a gateway's.
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


def error_from_exception(error: Exception, *, request_id: str | None = None) -> ModelError:
    """Convert an exception of the SDK or of its transport.

    Args:
        error: The exception.
        request_id: The provider's id of the request, if it is known already.
    """
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, anthropic.APIStatusError):
        kind, retryable = _classify(error.type, error.status_code, api_message(error))
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
    if _is_missing_credentials(error):
        return ModelError("no credentials: set ANTHROPIC_API_KEY", "auth", request_id=request_id)
    if isinstance(error, anthropic.CredentialsError):
        return ModelError(text, "auth", request_id=request_id)
    return ModelError(text, "internal", request_id=request_id)


def error_from_event(
    error: Mapping[str, Any] | str, *, request_id: str | None = None
) -> ModelError:
    """Convert an `error` event inside a stream that began with status 200."""
    error_type = error.get("type") if isinstance(error, Mapping) else None
    error_type = error_type if isinstance(error_type, str) else None
    message = str(error.get("message")) if isinstance(error, Mapping) else error
    kind, retryable = _classify(error_type, 200, message)
    return ModelError(f"error event: {error}", kind, retryable=retryable, request_id=request_id)


def api_message(error: anthropic.APIStatusError) -> str:
    """Return what the API says of an error, without the type and the status."""
    details = error.body.get("error") if isinstance(error.body, dict) else None
    return str(details.get("message")) if isinstance(details, dict) else str(error)


def _classify(error_type: str | None, status: int, message: str) -> tuple[ErrorKind, bool]:
    """Return the kind of an error, and whether a retry may succeed."""
    if error_type == "not_found_error" and _MISSING_FILE.search(message):
        return "request", False
    if error_type == "invalid_request_error" and _SETUP.match(message):
        return "auth", False
    error_type = error_type if error_type in _TYPES else _STATUS_TYPES.get(status)
    if error_type is not None:
        return _TYPES[error_type]
    return ("request", False) if 400 <= status < 500 else ("internal", status >= 500)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a response asks to wait; its header has a number or a date."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        date = email.utils.parsedate_tz(value)
        return max(0.0, email.utils.mktime_tz(date) - time.time()) if date else None


def _is_missing_credentials(error: Exception) -> bool:
    # The SDK raises a bare TypeError when neither a key nor a token is configured.
    return isinstance(error, TypeError) and "authentication method" in str(error)
