"""One call over a provider's SDK: sends the request and reads the response as bytes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import httpx2
from ui_message_stream.versions import ChunkVariant

from usechat_server.errors import ModelError
from usechat_server.providers.attempts import Attempts, Refusal
from usechat_server.providers.base import StepResult
from usechat_server.providers.timeouts import StreamTimeouts
from usechat_server.providers.transport import response_body
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


class StreamAPI(Protocol[ClientT_contra]):
    """An API, as its SDK calls it."""

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
    """A ModelStream on an SDK's connection. Iterate it once.

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
        #: the response's body, once its headers have arrived
        self._body: httpx2.AsyncByteStream | None = None
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

    async def aclose(self) -> None:
        self._timeouts.close()
        body, self._body = self._body, None
        if body is not None:
            await body.aclose()

    async def _batches(self) -> AsyncIterator[Sequence[ChunkVariant]]:
        try:
            with self._timeouts:
                body, decoder = await self._open()
            while self.result is None:
                with self._timeouts:
                    data = await anext(body, None)
                batch: list[ChunkVariant] = []
                failure: ModelError | None = None
                try:
                    if data is None:
                        self._translator.end_of_body(batch)
                    else:
                        self._translator.feed(decoder.feed(data), batch)
                except ModelError as error:
                    failure = error
                if batch:
                    self._timeouts.content_received()
                    if "seconds_to_first_chunk" not in self.details:
                        self.details["seconds_to_first_chunk"] = self._elapsed()
                    yield batch
                if failure is not None:
                    raise failure
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_BODY_END_TIMEOUT):
                    async for _ in body:
                        pass
        except ModelError as error:
            error.request_id = error.request_id or self.details.get("request_id")
            raise
        except Exception as error:
            failure = self._api.model_error(error, self.details.get("request_id"))
            # Before the headers arrived, the SDK has retried by itself.
            failure.retryable = failure.retryable and self._body is not None
            if failure.kind == "request" and self._attempts is not None:
                failure.public_text = _refused_files_text(self._attempts.new_files)
            # The text of the provider's own errors is in the line already, cut and escaped.
            raise failure from None if self._api.refusal(error) else error
        finally:
            self.request, self._attempts = {}, None  # a failed call must not hold the history
            await self.aclose()

    async def _open(self) -> tuple[AsyncIterator[bytes], Decoder]:
        """Send the request; return the body's bytes as they arrive, and their decoder."""
        self._started_at = time.perf_counter()
        client = self._get_client()
        response = await self._send(client)
        self._timeouts.headers_received()
        # Only the body is kept: the response would keep a long history in memory. The body is not
        # compressed, as requested.
        body = response_body(response.http_response)
        self._body = body
        self.request, self._attempts = {}, None
        self.details["request_id"] = response.request_id
        self.details["retries"] = response.retries_taken
        self.details["seconds_to_headers"] = self._elapsed()
        if self._on_open is not None:
            self._on_open(client)
        media_type = response.http_response.headers.get("content-type", "")
        decoder = self._api.decoder(media_type)
        if decoder is None:
            # Something else than the provider is at this address, such as a sign-in page.
            content_type = media_type or "no content type"
            raise ModelError(f"expected an event stream, got {content_type}", "auth")
        return aiter(body), decoder

    async def _send(self, client: ClientT) -> Any:
        """Send the request; again without parts of the history if the provider refuses it."""
        while True:
            try:
                return await self._api.send(client, self.request)
            except Exception as error:
                attempts, refusal = self._attempts, self._api.refusal(error)
                if attempts is None or refusal is None:
                    raise
                # In a thread: translating a long history would block the other runs.
                if not await asyncio.to_thread(attempts.reduce, refusal):
                    raise
                self.request = attempts.current.request
                self._translator = attempts.current.translator

    def _elapsed(self) -> float:
        return round(time.perf_counter() - self._started_at, 6)


def _refused_files_text(names: Sequence[str]) -> str | None:
    """Return what the user is told if a message with files is refused; None if it has no files."""
    if not names:
        return None
    files = names[0] if len(names) == 1 else f"one of the files ({', '.join(names)})"
    return f"The model cannot read {files}. Please remove it, or send it in another form."
