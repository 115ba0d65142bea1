"""Turn every failure of a call to the provider into a ModelError."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import anthropic

from usechat_server.errors import ErrorKind, ModelError
from usechat_server.providers.sdk_errors import (
    api_message,
    kind_of_status,
    status_error,
    transport_error,
)

__all__ = ["error_from_event", "error_from_exception"]

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


def error_from_exception(error: Exception, *, request_id: str | None = None) -> ModelError:
    """Convert an exception of the SDK or of its transport.

    Args:
        error: The exception.
        request_id: The provider's id of the request, if it is known already.
    """
    if isinstance(error, anthropic.APIStatusError):
        kind, retryable = _classify(error.type, error.status_code, api_message(error))
        return status_error(error, kind, retryable=retryable, request_id=request_id)
    if _is_missing_credentials(error):
        return ModelError("no credentials: set ANTHROPIC_API_KEY", "auth", request_id=request_id)
    if isinstance(error, anthropic.CredentialsError):
        return ModelError(f"{type(error).__name__}: {error}", "auth", request_id=request_id)
    return transport_error(
        error, anthropic.APITimeoutError, anthropic.APIConnectionError, request_id
    )


def error_from_event(
    error: Mapping[str, Any] | str, *, request_id: str | None = None
) -> ModelError:
    """Convert an `error` event inside a stream that began with status 200."""
    error_type = error.get("type") if isinstance(error, Mapping) else None
    error_type = error_type if isinstance(error_type, str) else None
    message = str(error.get("message")) if isinstance(error, Mapping) else error
    kind, retryable = _classify(error_type, 200, message)
    return ModelError(f"error event: {error}", kind, retryable=retryable, request_id=request_id)


def _classify(error_type: str | None, status: int, message: str) -> tuple[ErrorKind, bool]:
    """Return the kind of an error, and whether a retry may succeed."""
    if error_type == "not_found_error" and _MISSING_FILE.search(message):
        return "request", False
    if error_type == "invalid_request_error" and _SETUP.match(message):
        return "auth", False
    return _TYPES.get(error_type or "") or kind_of_status(status)


def _is_missing_credentials(error: Exception) -> bool:
    # The SDK raises a bare TypeError when neither a key nor a token is configured.
    return isinstance(error, TypeError) and "authentication method" in str(error)
