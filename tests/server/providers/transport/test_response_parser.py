"""Parse responses in pieces of any size: the result depends on the bytes, not on the pieces."""

from __future__ import annotations

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from usechat_server.providers.transport.response_parser import ResponseParser

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def parse(data: bytes, sizes: list[int], *, has_body: bool = True) -> tuple[ResponseParser, bytes]:
    """Feed the data in pieces of these sizes, in turn, and close the connection."""
    parser, body, start, turn = ResponseParser(has_body=has_body), b"", 0, 0
    while start < len(data):
        size = sizes[turn % len(sizes)]
        parser.feed(data[start : start + size])
        body += parser.take() if turn % 2 else b""
        start, turn = start + size, turn + 1
    parser.connection_lost(None)
    return parser, body + parser.take()


RESPONSES = {
    "content length": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    "chunked": (CHUNKED + b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: 1\r\n\r\n", b"hello", True),
    "until the connection ends": (b"HTTP/1.1 200 OK\r\n\r\nhello", b"hello", False),
    "other coding": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello", b"hello", False),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", False),
    "closes": (
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        b"hello",
        False,
    ),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"", True),
    "early hints first": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"hello",
        True,
    ),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    "one more byte": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!", b"hello", False),
    "another response": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 408 Timeout\r\n\r\n",
        b"hello",
        False,
    ),
}


@pytest.mark.parametrize("name", RESPONSES)
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8))
@example(sizes=[1])
@example(sizes=[10_000])
def test_complete_responses(name: str, sizes: list[int]) -> None:
    data, body, can_reuse = RESPONSES[name]
    parser, parsed = parse(data, sizes)
    assert parser.error is None
    assert parser.is_complete
    assert parsed == body
    assert parser.can_reuse is can_reuse
    assert parser.head is not None
    assert parser.head.status in {200, 204, 304}


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        CHUNKED + b"5\r\nhello\r\n",
        CHUNKED + b"9\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        CHUNKED + b"zz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ],
)
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_broken_responses_are_errors(data: bytes, sizes: list[int]) -> None:
    parser, _ = parse(data, sizes)
    assert isinstance(parser.error, httpx2.TransportError)
    assert not parser.is_complete
    assert not parser.can_reuse


def test_a_head_request_has_no_body() -> None:
    parser, body = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", [7], has_body=False)
    assert parser.is_complete
    assert body == b""


def test_headers_without_end_are_refused() -> None:
    parser = ResponseParser()
    parser.feed(b"HTTP/1.1 200 OK\r\n")
    for _ in range(100):
        parser.feed(b"x-filler: " + b"x" * 4096 + b"\r\n")
    assert isinstance(parser.error, httpx2.RemoteProtocolError)
