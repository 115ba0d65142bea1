"""Streams on every ASGI server: what a client receives, and when a disconnect is noticed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from time import monotonic
from typing import Any

import httpx
import pytest

from tests.harness.serving import HOSTS, ServerProcess, serve

APP = "tests.hosts.apps:app"
#: Seconds after which a test fails instead of waiting any longer.
LONG = 20
#: Seconds within which something happens "at once", on a machine that is busy with other things.
AT_ONCE = 2.0


@pytest.fixture(scope="module", params=[*HOSTS, "usechat"])
def served(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    with serve(APP, request.param) as served:
        yield served


@pytest.mark.parametrize("kind", ["silent", "talking"])
@pytest.mark.parametrize("source", ["chunks", "run", "wrapped/chunks"])
def test_a_disconnect_ends_the_stream_at_once(
    served: ServerProcess, source: str, kind: str
) -> None:
    with httpx.stream("POST", f"{served.url}/{source}/{kind}", timeout=LONG) as response:
        lines = response.iter_lines()
        assert any("text-delta" in line for line in lines)
        disconnected_at = monotonic()
    report = end_report(served, kind)
    assert report["at"] - disconnected_at < AT_ONCE
    assert report.get("same_task", True)
    if kind == "silent" and source != "run":
        assert report["by"] == "CancelledError"


def test_a_disconnect_right_after_the_first_byte_is_noticed(served: ServerProcess) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(request("/run/silent"))
        assert client.recv(1)
        disconnected_at = monotonic()
    assert end_report(served, "silent")["at"] - disconnected_at < AT_ONCE


def test_a_silent_stream_is_kept_alive_without_exceptions(served: ServerProcess) -> None:
    url = f"{served.url}/chunks/silent?keep_alive=0.2"
    with httpx.stream("POST", url, timeout=LONG) as response:
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["x-accel-buffering"] == "no"
        lines = filter(None, response.iter_lines())
        first = list(islice(lines, 8))
        disconnected_at = monotonic()
    assert first[-2:] == [": keep-alive", ": keep-alive"]
    # Keep-alives raised nothing in the iterator: it ran until the client disconnected.
    assert end_report(served, "silent")["at"] >= disconnected_at


@pytest.mark.parametrize("source", ["chunks", "run"])
def test_a_client_that_stops_reading_is_disconnected(served: ServerProcess, source: str) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=LONG) as client:
        client.sendall(request(f"/{source}/flooding?send_timeout=0.5"))
        assert client.recv(1)
        report = end_report(served, "flooding")
        # What was written fits the buffers in between: nothing is queued for a dead reader.
        assert report.get("written", 0) < 32 * 1024 * 1024
        received = read_rest(client)
    # The connection is closed, and the incomplete response does not look complete.
    assert b"[DONE]" not in received
    assert not received.endswith(b"0\r\n\r\n")


def test_an_http_1_0_client_is_served_and_then_disconnected(served: ServerProcess) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=LONG) as client:
        client.sendall(b"POST /chunks/short HTTP/1.0\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        data = read_rest(client)
    # Some hosts frame the body as HTTP/1.1 does; nginx, which speaks 1.0 by default, reads it.
    _, body = data.split(b"\r\n\r\n", 1)
    assert body.index(b": stream-open\n\n") < body.index(b"text-delta") < body.index(b"[DONE]")


def test_a_connection_serves_several_responses(served: ServerProcess) -> None:
    with httpx.Client(timeout=LONG, limits=httpx.Limits(max_connections=1)) as client:
        for _ in range(3):
            response = client.post(f"{served.url}/chunks/short")
            assert response.text.endswith("data: [DONE]\n\n")


def test_a_response_that_cannot_say_that_it_failed_is_broken_off(served: ServerProcess) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=LONG) as client:
        client.sendall(request("/text/failing"))
        received = read_rest(client)
    assert received.startswith(b"HTTP/1.1 200")
    assert b"\r\nx\r\n" in received
    assert not received.endswith(b"0\r\n\r\n")


def request(path: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".encode()


def read_rest(client: socket.socket) -> bytes:
    data = bytearray()
    with suppress(ConnectionResetError):
        while piece := client.recv(1024 * 1024):
            data += piece
    return bytes(data)


def end_report(served: ServerProcess, kind: str) -> dict[str, Any]:
    report: dict[str, Any] = httpx.get(f"{served.url}/ended/{kind}", timeout=LONG).json()
    return report
