"""What sends a request to a backend: over HTTP, or to canned responses."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import httpx2

from usechat_server.conformance.rules import CannedResponse

__all__ = ["Backend", "BackendUnavailable", "CannedBackend", "HttpBackend", "Request", "Response"]


class BackendUnavailable(Exception):
    """There is no response: the text says why, in one line."""


@dataclass(frozen=True)
class Request:
    """A request of a client.

    Attributes:
        method: The HTTP method.
        path: What follows the URL of the chat route, such as "/ID/stream".
        body: The body, if there is one.
        content_type: The content type of the body.
    """

    method: str = "POST"
    path: str = ""
    body: bytes | None = None
    content_type: str = "application/json"


@dataclass
class Response:
    """A response that is being received.

    Attributes:
        status: The status.
        headers: The headers; the names are in lower case.
        pieces: The pieces of the body, each with the seconds since the request.
        seconds: The seconds from the request until the last piece, or the end of the response.
        cut: Why the response broke off; "" if it ended as HTTP says.
    """

    status: int
    headers: Mapping[str, str]
    pieces: Iterator[bytes]
    seconds: float = 0.0
    cut: str = ""


class Backend(Protocol):
    """What the scenarios talk to."""

    def send(self, request: Request) -> AbstractContextManager[Response]:
        """Send a request. The response is closed with the block, like by a client that hangs up.

        Raises:
            BackendUnavailable: There is no response.
        """
        ...


@dataclass
class HttpBackend:
    """A backend at a URL.

    Attributes:
        url: The URL of the chat route, which takes POST.
        headers: What every request has besides its own headers.
        timeout: Seconds that a response may be silent.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 30.0

    def __post_init__(self) -> None:
        try:
            self._url = httpx2.URL(self.url)
        except httpx2.InvalidURL as error:
            raise ValueError(f"{self.url} is not a URL: {error}") from None
        # Every request has its own connection: a server may close an idle one at any moment.
        limits = httpx2.Limits(max_keepalive_connections=0)
        # As fetch does, it follows redirects.
        self._client = httpx2.Client(timeout=self.timeout, follow_redirects=True, limits=limits)

    @contextmanager
    def send(self, request: Request) -> Iterator[Response]:
        url = self._url
        if request.path:
            url = url.copy_with(path=url.path.rstrip("/") + request.path)
        headers = dict(self.headers)
        if request.body is not None:
            headers["content-type"] = request.content_type
        started_at = time.monotonic()
        try:
            with self._client.stream(
                request.method, url, content=request.body, headers=headers
            ) as received:
                response = Response(received.status_code, received.headers, iter(()))
                response.pieces = _received(received, response, started_at)
                yield response
        except httpx2.RequestError as error:
            raise BackendUnavailable(f"{request.method} {url}: {_reason(error)}") from None


def _received(received: httpx2.Response, response: Response, started_at: float) -> Iterator[bytes]:
    try:
        # Decoded as fetch does; a coding that buffers delays the pieces.
        for data in received.iter_bytes():
            response.seconds = time.monotonic() - started_at
            yield data
    except httpx2.RequestError as error:
        response.cut = _reason(error)
    response.seconds = time.monotonic() - started_at


def _reason(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


class CannedBackend:
    """A backend that gives canned responses, in order; a clock runs as they say."""

    def __init__(self, responses: Sequence[CannedResponse]) -> None:
        self._responses = iter(responses)

    @contextmanager
    def send(self, request: Request) -> Iterator[Response]:
        canned = next(self._responses, None)
        if canned is None:
            raise BackendUnavailable(f"{request.method} {request.path}: no more responses")
        response = Response(canned.status, canned.headers, iter(()))

        def pieces() -> Iterator[bytes]:
            for response.seconds, data in canned.body:
                yield data
            if canned.closed_at is not None:
                response.seconds = canned.closed_at

        response.pieces = pieces()
        yield response
