"""The request that something is done for: its id, in log lines and for the provider."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic

__all__ = [
    "REQUEST_ID",
    "CurrentRequest",
    "RequestIdFilter",
    "current_request",
    "request_id",
    "request_of",
    "set_request_id",
]

#: The header that has the id, of the request and of its response.
REQUEST_ID = "x-request-id"

#: An id that a client or a proxy may give: it goes into log lines and to the provider.
_ID = re.compile(rb"[A-Za-z0-9._:+/=@-]{1,128}")


@dataclass(slots=True)
class CurrentRequest:
    """A request.

    Attributes:
        id: The one that the request came with, else a new one.
        arrived: When it arrived, by `time.monotonic()`.
        body_seconds: Seconds that its body took to arrive and be parsed; None: it was not read.
    """

    id: str
    arrived: float
    body_seconds: float | None = None

    def headers(self) -> dict[str, str]:
        """Return the headers of a response that begins now: the id, and what took how long."""
        durations = {"total": monotonic() - self.arrived}
        if self.body_seconds is not None:
            durations = {"body": self.body_seconds, **durations}
        timing = ", ".join(f"{name};dur={s * 1000:.1f}" for name, s in durations.items())
        return {REQUEST_ID: self.id, "server-timing": timing}


#: Of the task: a request's, or that of the run that it began.
_current: ContextVar[CurrentRequest | None] = ContextVar("usechat_request", default=None)


def current_request() -> CurrentRequest | None:
    """Return the request that the current task does something for; None: it does it for none."""
    return _current.get()


def request_id() -> str | None:
    """Return the id of the current request."""
    current = _current.get()
    return None if current is None else current.id


def set_request_id(request_id: str | None) -> None:
    """Set the id of the request that began a run, in the context of one of the run's tasks."""
    _current.set(None if request_id is None else CurrentRequest(request_id, monotonic()))


class RequestIdFilter(logging.Filter):
    """Gives log records a `request_id`, for the format of a handler; `-` if they are about none.

    `logging.getHandlerByName("console").addFilter(RequestIdFilter())`
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the attribute.

        Args:
            record: The record.

        Returns:
            True: the record is logged.
        """
        record.request_id = request_id() or "-"
        return True


@contextmanager
def request_of(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[CurrentRequest]:
    """Make a request the current one in the block.

    Args:
        headers: The headers of the request.
    """
    current = CurrentRequest(_given_id(headers) or secrets.token_hex(8), monotonic())
    token = _current.set(current)
    try:
        yield current
    finally:
        _current.reset(token)


def _given_id(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name == REQUEST_ID.encode() and _ID.fullmatch(value):
            return value.decode()
    return None
