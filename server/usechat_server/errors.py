"""What can go wrong with a turn, and what the user is told about it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "RESTARTING",
    "ChatConflict",
    "ChatError",
    "ChatNotFound",
    "Forbidden",
    "InvalidInput",
    "InvalidRequest",
    "ModelError",
    "NotSignedIn",
    "PayloadTooLarge",
    "PublicError",
    "RequestTimeout",
    "ServiceUnavailable",
    "StoreNotReady",
    "StoreUnavailable",
    "TooManyRequests",
    "ToolError",
    "UsechatDeprecationWarning",
    "log_text",
    "public_error",
]


class ChatError(Exception):
    """A request that is refused, or a run that ends, with a text for the user.

    Raise it, or a subclass, in `user=`, an agent function, a handler or a model. Before the
    response began, the client gets `status` and `text`; after that, an `error` chunk with `text`.

    Args:
        text: What the user reads, as it is.
        status: The HTTP status, 400 to 599.

    Raises:
        ValueError: `status` is not the status of an error.
    """

    def __init__(self, text: str, status: int = 400) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"status: expected 400 to 599, got {status}")
        super().__init__(text)
        self.text = text
        self.status = status


class InvalidRequest(ChatError):
    """400: the request is invalid. `text` says where and why."""

    def __init__(self, text: str) -> None:
        super().__init__(text, 400)


class NotSignedIn(ChatError):
    """401: the request has no signed-in user."""

    def __init__(self, text: str = "Please sign in.") -> None:
        super().__init__(text, 401)


class Forbidden(ChatError):
    """403: the user may not do this."""

    def __init__(self, text: str = "You may not use this chat.") -> None:
        super().__init__(text, 403)


class ChatNotFound(ChatError):
    """404: the user has no chat with this id. Another user's chat is not found either."""

    def __init__(self, text: str = "There is no such chat.") -> None:
        super().__init__(text, 404)


class RequestTimeout(ChatError):
    """408: the request body did not arrive in time."""

    def __init__(self, text: str) -> None:
        super().__init__(text, 408)


class ChatConflict(ChatError):
    """409: the chat is busy with another turn, or has changed since the client loaded it."""

    def __init__(self, text: str) -> None:
        super().__init__(text, 409)


class PayloadTooLarge(ChatError):
    """413: the request body, or a file in it, is too large."""

    def __init__(self, text: str) -> None:
        super().__init__(text, 413)


class TooManyRequests(ChatError):
    """429: there are too many requests at the same time. The same request may succeed later.

    Args:
        text: What the user reads, as it is.
        retry_after: Seconds after which to try again, for the `Retry-After` header.
    """

    def __init__(self, text: str, retry_after: int = 5) -> None:
        super().__init__(text, 429)
        self.retry_after = retry_after


class ServiceUnavailable(ChatError):
    """503: the server is temporarily unavailable. The same request may succeed later.

    Args:
        text: What the user reads, as it is.
        retry_after: Seconds after which to try again, for the `Retry-After` header.
    """

    def __init__(self, text: str, retry_after: int = 5) -> None:
        super().__init__(text, 503)
        self.retry_after = retry_after


class StoreUnavailable(ServiceUnavailable):
    """503: the database is unavailable."""

    def __init__(
        self, text: str = "The chats cannot be reached right now. Please try again."
    ) -> None:
        super().__init__(text)


class StoreNotReady(StoreUnavailable, ValueError):
    """503: the operator has to do something before the store can be used.

    Args:
        reason: What is wrong, for the log: `str()` of the error. The user does not read it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


ErrorKind = Literal[
    "overloaded", "rate-limit", "timeout", "connection", "truncated", "request", "auth", "internal"
]


#: Characters that are logged of an error's text.
_LOG_LENGTH = 2000


def log_text(text: object) -> str:
    """Return a text from outside, such as a provider's error, as it may be logged: in one line,
    without control characters, and cut if it is long."""
    text = str(text)
    line = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text[:_LOG_LENGTH]
    )
    if len(text) > _LOG_LENGTH or len(line) > _LOG_LENGTH:
        return f"{line[: _LOG_LENGTH - 1]}…"
    return line


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
        public_text: str | None = None,
    ) -> None:
        super().__init__(log_text(message))
        self.kind = kind
        #: whether the same call may succeed a moment later
        self.retryable = retryable
        #: seconds that the provider asked to wait
        self.retry_after = retry_after
        #: the provider's id of the call
        self.request_id = request_id
        #: what the user is told, if there is more to say than the kind says
        self.public_text = public_text


RESTARTING = "The server is restarting. Please try again in a moment."

_TEXTS: Mapping[ErrorKind, str] = {
    "overloaded": "The model is overloaded right now. Please try again in a moment.",
    "rate-limit": "The model is getting too many requests right now. Please try again in a minute.",
    "timeout": "The model took too long to respond. Please try again.",
    "connection": "The connection to the model was lost. Please try again.",
    "truncated": "The response broke off before it was complete. Please try again.",
    "request": "The model cannot respond to this conversation as it is. Please change your "
    "message or start a new chat.",
    "auth": "The server is not set up correctly to use the model. Please contact its operator.",
    "internal": "Something went wrong on the server. Please try again.",
}


@dataclass(frozen=True, slots=True)
class PublicError:
    """An error as the user may see it."""

    #: for the user; ends with the reference, unless there is nothing more to know
    text: str
    #: random; names the log line that holds the details
    reference: str


def public_error(error: BaseException) -> PublicError:
    """Return what the user may see of an error: a text that depends only on its kind, or the text
    of a ChatError, which is written for the user."""
    kind = error.kind if isinstance(error, ModelError) else "internal"
    reference = secrets.token_hex(4)
    if isinstance(error, ChatError):
        return PublicError(error.text, reference)
    text = error.public_text if isinstance(error, ModelError) else None
    return PublicError(f"{text or _TEXTS[kind]} (reference {reference})", reference)


class ToolError(Exception):
    """A tool failed in a way that the user and the model may know: both are line the text."""


class InvalidInput(ToolError):
    """The input is not what the tool takes. The text is for the model, which may try again."""


class UsechatDeprecationWarning(FutureWarning):
    """Something that this release still does, and a later one will not. The text says what to use.

    It is line by default, unlike Python's own DeprecationWarning.
    """
