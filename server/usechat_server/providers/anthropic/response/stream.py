"""One call of the Messages API: sends the request and reads the response as bytes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import anthropic
import httpx2
from ui_message_stream.versions import ChunkVariant

from usechat_server.errors import ModelError
from usechat_server.providers.anthropic.attempts import Attempts
from usechat_server.providers.anthropic.client import Client
from usechat_server.providers.anthropic.errors import error_from_exception
from usechat_server.providers.anthropic.response.aws_event_stream import (
    MEDIA_TYPE,
    AWSEventStreamDecoder,
)
from usechat_server.providers.base import StepResult
from usechat_server.providers.sse import SSEDecoder
from usechat_server.providers.timeouts import StreamTimeouts
from usechat_server.providers.transport import response_body
from usechat_server.results import Usage

__all__ = ["AnthropicStream"]

#: Seconds to wait for the end of the body after the response is complete: the connection can be
#: used again only then. The end nearly always arrives with the last event.
_BODY_END_TIMEOUT = 0.1


class AnthropicStream:
    """A ModelStream on the SDK's connection. Iterate it once.

    The SDK's own streams are not used: the typed one builds a pydantic model per event, and the
    helper parses a tool's whole input again on every delta. Both cost more than everything here.

    Args:
        attempts: Builds the requests.
        get_client: Called when the call begins.
        on_open: Called with the client when the response has begun.
        byte_timeout: Seconds without a byte after which the call fails.
        content_timeout: Seconds without content after which the call fails.
    """

    def __init__(
        self,
        attempts: Attempts,
        *,
        get_client: Callable[[], Client],
        on_open: Callable[[Client], None] | None,
        byte_timeout: float,
        content_timeout: float,
    ) -> None:
        #: the arguments of `messages.create`; empty once they are sent
        self.request: dict[str, Any] = attempts.request
        self._translator = attempts.translator
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
                if data is None:
                    self._translator.end_of_body()
                    break
                batch: list[ChunkVariant] = []
                failure: ModelError | None = None
                try:
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
            failure = error_from_exception(error, request_id=self.details.get("request_id"))
            # Before the headers arrived, the SDK has retried by itself.
            failure.retryable = failure.retryable and self._body is not None
            if failure.kind == "request" and self._attempts is not None:
                failure.public_text = _refused_files_text(self._attempts.new_files)
            # The text of the provider's own errors is in the line already, cut and escaped.
            raise failure from None if isinstance(error, anthropic.APIError) else error
        finally:
            self.request, self._attempts = {}, None  # a failed call must not hold the history
            await self.aclose()

    async def _open(self) -> tuple[AsyncIterator[bytes], SSEDecoder | AWSEventStreamDecoder]:
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
        if media_type.startswith(MEDIA_TYPE):
            return aiter(body), AWSEventStreamDecoder()
        if not media_type.startswith("text/event-stream"):
            # Something else than the provider is at this address, such as a sign-in page.
            content_type = media_type or "no content type"
            raise ModelError(f"expected an event stream, got {content_type}", "auth")
        return aiter(body), SSEDecoder()

    async def _send(self, client: Client) -> Any:
        """Send the request; again without parts of the history if the provider refuses it."""
        while True:
            call = client.messages.with_streaming_response.create(**self.request, stream=True)
            try:
                return await call.__aenter__()
            except anthropic.APIStatusError as error:
                attempts = self._attempts
                # In a thread: translating a long history would block the other runs.
                if attempts is None or not await asyncio.to_thread(attempts.reduce, error):
                    raise
                self.request, self._translator = attempts.request, attempts.translator

    def _elapsed(self) -> float:
        return round(time.perf_counter() - self._started_at, 6)


def _refused_files_text(names: Sequence[str]) -> str | None:
    """Return what the user is told if a message with files is refused; None if it has no files."""
    if not names:
        return None
    files = names[0] if len(names) == 1 else f"one of the files ({', '.join(names)})"
    return f"The model cannot read {files}. Please remove it, or send it in another form."
