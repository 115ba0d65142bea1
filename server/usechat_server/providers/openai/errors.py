"""Turn every failure of a call to OpenAI, or to a server with its API, into a ModelError."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from usechat_server.errors import ErrorKind, ModelError
from usechat_server.providers.attempts import Refusal
from usechat_server.providers.openai.sdk import openai
from usechat_server.providers.sdk_errors import (
    api_message,
    kind_of_status,
    status_error,
    transport_error,
)

__all__ = ["error_from_event", "error_from_exception", "refusal"]

#: The API's error code or type → our kind, and whether a retry may succeed.
#: Source: the API's page on error codes, and `types/responses/response_error.py` of the SDK.
_CODES: Mapping[str, tuple[ErrorKind, bool]] = {
    "insufficient_quota": ("auth", False),
    "billing_hard_limit_reached": ("auth", False),
    "invalid_api_key": ("auth", False),
    "authentication_error": ("auth", False),
    "permission_error": ("auth", False),
    "model_not_found": ("auth", False),
    "unsupported_country_region_territory": ("auth", False),
    "context_length_exceeded": ("request", False),
    "invalid_request_error": ("request", False),
    "invalid_prompt": ("request", False),
    "content_filter": ("request", False),
    "rate_limit_exceeded": ("rate-limit", True),
    "rate_limit_error": ("rate-limit", True),
    "tokens": ("rate-limit", True),
    "requests": ("rate-limit", True),
    "overloaded_error": ("overloaded", True),
    "server_overloaded": ("overloaded", True),
    "slow_down": ("overloaded", True),
    "server_error": ("internal", True),
    "timeout": ("timeout", True),
}
#: Parameters of a request that are part of the conversation, or can be left out; only the operator
#: changes the others.
_CONVERSATION = ("messages", "input", "prompt", "stream_options")
#: What an error says of a file that was deleted.
_MISSING_FILE = re.compile(r"\bfiles?\b|\bfile[_-]", re.IGNORECASE)


def error_from_exception(error: Exception, request_id: str | None = None) -> ModelError:
    """Convert an exception of the SDK or of its transport.

    Args:
        error: The exception.
        request_id: The provider's id of the request, if it is known already.
    """
    if isinstance(error, openai.APIStatusError):
        kind, retryable = _classify(error.body, error.status_code, api_message(error))
        return status_error(error, kind, retryable=retryable, request_id=request_id)
    is_other = not isinstance(error, openai.APIError)
    if isinstance(error, openai.OpenAIError) and is_other:
        # Raised by the client: there are no credentials, or they could not be fetched.
        return ModelError(f"{type(error).__name__}: {error}", "auth", request_id=request_id)
    return transport_error(error, openai.APITimeoutError, openai.APIConnectionError, request_id)


def error_from_event(error: Any, *, request_id: str | None = None) -> ModelError:
    """Convert an error inside a stream that began with status 200."""
    details = error if isinstance(error, Mapping) else {}
    code = details.get("code")
    status = code if type(code) is int and 400 <= code <= 599 else 500
    message = str(details.get("message", error))
    kind, retryable = _classify(details, status, message)
    return ModelError(f"error event: {error}", kind, retryable=retryable, request_id=request_id)


def refusal(error: Exception) -> Refusal | None:
    """Return an error response; None if there was no response."""
    if not isinstance(error, openai.APIStatusError):
        return None
    return Refusal(error_from_exception(error).kind, error.status_code, api_message(error))


def _classify(body: Any, status: int, message: str) -> tuple[ErrorKind, bool]:
    """Return the kind of an error, and whether a retry may succeed."""
    details = body if isinstance(body, Mapping) else {}
    parameter = details.get("param")
    if status == 404:
        # There is no such model, which no user of a chat can change, or no such file.
        return ("request" if _MISSING_FILE.search(message) else "auth"), False
    keys = str(details.get("code")), str(details.get("type"))
    named = [_CODES[key] for key in keys if key in _CODES]
    kind = named[0] if named else kind_of_status(status)
    if kind[0] == "request" and isinstance(parameter, str) and parameter:
        is_conversation = parameter.startswith(_CONVERSATION)
        return ("request" if is_conversation else "auth"), False
    return kind
