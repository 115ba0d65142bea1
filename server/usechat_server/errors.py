"""What can go wrong with a turn, and what the user is told of it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "RESTARTING",
    "BadRequest",
    "InvalidInput",
    "ModelError",
    "PublicError",
    "ToolError",
    "public_error",
]


class BadRequest(Exception):
    """The request cannot be answered. `text` is shown to the person as it is."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


ErrorKind = Literal[
    "overloaded", "rate-limit", "timeout", "connection", "truncated", "request", "auth", "internal"
]


class ModelError(Exception):
    """A model call failed. The message is for the log, never for the client."""

    def __init__(
        self,
        message: str,
        kind: ErrorKind,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        #: whether the same call may succeed a moment later
        self.retryable = retryable
        #: seconds that the provider asked to wait
        self.retry_after = retry_after
        #: the provider's id of the call
        self.request_id = request_id


RESTARTING = "The server is restarting. Please try again in a moment."

_TEXTS: Mapping[ErrorKind, str] = {
    "overloaded": "The model is overloaded right now. Please try again in a moment.",
    "rate-limit": "The model is getting too many requests right now. Please try again in a minute.",
    "timeout": "The model took too long to answer. Please try again.",
    "connection": "The connection to the model was lost. Please try again.",
    "truncated": "The answer broke off before it was complete. Please try again.",
    "request": "The model cannot answer this conversation as it is. Please change your message "
    "or start a new chat.",
    "auth": "The server is not set up correctly to use the model. Please tell whoever runs it.",
    "internal": "Something went wrong on the server. Please try again.",
}


@dataclass(frozen=True, slots=True)
class PublicError:
    """An error as it may be shown to anybody."""

    #: for the person; ends with the reference, unless it tells all there is
    text: str
    #: random; names the log line that holds the detail
    reference: str


def public_error(error: BaseException) -> PublicError:
    """Hides an error behind a text that depends on nothing but its kind. What is meant for the
    person stays."""
    kind = error.kind if isinstance(error, ModelError) else "internal"
    reference = secrets.token_hex(4)
    if isinstance(error, BadRequest):
        return PublicError(error.text, reference)
    return PublicError(f"{_TEXTS[kind]} (reference {reference})", reference)


class ToolError(Exception):
    """The tool could not do it. The page and the model are shown the text."""


class InvalidInput(ToolError):
    """The input is not what the tool takes. The text is for the model, which may try again."""
