"""What a server under `usechat-server serve` takes before a request has begun."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from usechat_server import Settings

from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer

LIMITS = Settings(
    log_level="warning", max_header_bytes=10_000, header_timeout=0.3, max_connections=5
)
REQUEST = b"GET / HTTP/1.1\r\nhost: localhost\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await PlainTextResponse("ok")(scope, receive, send)


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer(app, settings=LIMITS, timeout_keep_alive=1) as server:
        yield server


def response(client: socket.socket) -> bytes:
    """Everything that the server sends until it closes the connection."""
    received = b""
    try:
        while data := client.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return received


def refused(client: socket.socket, pieces: Callable[[], Iterator[bytes]]) -> bytes:
    """Send pieces until the server closes the connection, and return what it sent."""
    try:
        for piece in pieces():
            client.sendall(piece)
    except (ConnectionResetError, BrokenPipeError):
        pass
    return response(client)


def many_headers() -> Iterator[bytes]:
    yield REQUEST
    while True:
        yield b"x-header: " + b"a" * 500 + b"\r\n"


def one_header() -> Iterator[bytes]:
    yield REQUEST + b"x-header: "
    while True:
        yield b"a" * 5_000


def long_path() -> Iterator[bytes]:
    yield b"GET /"
    while True:
        yield b"a" * 5_000


def one_piece() -> Iterator[bytes]:
    yield REQUEST + b"x-header: " + b"a" * 11_000 + b"\r\n\r\n"


def second_request() -> Iterator[bytes]:
    yield REQUEST + b"\r\n"
    yield from many_headers()


@pytest.mark.parametrize("pieces", [many_headers, one_header, long_path, one_piece, second_request])
def test_headers_beyond_the_limit_are_refused(
    server: LiveServer, pieces: Callable[[], Iterator[bytes]]
) -> None:
    with server.connection() as client:
        received = refused(client, pieces)
    # The kernel may drop the response when the rest of the headers is not read.
    assert received[-300:].count(b"431 Request Header Fields Too Large") or pieces is not one_piece
    assert server.request("GET", "/").text == "ok"


def test_headers_within_the_limit_and_long_bodies_are_not(server: LiveServer) -> None:
    with server.connection() as client:
        client.sendall(REQUEST + b"x-header: " + b"a" * 9_000 + b"\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        for size in (50_000, 1_000_000, 50_000):  # on one connection
            client.sendall(REQUEST + b"content-length: %d\r\n\r\n" % size + b"a" * size)
            assert client.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("before", [b"", REQUEST + b"\r\n"], ids=["new", "kept alive"])
@pytest.mark.parametrize("half", [b"GET / HTTP/1.1\r\n", b"\r\n"])
def test_half_a_request_is_closed_after_a_time(
    server: LiveServer, before: bytes, half: bytes
) -> None:
    with server.connection() as client:
        if before:
            client.sendall(before)
            client.recv(1000)
        began = time.monotonic()

        def slowly() -> Iterator[bytes]:
            yield half
            while time.monotonic() - began < 10:
                time.sleep(0.02)
                yield b"a" if half != b"\r\n" else b"\r\n"

        assert refused(client, slowly) == b""
        assert 0.2 < time.monotonic() - began < 5


def test_a_connection_without_a_request_is_closed_after_the_keep_alive_time(
    server: LiveServer,
) -> None:
    with server.connection() as client:
        began = time.monotonic()
        assert response(client) == b""
        assert time.monotonic() - began > 0.8


def test_connections_beyond_the_limit_are_refused() -> None:
    with LiveServer(app, settings=LIMITS) as server, ExitStack() as stack:
        clients = [stack.enter_context(server.connection()) for _ in range(5)]
        for client in clients:  # each is accepted now
            client.sendall(REQUEST + b"\r\n")
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
        refused_response = server.request("GET", "/")
        assert refused_response.status_code == 503
        assert refused_response.headers["retry-after"]
        assert "too many connections" in refused_response.text
        clients[0].close()
        deadline = time.monotonic() + DEADLINE
        while server.request("GET", "/").status_code != 200:  # until it has seen the close
            assert time.monotonic() < deadline
