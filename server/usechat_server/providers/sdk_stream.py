"""One call over a provider's SDK: sends the request and reads the response as bytes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar

import httpx2
from ui_message_stream.versions import ChunkVariant

from usechat_server.errors import ModelError
from usechat_server.providers.attempts import Attempts, Refusal
from usechat_server.providers.base import StepResult
from usechat_server.providers.timeouts import StreamTimeouts
from usechat_server.providers.transport import (
    RawResponse,
    ResponseBody,
    push,
    response_body,
)
from usechat_server.results import Usage

__all__ = ["Decoder", "SDKStream", "StreamAPI"]

#: Seconds to wait for the end of the body after the response is complete: the connection can be
#: used again only then. The end nearly always arrives with the last event.
_BODY_END_TIMEOUT = 0.1


ClientT = TypeVar("ClientT")
ClientT_contra = TypeVar("ClientT_contra", contravariant=True)


class Decoder(Protocol):
    """Splits the body of a response into the payloads of events."""

    def feed(self, data: bytes) -> Iterable[bytes]:
        """Return the payloads of the events that this piece completes."""
        ...


#: Sends a request without the SDK, calls the function with what closes its connection at once, and
#: returns the response; None if there is none that counts, and the SDK has to ask again. It raises
#: the SDK's errors.
SendDirectly = Callable[
    [Mapping[str, Any], Callable[[Callable[[], None]], None]], Awaitable[RawResponse | None]
]


class StreamAPI(Protocol[ClientT_contra]):
    """An API, as its SDK calls it.

    Attributes:
        request_id_header: The response header with the provider's id of the request.
    """

    request_id_header: str

    def direct(self, client: ClientT_contra) -> SendDirectly | None:
        """Return what sends the first request of a call; None: only the SDK can send it."""
        ...

    async def send(self, client: ClientT_contra, request: dict[str, Any]) -> Any:
        """Send a request; return the SDK's response, whose body was not read."""
        ...

    def decoder(self, media_type: str) -> Decoder | None:
        """Return what splits a body of this type; None if the API never sends it."""
        ...

    def refusal(self, error: Exception) -> Refusal | None:
        """Return an exception of `send` as an error response; None if there was no response."""
        ...

    def model_error(self, error: Exception, request_id: str | None) -> ModelError:
        """Convert an exception of the SDK or of its transport."""
        ...


class SDKStream(Generic[ClientT]):
    """A ModelStream on an SDK's connection. Iterate it once, or call `write_to` once.

    The SDK's own streams are not used: the typed ones build a pydantic model per event, and the
    helpers parse a tool's whole input again on every delta. Both cost more than everything here.

    Args:
        api: The provider's API.
        attempts: Builds the requests.
        get_client: Called when the call begins.
        on_open: Called with the client when the response has begun.
        byte_timeout: Seconds without a byte after which the call fails.
        content_timeout: Seconds without content after which the call fails.
    """

    def __init__(
        self,
        api: StreamAPI[ClientT],
        attempts: Attempts,
        *,
        get_client: Callable[[], ClientT],
        on_open: Callable[[ClientT], None] | None = None,
        byte_timeout: float,
        content_timeout: float,
    ) -> None:
        self._api = api
        #: the arguments of the SDK's method; empty once they are sent
        self.request: dict[str, Any] = attempts.current.request
        self._translator = attempts.current.translator
        #: None once the response has begun: it holds the history
        self._attempts: Attempts | None = attempts
        self._get_client = get_client
        self._on_open = on_open
        self._timeouts = StreamTimeouts(byte_timeout=byte_timeout, content_timeout=content_timeout)
        #: the response's body, once its headers have arrived, and what splits it into events
        self._body: httpx2.AsyncByteStream | None = None
        self._decoder: Decoder
        #: closes the connection at once; None: there is none, or none of ours
        self._close_connection: Callable[[], None] | None = None
        self._has_chunks = False
        #: what `write` has raised
        self._write_error: Exception | None = None
        self._started_at = 0.0

    @property
    def result(self) -> StepResult | None:
        return self._translator.result

    @property
    def usage(self) -> Usage:
        return self._translator.usage

    @property
    def details(self) -> dict[str, Any]:
        """The provider's ids and reasons so far, and the seconds until its headers and until the
        first chunk."""
        return self._translator.details

    def __aiter__(self) -> AsyncIterator[Sequence[ChunkVariant]]:
        return self._batches()

    async def write_to(self, write: Callable[[Sequence[ChunkVariant]], None]) -> None:
        async with self._exchange() as body:
            with self._timeouts:
                await push(body, partial(self._receive, write))
            if self.result is None and self._write_error is None:
                self._receive(write, None)
            if self._write_error is None:
                await _read_rest(body)
        error, self._write_error = self._write_error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback has this frame

    def abort(self) -> None:
        if self._close_connection is not None:
            self._close_connection()
        self._timeouts.close()

    async def aclose(self) -> None:
        self._timeouts.close()
        body, self._body = self._body, None
        if body is not None:
            await body.aclose()

    async def _batches(self) -> AsyncIterator[Sequence[ChunkVariant]]:
        batches: list[Sequence[ChunkVariant]] = []
        async with self._exchange() as body:
            pieces = aiter(body)
            goes_on = True
            while goes_on:
                with self._timeouts:
                    data = await anext(pieces, None)
                failure: ModelError | None = None
                try:
                    goes_on = self._receive(batches.append, data)
                except ModelError as error:
                    failure = error
                if batches:
                    yield batches.pop()
                if failure is not None:
                    raise failure
            await _read_rest(body)

    def _receive(self, write: Callable[[Sequence[ChunkVariant]], None], data: bytes | None) -> bool:
        """Write the chunks of what has arrived of the body, None for its end. Return whether to go
        on."""
        batch: list[ChunkVariant] = []
        failure: ModelError | None = None
        try:
            if data is None:
                self._translator.end_of_body(batch)
            else:
                self._translator.feed(self._decoder.feed(data), batch)
        except ModelError as error:
            failure = error
        self._timeouts.read_at = now = monotonic()
        if batch:
            self._timeouts.content_at = now
            if not self._has_chunks:
                self._has_chunks = True
                self.details["seconds_to_first_chunk"] = self._elapsed()
            try:
                write(batch)
            except Exception as error:  # not of the model
                self._write_error = error
                return False
        if failure is not None:
            raise failure
        return self._translator.result is None

    @contextlib.asynccontextmanager
    async def _exchange(self) -> AsyncIterator[httpx2.AsyncByteStream]:
        """Send the request, and provide the body of the response. Every failure is a ModelError."""
        try:
            with self._timeouts:
                await self._open()
            assert self._body is not None  # noqa: S101
            yield self._body
        except ModelError as error:
            error.request_id = error.request_id or self.details.get("request_id")
            raise
        except Exception as error:
            failure = self._api.model_error(error, self.details.get("request_id"))
            # Before the headers arrived, the SDK has retried by itself.
            failure.retryable = failure.retryable and self._body is not None
            if failure.kind == "request" and self._attempts is not None:
                failure.public_text = _refused_files_text(self._attempts.new_files)
            try:
                # The text of the provider's own errors is in the line already, cut and escaped.
                raise failure from None if self._api.refusal(error) else error
            finally:
                del failure  # the traceback of the cause has this frame
        finally:
            self.request, self._attempts = {}, None  # a failed call must not hold the history
            await self.aclose()

    async def _open(self) -> None:
        """Send the request, and wait for the headers of the response."""
        self._started_at = monotonic()
        client = self._get_client()
        direct = self._api.direct(client)
        stream = None
        if direct is not None:
            try:
                stream = await direct(self.request, self._set_connection)
            except Exception as error:
                if not await self._reduce(error):
                    raise
        if stream is not None:
            self._begin(stream.headers, stream.body, 0)
        else:
            self._close_connection = None
            response = await self._send(client)
            # Only the body is kept: the response would keep a long history in memory. The body is
            # not compressed, as requested.
            body = response_body(response.http_response)
            retries = response.retries_taken + (direct is not None)
            self._begin(response.http_response.headers, body, retries)
        if self._on_open is not None:
            self._on_open(client)

    def _set_connection(self, close: Callable[[], None]) -> None:
        self._close_connection = close

    def _begin(
        self, headers: Mapping[str, str], body: httpx2.AsyncByteStream, retries: int
    ) -> None:
        """Begin to read the response."""
        self._timeouts.headers_received()
        self._body = body
        self._close_connection = body.close if isinstance(body, ResponseBody) else None
        self.request, self._attempts = {}, None
        self.details["request_id"] = headers.get(self._api.request_id_header)
        self.details["retries"] = retries
        self.details["seconds_to_headers"] = self._elapsed()
        media_type = headers.get("content-type", "")
        decoder = self._api.decoder(media_type)
        if decoder is None:
            # Something else than the provider is at this address, such as a sign-in page.
            content_type = media_type or "no content type"
            raise ModelError(f"expected an event stream, got {content_type}", "auth")
        self._decoder = decoder

    async def _send(self, client: ClientT) -> Any:
        """Send the request; again without parts of the history if the provider refuses it."""
        while True:
            try:
                return await self._api.send(client, self.request)
            except Exception as error:
                if not await self._reduce(error):
                    raise

    async def _reduce(self, error: Exception) -> bool:
        """Return whether to send the request again, without parts of the history."""
        attempts, refusal = self._attempts, self._api.refusal(error)
        if attempts is None or refusal is None:
            return False
        # In a thread: translating a long history would block the other runs.
        if not await asyncio.to_thread(attempts.reduce, refusal):
            return False
        self.request = attempts.current.request
        self._translator = attempts.current.translator
        return True

    def _elapsed(self) -> float:
        return round(monotonic() - self._started_at, 6)


async def _read_rest(body: httpx2.AsyncByteStream) -> None:
    """Read the end of the body of a complete response, so that its connection can be used again."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_BODY_END_TIMEOUT):
            async for _ in body:
                pass


def _refused_files_text(names: Sequence[str]) -> str | None:
    """Return what the user is told if a message with files is refused; None if it has no files."""
    if not names:
        return None
    files = names[0] if len(names) == 1 else f"one of the files ({', '.join(names)})"
    return f"The model cannot read {files}. Please remove it, or send it in another form."
