"""What `usechat-server serve` adds to each HTTP protocol of uvicorn."""

from __future__ import annotations

import asyncio
import socket
from threading import Event
from typing import Any

import pytest
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import Receive, Scope, Send
from usechat_server.serving.protocol import streaming_protocol
from uvicorn.protocols.http import h11_impl, httptools_impl
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer


@pytest.fixture(params=[HttpToolsProtocol, H11Protocol])
def protocol(request: pytest.FixtureRequest) -> Any:
    return streaming_protocol(request.param)


def read_all(client: socket.socket) -> bytes:
    received = b""
    while data := client.recv(65536):
        received += data
    return received


def test_an_app_can_abort_a_connection(protocol: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        await receive()
        scope["extensions"]["usechat.abort"]()
        assert (await receive())["type"] == "http.disconnect"

    with LiveServer(app, http=protocol) as server, server.connection() as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        try:
            received = read_all(client)
        except ConnectionResetError:
            return
        assert b"0\r\n\r\n" not in received


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_http_1_0_gets_no_chunked_encoding(protocol: Any, method: str) -> None:
    async def pieces() -> Any:
        yield b"one "
        yield b"two"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        sized = PlainTextResponse("one two")
        response = sized if scope["path"] == "/sized" else StreamingResponse(pieces())
        await response(scope, receive, send)

    with LiveServer(app, http=protocol) as server:
        for path in ("/sized", "/streamed"):
            with server.connection() as client:
                client.sendall(f"{method} {path} HTTP/1.0\r\n\r\n".encode())
                head, _, body = read_all(client).partition(b"\r\n\r\n")
            assert b"200 OK" in head
            assert b"transfer-encoding" not in head.lower()
            assert (b"content-length" in head.lower()) == (path == "/sized")
            assert body == (b"one two" if method == "GET" else b"")


@pytest.mark.parametrize("body", [b"", b"5\r\nhello\r\n"], ids=["complete", "incomplete"])
def test_an_app_is_called_when_its_client_leaves(protocol: Any, body: bytes) -> None:
    called = Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        on_disconnect = scope["extensions"]["usechat.on_disconnect"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        left = asyncio.Event()
        says = str(on_disconnect(left.set)).encode()
        await send({"type": "http.response.body", "body": says, "more_body": True})
        await left.wait()
        late = asyncio.Event()
        on_disconnect(late.set)
        assert late.is_set()
        called.set()

    with LiveServer(app, http=protocol) as server:
        with server.connection() as client:
            chunked = b"transfer-encoding: chunked\r\n" if body else b""
            client.sendall(b"POST / HTTP/1.1\r\nhost: localhost\r\n%b\r\n%b" % (chunked, body))
            received = b""
            while (b"False" if body else b"True") not in received:
                received += client.recv(65536)
        assert called.wait(DEADLINE)


@pytest.mark.parametrize("size", [10_000, 200_000])
def test_an_app_is_called_when_its_client_leaves_after_a_large_body(
    protocol: Any, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (httptools_impl, h11_impl):
        monkeypatch.setattr(module, "HIGH_WATER_LIMIT", min(size // 2, module.HIGH_WATER_LIMIT))
    called = Event()
    is_complete = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal is_complete
        if scope["type"] == "lifespan":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        while (await receive())["more_body"]:
            pass
        left = asyncio.Event()
        is_complete = scope["extensions"]["usechat.on_disconnect"](left.set)
        await send({"type": "http.response.body", "body": b"read", "more_body": True})
        await left.wait()
        called.set()

    with LiveServer(app, http=protocol) as server:
        with server.connection() as client:
            head = f"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {size}\r\n\r\n"
            client.sendall(head.encode())
            received = b""
            while b"begun" not in received:
                received += client.recv(65536)
            client.sendall(bytes(size))
            while b"read" not in received:
                received += client.recv(65536)
        assert called.wait(DEADLINE)
    assert is_complete


def test_a_response_that_is_closed_late_leaves_the_next_one_its_callback(protocol: Any) -> None:
    called, closed = Event(), Event()
    has_begun = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        on_disconnect = scope["extensions"]["usechat.on_disconnect"]
        is_first = scope["path"] == "/first"
        on_disconnect((lambda: None) if is_first else called.set)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": not is_first})
        if is_first:
            await has_begun.wait()
            on_disconnect(None)
            closed.set()
        else:
            has_begun.set()
            await receive()  # the request
            await receive()

    with LiveServer(app, http=protocol) as server:
        with server.connection() as client:
            for path in ("first", "second"):
                client.sendall(f"GET /{path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
                assert client.recv(65536)
            assert closed.wait(DEADLINE)
        assert called.wait(DEADLINE)


def test_a_callback_that_fails_does_not_hide_that_the_client_left(protocol: Any) -> None:
    says: list[str] = []
    done = Event()

    def fail() -> None:
        raise RuntimeError("failed")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        scope["extensions"]["usechat.on_disconnect"](fail)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        says.extend([(await receive())["type"], (await receive())["type"]])
        done.set()

    with LiveServer(app, http=protocol) as server:
        with server.connection() as client:
            client.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            received = b""
            while b"half" not in received:
                received += client.recv(65536)
        assert done.wait(DEADLINE)
    assert says == ["http.request", "http.disconnect"]
