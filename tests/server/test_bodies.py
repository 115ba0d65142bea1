"""Bodies of requests: their size, their form, and clients that stop sending."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from usechat_server import Agent, Settings, create_app
from usechat_server.providers.base import ModelCall

from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer, ScriptedModel, chunks, user
from tests.server.live_apps import refusal_text


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel()


@pytest.fixture
def server(model: ScriptedModel) -> Iterator[LiveServer]:
    settings = Settings(max_body_bytes=12_000_000)
    with LiveServer(create_app(Agent(model), settings=settings)) as server:
        yield server


def read_all(client: socket.socket) -> bytes:
    received = b""
    while data := client.recv(65536):
        received += data
    return received


def test_the_content_type_of_a_request_does_not_matter(server: LiveServer) -> None:
    for content_type in ("text/plain", "application/json, application/json", ""):
        assert chunks(server.chat(headers={"content-type": content_type}).text)


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b'{"messages": [', "not readable as JSON"),
        (b"", "no body"),
        (b"\xff\xfe\x00", "not readable as JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b'"Hello"', "must be a JSON object"),
        (b'{"messages": {}}', "messages: expected a list"),
        (b'{"messages": []}', "messages: expected at least one message"),
        (
            b'{"messages": [{"id": "1", "role": "user", "parts": [{"type": "text", "text": 1}]}]}',
            "messages[0].parts[0].text: expected a string",
        ),
        (b'{"id": "c1", "message": {"id": "1", "role": "user", "parts": []}}', "stores no chats"),
    ],
)
def test_an_invalid_body_is_refused(
    server: LiveServer, model: ScriptedModel, content: bytes, refusal: str
) -> None:
    assert refusal in refusal_text(server.request("POST", "/api/chat", content=content), 400)
    assert not model.calls
    assert chunks(server.chat().text)  # and it still responds


def test_lone_surrogates_reach_the_model_as_text(server: LiveServer, model: ScriptedModel) -> None:
    body = rb'{"messages":[{"id":"1","role":"user","parts":[{"type":"text","text":"a\ud83d"}]}]}'
    assert chunks(server.request("POST", "/api/chat", content=body).text)
    assert model.calls[0].messages[0].parts[0].text == "a�"  # type: ignore[union-attr]


def test_a_large_history_is_read(server: LiveServer, model: ScriptedModel) -> None:
    url = "data:image/png;base64," + "A" * 8_000_000
    file = {"type": "file", "mediaType": "image/png", "url": url}
    assert chunks(server.chat(user("", parts=[file])).text)
    assert model.calls[0].messages[0].parts[0].url == url  # type: ignore[union-attr]


class SlowToTranslate(ScriptedModel):
    """Translates a long history until the test lets it continue."""

    translating = threading.Event()
    proceed = threading.Event()

    def stream(self, call: ModelCall) -> Any:
        if len(call.messages) > 1:
            self.translating.set()
            assert self.proceed.wait(DEADLINE), "the others had to wait"
        return super().stream(call)


def test_a_large_history_does_not_block_other_requests() -> None:
    model = SlowToTranslate()
    with (
        LiveServer(create_app(Agent(model))) as server,
        ThreadPoolExecutor() as pool,
    ):
        large = pool.submit(server.chat, user("x" * 1_100_000), user("Hello"))
        assert model.translating.wait(DEADLINE)
        another = {"id": "c2", "messages": [user("Hello")]}
        assert server.request("POST", "/api/chat", another).status_code == 200
        model.proceed.set()
        assert large.result().status_code == 200


def test_a_body_of_40_mb_is_refused_while_it_arrives(
    server: LiveServer, model: ScriptedModel
) -> None:
    body = b'{"messages": "' + b"x" * 40_000_000 + b'"}'
    refusal = refusal_text(server.request("POST", "/api/chat", content=body), 413)
    assert refusal == "The request is too large: at most 11.44 MB are allowed."
    assert not model.calls


def test_a_large_content_length_is_refused_at_once(server: LiveServer) -> None:
    with server.connection() as client:
        client.sendall(b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\n")
        client.sendall(b"content-length: 40000000\r\nexpect: 100-continue\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_large_chunked_body_is_refused(server: LiveServer) -> None:
    with server.connection() as client:
        client.sendall(b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\n")
        client.sendall(b"transfer-encoding: chunked\r\n\r\n")
        piece = b"f4240\r\n" + b"x" * 1_000_000 + b"\r\n"
        for _ in range(13):
            client.sendall(piece)
        assert client.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_body_that_stalls_times_out(model: ScriptedModel) -> None:
    """Next.js rewrites send 10 of 12 MB and then nothing."""
    app = create_app(Agent(model), settings=Settings(body_timeout=1.0))
    with LiveServer(app) as server, server.connection() as client:
        client.sendall(b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\n")
        client.sendall(b"content-length: 12000000\r\n\r\n")
        client.sendall(b"x" * 10_000_000)
        response = read_all(client)
    assert response.startswith(b"HTTP/1.1 408")
    assert response.endswith(b"The request did not arrive within 1 seconds.")


def test_a_client_that_disconnects_while_sending_is_no_error(
    server: LiveServer, model: ScriptedModel, caplog: pytest.LogCaptureFixture
) -> None:
    with server.connection() as client:
        client.sendall(
            b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{"
        )
    assert chunks(server.chat().text)
    assert len(model.calls) == 1
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_http_1_0(server: LiveServer) -> None:
    """nginx uses it upstream by default: no chunked encoding, the connection ends the body."""
    body = json.dumps({"messages": [user("Hello")]}).encode()
    with server.connection() as client:
        client.sendall(b"POST /api/chat HTTP/1.0\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        head, _, stream = read_all(client).partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" not in head.lower()
    assert chunks(stream.decode())[-1]["type"] == "finish"
