"""What a client sees, and what it costs after the client left, on every ASGI server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from time import monotonic
from typing import Any

import httpx
import pytest

from tests.harness.serving import HOSTS, Served, serve

APP = "tests.hosts.apps:app"
#: Seconds that nothing here takes unless it is broken.
LONG = 20
#: Seconds within which something happens "at once", on a machine that is busy with other things.
AT_ONCE = 2.0


@pytest.fixture(scope="module", params=[*HOSTS, "usechat"])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    with serve(APP, request.param) as served:
        yield served


@pytest.mark.parametrize("kind", ["silent", "talking"])
@pytest.mark.parametrize("source", ["chunks", "run", "wrapped/chunks"])
def test_a_hang_up_ends_the_stream_at_once(served: Served, source: str, kind: str) -> None:
    with httpx.stream("POST", f"{served.url}/{source}/{kind}", timeout=LONG) as response:
        lines = response.iter_lines()
        assert any("text-delta" in line for line in lines)
        left = monotonic()
    ending = ended(served, kind)
    assert ending["at"] - left < AT_ONCE
    assert ending.get("one_task", True)
    if kind == "silent" and source != "run":
        assert ending["by"] == "CancelledError"


def test_a_hang_up_before_the_first_byte_is_read_is_noticed_too(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(request("/run/silent"))
        assert client.recv(1)
        left = monotonic()
    assert ended(served, "silent")["at"] - left < AT_ONCE


def test_a_silent_stream_is_kept_alive_and_not_disturbed(served: Served) -> None:
    url = f"{served.url}/chunks/silent?keep_alive=0.2"
    with httpx.stream("POST", url, timeout=LONG) as response:
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["x-accel-buffering"] == "no"
        lines = filter(None, response.iter_lines())
        first = list(islice(lines, 8))
        left = monotonic()
    assert first[-2:] == [": keep-alive", ": keep-alive"]
    # The comments did not come as exceptions to the iterator: it ran until the client left.
    assert ended(served, "silent")["at"] >= left


@pytest.mark.parametrize("source", ["chunks", "run"])
def test_a_client_that_stops_reading_is_dropped(served: Served, source: str) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=LONG) as client:
        client.sendall(request(f"/{source}/flooding?send_timeout=0.5"))
        ending = ended(served, "flooding")
        # What was said fits the buffers between the two: nothing piled up behind a dead reader.
        assert ending.get("said", 0) < 32 * 1024 * 1024
        rest = read_rest(client)
    # It comes back to a connection that is closed, and half an answer does not look like a whole.
    assert b"[DONE]" not in rest
    assert not rest.endswith(b"0\r\n\r\n")


def test_a_client_of_http_1_0_is_served_and_then_hung_up_on(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=LONG) as client:
        client.sendall(b"POST /chunks/short HTTP/1.0\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        data = read_rest(client)
    # Some hosts frame the body as HTTP/1.1 does; nginx, which speaks 1.0 by default, reads it.
    _, body = data.split(b"\r\n\r\n", 1)
    assert body.index(b": stream-open\n\n") < body.index(b"text-delta") < body.index(b"[DONE]")


def test_a_connection_serves_one_answer_after_the_other(served: Served) -> None:
    with httpx.Client(timeout=LONG, limits=httpx.Limits(max_connections=1)) as client:
        for _ in range(3):
            answer = client.post(f"{served.url}/chunks/short")
            assert answer.text.endswith("data: [DONE]\n\n")


def request(path: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n".encode()


def read_rest(client: socket.socket) -> bytes:
    data = bytearray()
    with suppress(ConnectionResetError):
        while piece := client.recv(1024 * 1024):
            data += piece
    return bytes(data)


def ended(served: Served, kind: str) -> dict[str, Any]:
    report: dict[str, Any] = httpx.get(f"{served.url}/ended/{kind}", timeout=LONG).json()
    return report
