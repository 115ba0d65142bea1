"""Reads the body and the headers of a request."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar, cast

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from usechat_server.chat_request import parse_request, turn_of, validate_body
from usechat_server.errors import (
    ChatError,
    InvalidRequest,
    NotSignedIn,
    PayloadTooLarge,
    RequestTimeout,
    ServiceUnavailable,
)
from usechat_server.http.client_versions import ClientVersions
from usechat_server.http.options import check_body_model, check_settings
from usechat_server.settings import Settings, cached_settings
from usechat_server.turn import BodyT, Turn

__all__ = ["PARSE_IN_THREAD", "body_receive", "parse_body", "read_body", "read_turn"]

T = TypeVar("T")


def body_receive(request: Request) -> Receive:
    """Return a `receive` of a request whose body may have been read before.

    A body that was read as a whole is received again. One that was read in pieces, or as a form, is
    gone: receiving it raises a RuntimeError, where the server's own `receive` would wait.
    """
    body: bytes | None = getattr(request, "_body", None)
    if body is None and not getattr(request, "_stream_consumed", False):
        return request.receive
    is_received = False

    async def receive() -> Message:
        nonlocal is_received
        if body is None:
            raise RuntimeError(
                "the request's body was already read, as a stream or a form: read it with "
                "`await request.body()`, or not at all"
            )
        if is_received:
            return await request.receive()
        is_received = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


#: Bytes from which a body is parsed in a thread, since that would delay other streams.
PARSE_IN_THREAD = 64 * 1024
#: Bytes up to which a body is received, however many bytes are pending.
_SMALL = 64 * 1024
#: Seconds over which the rate of a body is measured.
_RATE_SECONDS = 20.0


class _Pending:
    """Bytes of bodies that this process is receiving, in all its apps and event loops."""

    def __init__(self) -> None:
        self.size = 0
        self._lock = threading.Lock()

    def add(self, size: int) -> None:
        with self._lock:
            self.size += size


_pending = _Pending()


async def parse_body(body: bytes, parse: Callable[[bytes], T]) -> T:
    """Parse a body, a large one in a thread."""
    return await asyncio.to_thread(parse, body) if len(body) > PARSE_IN_THREAD else parse(body)


async def read_body(request: Request, settings: Settings, *, limit: int | None = None) -> bytes:
    """Return the request's body.

    Args:
        request: The request.
        settings: The limits.
        limit: The most bytes, where that is less than the settings' `max_body_bytes`.

    Raises:
        InvalidRequest: The `content-length` header is not a number.
        PayloadTooLarge: It is longer than the limit.
        RequestTimeout: It did not arrive within the settings' `body_timeout`, or more slowly than
            with their `min_body_rate`.
        ServiceUnavailable: The process receives too much at the same time.
        ClientDisconnect: The client left.
        RuntimeError: The app has read it, as a stream or a form.
    """
    limit = min(limit or settings.max_body_bytes, settings.max_body_bytes)
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise InvalidRequest("content-length: expected a number of bytes")
    if int(length[:20]) > limit:  # int() refuses thousands of digits
        raise _too_large(limit)
    receive = body_receive(request)
    pieces: list[bytes] = []
    size = 0
    clock = _BodyClock(settings)
    try:
        while True:
            message = await clock.wait(receive())
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            piece = message.get("body", b"")
            pieces.append(piece)
            size += len(piece)
            _pending.add(len(piece))
            if size > limit:
                raise _too_large(limit)
            if size > _SMALL and _pending.size > settings.max_pending_body_bytes:
                raise ServiceUnavailable("Too many large requests are arriving. Please try again.")
            if not message.get("more_body", False):
                return b"".join(pieces)
            clock.received(len(piece))
    finally:
        _pending.add(-size)


class _BodyClock:
    """The time that a body may take: in all, and for its next bytes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._now = asyncio.get_running_loop().time
        # One timeout for the whole body: a Next.js rewrite sends 10 of 12 MB and then nothing.
        self._end = self._now() + settings.body_timeout
        self._begin_span()

    async def wait(self, message: Awaitable[Message]) -> Message:
        try:
            async with asyncio.timeout_at(self._deadline):
                return await message
        except TimeoutError:
            raise self._too_slow() from None

    def received(self, size: int) -> None:
        self._span_bytes += size
        if self._span_bytes >= self._settings.min_body_rate * _RATE_SECONDS:
            self._begin_span()

    def _begin_span(self) -> None:
        self._span_bytes = 0
        self._deadline = self._end
        if self._settings.min_body_rate:
            self._deadline = min(self._end, self._now() + _RATE_SECONDS)

    def _too_slow(self) -> RequestTimeout:
        if self._deadline < self._end:
            return RequestTimeout("The request arrived too slowly. Please try again.")
        return RequestTimeout(
            f"The request did not arrive within {self._settings.body_timeout:g} seconds."
        )


def _too_large(limit: int) -> PayloadTooLarge:
    size = f"{limit / 2**20:.4g} MB" if limit >= 2**20 else f"{limit} bytes"
    return PayloadTooLarge(f"The request is too large: at most {size} are allowed.")


async def read_turn(
    request: Request,
    *,
    user: str | None = None,
    body: type[BodyT] | None = None,
    settings: Settings | None = None,
) -> Turn[BodyT]:
    """Return the turn that a `useChat` request is for.

    The history and the tool outputs in it are client-supplied and unverified.

    Args:
        request: Its body may have been read as a whole (`await request.body()`, or a parameter of
            FastAPI), but not as a stream or a form.
        user: The id of the user who sends it; `""` refuses it with 401.
        body: A model of the custom fields; `turn.body` is then an instance of it.
        settings: The limits and the client version; by default the `USECHAT_*` variables,
            as they were at the first request.

    Raises:
        HTTPException: The request is not valid. `detail` is a text for the user.
        RuntimeError: The body was read as a stream or a form.
        TypeError: `body` or `settings` has the wrong type.
    """
    check_body_model(body)
    check_settings(settings)
    settings = settings or cached_settings()
    try:
        if user == "":
            raise NotSignedIn
        body_text = await read_body(request, settings)
        chat_request = await parse_body(body_text, partial(parse_request, settings=settings))
        client_version = ClientVersions(settings.client_version).of(
            request.scope, chat_request.client_version
        )
        turn = turn_of(chat_request, user, client_version)
        model = cast("type[BaseModel] | None", body)
        return replace(turn, body=validate_body(turn.body, model))
    except ChatError as error:
        raise HTTPException(error.status, error.text) from None
