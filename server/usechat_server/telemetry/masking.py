"""What a person is told of a failure: a short text and a reference; the detail stays in the log."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from usechat_server.providers.base import BadRequest, ErrorKind, ModelError

__all__ = ["RESTARTING", "Masked", "mask"]

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
class Masked:
    """An error as it may be shown to anybody."""

    #: for the person; ends with the reference, unless it tells all there is
    text: str
    #: random; names the log line that holds the detail
    reference: str


def mask(error: BaseException) -> Masked:
    """Hides an error behind a text that depends on nothing but its kind. What is meant for the
    person stays."""
    kind = error.kind if isinstance(error, ModelError) else "internal"
    reference = secrets.token_hex(4)
    if isinstance(error, BadRequest):
        return Masked(error.text, reference)
    return Masked(f"{_TEXTS[kind]} (reference {reference})", reference)
