"""Decode SSE bodies: compared with the decoder that follows the standard line by line."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ui_message_stream.sse import Decoder
from usechat_server.errors import ModelError
from usechat_server.providers import sse
from usechat_server.providers.sse import SSEDecoder

_lines = st.sampled_from(
    [
        "event: content_block_delta",
        "event: ping",
        'data: {"type":"ping"}',
        'data:{"text":"é😀"}',
        "data: first",
        "data:  second",
        "data",
        "data: ",
        ": comment",
        "id: 7",
        "retry: 10",
        "dataset: no",
        "",
        "",
        "",
    ]
)
_ends = st.sampled_from(["\n", "\n", "\r\n", "\r"])


@given(
    st.lists(st.tuples(_lines, _ends), max_size=20),
    st.booleans(),
    st.lists(st.integers(1, 30), min_size=1),
)
@example([("data: a", "\r\n"), ("", "\r\n"), ("data: b", "\r\n"), ("", "\r\n")], True, [1])
def test_payloads_follow_the_standard(
    lines: list[tuple[str, str]], with_bom: bool, sizes: list[int]
) -> None:
    body = "".join(line + end for line, end in lines).encode()
    if with_bom:
        body = b"\xef\xbb\xbf" + body
    standard_decoder = Decoder()
    expected = [data for data in standard_decoder.feed(body) + standard_decoder.end() if data]

    decoder = SSEDecoder()
    payloads: list[bytes] = []
    at = 0
    while at < len(body):
        size = sizes[at % len(sizes)]
        payloads += decoder.feed(body[at : at + size])
        at += size
    assert [payload.decode() for payload in payloads] == expected


def test_an_event_in_many_pieces_takes_linear_time() -> None:
    # 8 MB in pieces of 64 bytes: joining them at every piece would copy half a terabyte.
    piece = b"x" * 64
    decoder = SSEDecoder()
    assert decoder.feed(b"data: ") == []
    for _ in range(125_000):
        assert decoder.feed(piece) == []
    assert decoder.feed(b"\n\n") == [piece * 125_000]


def test_an_event_has_a_largest_size() -> None:
    decoder = SSEDecoder()
    with mock.patch.object(sse, "MAX_EVENT_BYTES", 1000):
        for _ in range(10):  # many events may have more together
            assert decoder.feed(b"data: " + b"x" * 500) == []
            assert len(decoder.feed(b"x" * 300 + b"\n\n")) == 1
        for _ in range(10):
            assert decoder.feed(b"x" * 100) == []
        with pytest.raises(ModelError, match="more than 1000 bytes"):
            decoder.feed(b"x")
