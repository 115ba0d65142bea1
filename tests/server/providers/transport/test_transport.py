"""The transport of model calls against servers that send bytes as they are."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import weakref
from collections.abc import AsyncIterator
from contextlib import nullcontext, suppress
from contextvars import ContextVar
from typing import Any, cast

import anthropic
import httpx2
import pytest
import trustme
from usechat_server.providers.transport import ResponseBody, Transport, push, response_body

from tests.harness.common import DEADLINE
from tests.server.providers.transport.wire_server import Exchange, client, serve

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both event loops: `serve` uses uvloop."""
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_connections_are_used_again() -> None:
    async def script(exchange: Exchange) -> None:
        while await exchange.request() is not None:
            await exchange.send(OK)

    async with client(script) as (http, server):
        for _ in range(3):
            response = await http.post("/messages", content=b"{}")
            assert (response.status_code, response.content) == (200, b"ok")
            assert response.reason_phrase == "OK"
        assert len(server.exchanges) == 1
        await asyncio.gather(*(http.get("/a") for _ in range(5)))
        assert len(server.exchanges) <= 5
        [head, *_] = server.exchanges[0].requests
        assert head.startswith(b"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1:")


async def test_each_read_is_what_has_arrived() -> None:
    next_piece = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.send(CHUNKED, b"1\r\na\r\n1\r\nb\r\n")
        await next_piece.wait()
        await exchange.send(b"1\r\nc\r\n0\r\n\r\n")
        await exchange.wait_closed()

    async with client(script) as (http, _), http.stream("POST", "/", content=b"{}") as response:
        body = aiter(response_body(response))
        data = await anext(body)
        while data != b"ab":  # the kernel may deliver it in two reads
            data += await anext(body)
        next_piece.set()
        assert await anext(body) == b"c"
        assert await anext(body, None) is None


@pytest.mark.parametrize("end", ["closes", "resets", "sends a late response"])
async def test_an_idle_connection_that_ends_is_replaced(end: str) -> None:
    ended = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.send(OK)
        if not ended.is_set():
            if end == "closes":
                exchange.close()
            elif end == "resets":
                exchange.reset()
            else:
                await exchange.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
            await exchange.wait_closed()
            ended.set()
        else:
            await exchange.wait_closed()

    async with client(script) as (http, server):
        assert (await http.get("/")).content == b"ok"
        await asyncio.wait_for(ended.wait(), DEADLINE)
        assert (await http.get("/")).content == b"ok"
        assert len(server.exchanges) == 2


async def test_the_sdk_retries_a_connection_that_ends_unanswered() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.request()
        if len(server.exchanges) > 1:
            await exchange.send(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
            )

    async with client(script) as (http, server):
        sdk = anthropic.AsyncAnthropic(base_url=server.url, api_key="any", http_client=http)
        assert await sdk.post("/messages", cast_to=object, body={}) == {}
        assert len(server.exchanges) == 2
        assert b"x-stainless-retry-count: 1" in server.exchanges[1].requests[0].lower()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", httpx2.RemoteProtocolError),
        (CHUNKED + b"5\r\nhel", httpx2.ReadError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel", httpx2.ReadError),
        (b"not HTTP at all\r\n\r\n", httpx2.RemoteProtocolError),
    ],
)
async def test_a_response_that_breaks_off_is_an_error(
    data: bytes, error: type[httpx2.TransportError]
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.send(data)

    async with client(script) as (http, _):
        with pytest.raises(error):
            await http.post("/", content=b"{}")


async def test_a_client_that_leaves_closes_the_connection_at_once() -> None:
    closed = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.send(CHUNKED, b"1\r\na\r\n")
        await exchange.wait_closed()
        closed.set()

    async with client(script) as (http, _), http.stream("GET", "/") as response:
        body = response_body(response)
        assert await anext(aiter(body)) == b"a"
        await body.aclose()
        await asyncio.wait_for(closed.wait(), DEADLINE)
        assert await anext(aiter(body), None) is None


async def test_a_cancelled_request_closes_the_connection() -> None:
    received, closed = asyncio.Event(), asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.request()
        received.set()
        await exchange.wait_closed()
        closed.set()

    async with client(script) as (http, _):
        task = asyncio.create_task(http.post("/", content=b"{}"))
        await asyncio.wait_for(received.wait(), DEADLINE)
        task.cancel()
        await asyncio.wait_for(closed.wait(), DEADLINE)
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_reader_that_stops_is_not_flooded() -> None:
    """The server's writes stop once the buffers of the sockets are full, far below what it has."""
    total, sent = 64 * 2**20, 0
    piece = b"x" * 65536

    async def script(exchange: Exchange) -> None:
        nonlocal sent
        sock = exchange.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        await exchange.request()
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        while sent < total:
            await exchange.send(piece)
            sent += len(piece)
            progress.set()

    progress = asyncio.Event()
    async with client(script) as (http, _), http.stream("GET", "/") as response:
        with suppress(TimeoutError):  # until it stands still
            while sent < total:
                progress.clear()
                await asyncio.wait_for(progress.wait(), 0.5)
        assert sent < total / 2
        received = 0
        async for data in response_body(response):
            received += len(data)
        assert received == total


async def test_a_body_is_handed_over_in_the_context_of_who_asked() -> None:
    asked_by: ContextVar[str] = ContextVar("asked_by", default="none")
    received: list[tuple[str, bytes]] = []
    next_piece = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        for _ in range(2):
            await exchange.request()
            await exchange.send(CHUNKED, b"1\r\na\r\n")
            await next_piece.wait()
            await exchange.send(b"1\r\nb\r\n0\r\n\r\n")

    def receive(data: bytes) -> bool:
        received.append((asked_by.get(), data))
        next_piece.set()
        return True

    async with client(script) as (http, server):
        for name in ("first", "second"):  # on one connection
            asked_by.set(name)
            next_piece.clear()
            async with http.stream("POST", "/", content=b"{}") as response:
                await push(response_body(response), receive)
        assert received == [(n, d) for n in ("first", "second") for d in (b"a", b"b")]
        assert len(server.exchanges) == 1


async def test_a_large_body_that_arrived_before_it_was_asked_for_is_handed_over() -> None:
    size = 3 * 2**20
    received = 0

    async def script(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        with suppress(TimeoutError):
            await asyncio.wait_for(exchange.send(bytes(size)), 0.2)  # until it stands still
        has_arrived.set()
        await exchange.wait_closed()

    def receive(data: bytes) -> bool:
        nonlocal received
        received += len(data)
        return True

    has_arrived = asyncio.Event()
    async with client(script) as (http, _), http.stream("GET", "/") as response:
        await asyncio.wait_for(has_arrived.wait(), DEADLINE)
        await asyncio.wait_for(push(response_body(response), receive), DEADLINE)
    assert received == size


@pytest.mark.parametrize("end", ["error", "enough", "left", "lost"])
async def test_a_body_is_handed_over_until(end: str) -> None:
    closed = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.send(CHUNKED, b"1\r\na\r\n")
        if end != "lost":
            await exchange.wait_closed()
            closed.set()

    def receive(data: bytes) -> bool:
        if end == "error":
            raise LookupError(data)
        if end == "left":
            body.close()
        return end != "enough"

    errors = {"error": LookupError, "left": httpx2.ReadError, "lost": httpx2.ReadError}
    async with client(script) as (http, _), http.stream("GET", "/") as response:
        body = cast(ResponseBody, response_body(response))
        with pytest.raises(errors[end]) if end in errors else nullcontext():
            await asyncio.wait_for(push(body, receive), DEADLINE)
        await body.aclose()
        if end != "lost":
            await asyncio.wait_for(closed.wait(), DEADLINE)


async def test_a_flood_leaves_the_others_their_turn() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * 2**20))
        for _ in range(64):
            await exchange.send(b"x" * 2**20)

    turns = [0, 1]
    sizes = [0]

    def receive(data: bytes) -> bool:
        # Together with what came in the same turn of the event loop.
        sizes.append(len(data) + (sizes[-1] if turns[-1] == turns[0] else 0))
        turns[0] = turns[-1]
        return True

    async def take_turns() -> None:
        while True:
            turns[-1] += 1
            await asyncio.sleep(0)

    async with client(script) as (http, _), http.stream("GET", "/") as response:
        turn = asyncio.create_task(take_turns())
        await push(response_body(response), receive)
        turn.cancel()
    assert max(sizes) < 2**20


async def test_large_bodies_are_sent_as_fast_as_the_server_reads() -> None:
    size = 8 * 2**20

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size // 65536):
            yield b"y" * 65536

    async def script(exchange: Exchange) -> None:
        assert len(await exchange.request()) == size
        await exchange.send(OK)
        assert await exchange.request() == b"z" * size
        await exchange.send(OK)

    async with client(script) as (http, server):
        assert (await http.post("/", content=pieces())).content == b"ok"
        assert (await http.post("/", content=b"z" * size)).content == b"ok"
        assert len(server.exchanges) == 1


async def test_a_refusal_before_the_body_was_sent_is_the_response() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        while True:  # more than any buffer holds
            yield b"y" * 65536

    async def script(exchange: Exchange) -> None:
        await exchange.reader.readuntil(b"\r\n\r\n")
        await exchange.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig")
        await exchange.wait_closed()

    async with client(script) as (http, _server):
        response = await http.post("/", content=pieces())
        assert (response.status_code, response.content) == (413, b"big")
        await http.aclose()


async def test_timeouts_of_the_request_count() -> None:
    async def script(exchange: Exchange) -> None:
        if b"/slow-head" in await exchange.reader.readuntil(b"\r\n\r\n"):
            await exchange.wait_closed()
        await exchange.send(CHUNKED, b"1\r\na\r\n")
        await exchange.wait_closed()

    async with client(script, httpx2.Timeout(DEADLINE, read=0.05)) as (http, _):
        for path in ("/slow-head", "/slow-body"):
            with pytest.raises(httpx2.ReadTimeout):
                await http.get(path)


async def test_every_address_of_a_host_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.request()
        await exchange.send(OK)

    async with client(script) as (http, server):
        port = httpx2.URL(server.url).port
        loop = asyncio.get_running_loop()

        resolve = loop.getaddrinfo

        async def addresses(host: Any, *args: Any, **options: Any) -> list[Any]:
            if host != "two-addresses.test":
                return await resolve(host, *args, **options)
            kind = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
            return [
                (socket.AF_INET6, *kind, ("::1", port, 0, 0)),  # has no server
                (socket.AF_INET, *kind, ("127.0.0.1", port)),
            ]

        monkeypatch.setattr(loop, "getaddrinfo", addresses)
        response = await http.get(f"http://two-addresses.test:{port}/")
        assert response.content == b"ok"


async def test_an_address_without_a_server_is_a_connect_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    async with httpx2.AsyncClient(transport=Transport(ssl.create_default_context())) as http:
        with pytest.raises(httpx2.ConnectError):
            await http.get(f"http://127.0.0.1:{port}/")
        with pytest.raises(httpx2.UnsupportedProtocol):
            await http.get("ftp://127.0.0.1/")


async def test_certificates_are_checked() -> None:
    async def script(exchange: Exchange) -> None:
        while await exchange.request() is not None:
            await exchange.send(OK)

    authority, stranger = trustme.CA(), trustme.CA()
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_tls)
    trusting, distrusting = ssl.create_default_context(), ssl.create_default_context()
    authority.configure_trust(trusting)
    stranger.configure_trust(distrusting)
    async with serve(script, server_tls) as server:
        async with httpx2.AsyncClient(transport=Transport(trusting)) as http:
            for _ in range(2):
                assert (await http.get(server.url)).content == b"ok"
            assert len(server.exchanges) == 1
            with pytest.raises(httpx2.ConnectError):  # the certificate is not for this name
                await http.get(server.url.replace("localhost", "127.0.0.1"))
            response = await http.get(
                server.url.replace("localhost", "127.0.0.1"),
                extensions={"sni_hostname": "localhost"},
            )
            assert response.content == b"ok"
        async with httpx2.AsyncClient(transport=Transport(distrusting)) as http:
            with pytest.raises(httpx2.ConnectError):
                await http.get(server.url)


async def test_headers_cannot_be_injected() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.wait_closed()

    async with client(script) as (http, server):
        with pytest.raises(httpx2.LocalProtocolError):
            await http.get("/", headers={"x-name": "a\r\nx-admin: 1"})
        assert not server.exchanges


async def test_nothing_of_a_response_is_kept() -> None:
    async def script(exchange: Exchange) -> None:
        while await exchange.request() is not None:
            await exchange.send(OK)

    async with client(script) as (http, _server):
        gc.collect()
        gc.disable()
        try:
            async with http.stream("GET", "/") as response:
                body = response_body(response)
                assert [data async for data in body] == [b"ok"]
            kept = weakref.ref(response), weakref.ref(body)
            del response, body
            assert [reference() for reference in kept] == [None, None]
        finally:
            gc.enable()
