"""One call of the Messages API, read as bytes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast

import httpx2
from ui_message_stream.versions import ChunkVariant

from usechat_server.errors import ModelError
from usechat_server.providers.anthropic.client import Client
from usechat_server.providers.anthropic.errors import model_error
from usechat_server.providers.anthropic.response.aws_event_stream import (
    MEDIA_TYPE,
    EventStreamFraming,
)
from usechat_server.providers.anthropic.response.translate import Translation
from usechat_server.providers.base import StepResult
from usechat_server.providers.sse import Framing
from usechat_server.providers.timeouts import Watchdog
from usechat_server.results import Usage

__all__ = ["AnthropicStream"]

#: Seconds to wait, after the answer is complete, for the body's own end, without which the
#: connection cannot serve the next call. It nearly always came with the last event.
_TRAILER = 0.1


class AnthropicStream:
    """A ModelStream: the SDK's connection, our reading of its bytes. Iterate it once.

    `client` is asked for when the call begins, `opened` told once the provider began to answer.

    The SDK's typed stream builds a model per event, and its helper parses a tool's whole input
    again on every delta; both cost more than everything that is done here.
    """

    def __init__(
        self,
        request: dict[str, Any],
        translation: Translation,
        *,
        client: Callable[[], Client],
        opened: Callable[[Client], None] | None,
        byte_timeout: float,
        content_timeout: float,
    ) -> None:
        #: what is to be sent; empty once it is
        self.request = request
        self._translation = translation
        self._client = client
        self._opened = opened
        self._watchdog = Watchdog(byte_timeout=byte_timeout, content_timeout=content_timeout)
        #: the response's body, once its headers came
        self._body: httpx2.AsyncByteStream | None = None
        self._began = 0.0

    @property
    def result(self) -> StepResult | None:
        return self._translation.result

    @property
    def usage(self) -> Usage:
        return self._translation.usage

    @property
    def details(self) -> dict[str, Any]:
        """The provider's ids and words so far, and the seconds until its headers and until the
        first chunk."""
        return self._translation.details

    def __aiter__(self) -> AsyncIterator[Sequence[ChunkVariant]]:
        return self._batches()

    async def aclose(self) -> None:
        self._watchdog.close()
        body, self._body = self._body, None
        if body is not None:
            await body.aclose()

    async def _batches(self) -> AsyncIterator[Sequence[ChunkVariant]]:
        try:
            with self._watchdog:
                body, framing = await self._open()
            while self.result is None:
                with self._watchdog:
                    data = await anext(body, None)
                if data is None:
                    self._translation.end()
                    break
                batch: list[ChunkVariant] = []
                failure: ModelError | None = None
                try:
                    self._translation.feed(framing.feed(data), batch)
                except ModelError as error:
                    failure = error
                if batch:
                    self._watchdog.content()
                    if "seconds_to_first_chunk" not in self.details:
                        self.details["seconds_to_first_chunk"] = self._elapsed()
                    yield batch
                if failure is not None:
                    raise failure
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_TRAILER):
                    async for _ in body:
                        pass
        except ModelError as error:
            error.request_id = error.request_id or self.details.get("request_id")
            raise
        except Exception as error:
            failed = model_error(error, request_id=self.details.get("request_id"))
            # Before there were headers, the SDK has tried again by itself.
            failed.retryable = failed.retryable and self._body is not None
            raise failed from error
        finally:
            await self.aclose()

    async def _open(self) -> tuple[AsyncIterator[bytes], Framing | EventStreamFraming]:
        """Sends the request; the body's bytes as they arrive, and how to read them."""
        self._began = time.perf_counter()
        client = self._client()
        call = client.messages.with_streaming_response.create(**self.request, stream=True)
        response = await call.__aenter__()
        self._watchdog.headers_came()
        # From here on only the body is needed; a long history must not outlive its sending, as it
        # would in the response. Nothing in it is encoded: that was asked for.
        body = cast(httpx2.AsyncByteStream, response.http_response.stream)
        self._body = body
        self.request = {}
        self.details["request_id"] = response.request_id
        self.details["retries"] = response.retries_taken
        self.details["seconds_to_headers"] = self._elapsed()
        if self._opened is not None:
            self._opened(client)
        media_type = response.http_response.headers.get("content-type", "")
        if media_type.startswith(MEDIA_TYPE):
            return aiter(body), EventStreamFraming()
        if not media_type.startswith("text/event-stream"):
            # A page to sign in, say, of whatever is at the address instead of the provider.
            raise ModelError(f"answered with {media_type or 'no content type'}, no stream", "auth")
        return aiter(body), Framing()

    def _elapsed(self) -> float:
        return round(time.perf_counter() - self._began, 6)
