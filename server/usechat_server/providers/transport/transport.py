"""`Transport`: sends the requests of an `httpx2.AsyncClient` over pooled connections."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

import httpx2

from usechat_server.providers.transport.body import BODY_EXTENSION, ResponseBody
from usechat_server.providers.transport.connection import Connection
from usechat_server.providers.transport.pool import Origin, Pool
from usechat_server.providers.transport.response_parser import ResponseHead

__all__ = ["Transport"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
#: What ends a line, or a string in other programs, cannot be part of a header.
_ILLEGAL = re.compile(rb"[\r\n\0]")


class Transport(httpx2.AsyncBaseTransport):
    """The transport of one event loop.

    Timeouts are those of the request (`connect`, `read`, `write`); there is no limit on the number
    of connections, so none waits for one.

    Args:
        tls: The TLS settings of all connections.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._pool = Pool(tls)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, and return the response once its headers have arrived.

        Raises:
            httpx2.TransportError: There is no response.
        """
        origin = _origin(request)
        head = _request_head(request)
        timeouts = request.extensions.get("timeout", {})
        async with _limit(timeouts.get("connect"), httpx2.ConnectTimeout):
            connection = await self._pool.acquire(origin)
        try:
            async with _limit(timeouts.get("write"), httpx2.WriteTimeout):
                has_body = request.method != "HEAD"
                await connection.send(head, _request_body(request), has_body=has_body)
            async with _limit(timeouts.get("read"), httpx2.ReadTimeout):
                response_head = await connection.read_head()
        except BaseException:
            connection.abort()
            raise
        return self._response(response_head, origin, connection, timeouts.get("read"))

    async def aclose(self) -> None:
        self._pool.close()

    def _response(
        self,
        head: ResponseHead,
        origin: Origin,
        connection: Connection,
        read_timeout: float | None,
    ) -> httpx2.Response:
        body = ResponseBody(
            connection, lambda: self._pool.release(origin, connection), read_timeout
        )
        extensions = {
            "http_version": b"HTTP/1.1",
            "reason_phrase": head.reason,
            BODY_EXTENSION: body,
        }
        return httpx2.Response(
            head.status, headers=head.headers, stream=body, extensions=extensions
        )


def _origin(request: httpx2.Request) -> Origin:
    url = request.url
    if url.scheme not in _DEFAULT_PORTS:
        raise httpx2.UnsupportedProtocol(f"expected an http or https URL, got {url.scheme!r}")
    host = url.raw_host.decode("ascii")
    name = None
    if url.scheme == "https":
        # Set by the client for hosts whose name is not legal in a certificate.
        name = request.extensions.get("sni_hostname") or host.strip("[]")
    return Origin(host.strip("[]"), url.port or _DEFAULT_PORTS[url.scheme], name)


def _request_head(request: httpx2.Request) -> bytes:
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    for name, value in request.headers.raw:
        if _ILLEGAL.search(name) or _ILLEGAL.search(value):
            raise httpx2.LocalProtocolError(f"the header {name!r} contains a line end or NUL")
        lines.append(b"%b: %b" % (name, value))
    return b"\r\n".join((*lines, b"\r\n"))


def _request_body(request: httpx2.Request) -> AsyncIterable[bytes]:
    stream = cast(AsyncIterable[bytes], request.stream)
    is_chunked = request.headers.get("transfer-encoding", "").lower() == "chunked"
    return _chunked(stream) if is_chunked else stream


async def _chunked(stream: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    async for piece in stream:
        if piece:
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


@asynccontextmanager
async def _enforce(seconds: float, error: type[httpx2.TimeoutException]) -> AsyncIterator[None]:
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise error(f"not done after {seconds:g} s") from None


class _Unlimited(AbstractAsyncContextManager[None]):
    async def __aexit__(self, *_: Any) -> None:
        return None


_UNLIMITED = _Unlimited()


def _limit(
    seconds: float | None, error: type[httpx2.TimeoutException]
) -> AbstractAsyncContextManager[None]:
    """Return a context that raises `error` after so many seconds; None: it has no limit."""
    return _UNLIMITED if seconds is None else _enforce(seconds, error)
