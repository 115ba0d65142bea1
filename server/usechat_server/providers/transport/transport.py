"""`Transport`: sends the requests of an `httpx2.AsyncClient` over pooled connections."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple, cast

import httpx2

from usechat_server.providers.transport.body import BODY_EXTENSION, ResponseBody
from usechat_server.providers.transport.connection import Connection
from usechat_server.providers.transport.pool import Origin, Pool

__all__ = ["CONNECT_TIMEOUT", "RawResponse", "RequestHead", "StaleConnectionError", "Transport"]

#: Seconds to open a connection.
CONNECT_TIMEOUT = 5.0

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
        origin = _origin(request.url, request.extensions.get("sni_hostname"))
        head = _request_head(request.method, request.url, request.headers) + b"\r\n"
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
        body = self._body(origin, connection, timeouts.get("read"))
        extensions = {
            "http_version": b"HTTP/1.1",
            "reason_phrase": response_head.reason,
            BODY_EXTENSION: body,
        }
        return httpx2.Response(
            response_head.status, headers=response_head.headers, stream=body, extensions=extensions
        )

    async def post(
        self,
        head: RequestHead,
        body: bytes,
        on_connection: Callable[[Callable[[], None]], None],
        *,
        headers: Mapping[str, str],
    ) -> RawResponse:
        """Send a request, and return the response once its headers have arrived.

        Args:
            head: The head of the request.
            body: Its body.
            on_connection: Called with what closes the connection at once.
            headers: Further headers.

        Raises:
            StaleConnectionError: An idle connection was lost, most likely closed by the server.
            httpx2.TransportError: There is no response.
        """
        lines = _header_lines(httpx2.Headers({**headers, "content-length": str(len(body))}))
        async with _limit(CONNECT_TIMEOUT, httpx2.ConnectTimeout):
            connection = await self._pool.acquire(head.origin)
        on_connection(connection.abort)
        try:
            await connection.send(b"%b%b\r\n" % (head.data, lines), _pieces(body))
            response_head = await connection.read_head()
        except BaseException as error:
            connection.abort()
            if connection.is_reused and isinstance(error, httpx2.TransportError):
                raise StaleConnectionError(str(error)) from error
            raise
        response_headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in response_head.headers
        }
        return RawResponse(
            response_head.status, response_headers, self._body(head.origin, connection, None)
        )

    async def aclose(self) -> None:
        self._pool.close()

    def _body(
        self, origin: Origin, connection: Connection, read_timeout: float | None
    ) -> ResponseBody:
        return ResponseBody(
            connection, lambda: self._pool.release(origin, connection), read_timeout
        )


class StaleConnectionError(httpx2.TransportError):
    """There is no response on a connection that was idle before."""


class RequestHead:
    """The request line and headers of requests that differ in their bodies.

    Args:
        method: The method.
        url: The URL.
        headers: The headers, without those of the connection and of the body's length.
    """

    def __init__(self, method: str, url: httpx2.URL, headers: httpx2.Headers) -> None:
        # As the SDK does: an underscore is not legal in the name of a certificate.
        self.origin: Origin = _origin(url, url.host.replace("_", "-"))
        host = httpx2.Headers({"Host": url.netloc.decode("ascii")})
        #: the lines of the head, so far
        self.data: bytes = _request_head(method, url, httpx2.Headers([*host.raw, *headers.raw]))


class RawResponse(NamedTuple):
    """A response whose body has not been read."""

    status: int
    #: by lower-case name
    headers: Mapping[str, str]
    body: ResponseBody


def _origin(url: httpx2.URL, server_name: str | None) -> Origin:
    if url.scheme not in _DEFAULT_PORTS:
        raise httpx2.UnsupportedProtocol(f"expected an http or https URL, got {url.scheme!r}")
    host = url.raw_host.decode("ascii")
    name = None
    if url.scheme == "https":
        # Given for hosts whose name is not legal in a certificate.
        name = server_name or host.strip("[]")
    return Origin(host.strip("[]"), url.port or _DEFAULT_PORTS[url.scheme], name)


def _request_head(method: str, url: httpx2.URL, headers: httpx2.Headers) -> bytes:
    line = b"%b %b HTTP/1.1\r\n" % (method.encode("ascii"), url.raw_path)
    return line + _header_lines(headers)


def _header_lines(headers: httpx2.Headers) -> bytes:
    lines = []
    for name, value in headers.raw:
        if _ILLEGAL.search(name) or _ILLEGAL.search(value):
            raise httpx2.LocalProtocolError(f"the header {name!r} contains a line end or NUL")
        lines.append(b"%b: %b" % (name, value))
    return b"\r\n".join((*lines, b""))


def _request_body(request: httpx2.Request) -> AsyncIterable[bytes]:
    stream = cast(AsyncIterable[bytes], request.stream)
    is_chunked = request.headers.get("transfer-encoding", "").lower() == "chunked"
    return _chunked(stream) if is_chunked else stream


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


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
