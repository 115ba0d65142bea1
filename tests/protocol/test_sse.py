"""Server-sent events: the examples of the HTML standard, and bytes split anywhere."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui_message_stream.chunks import Finish, TextDelta
from ui_message_stream.sse import DONE, HEADERS, Decoder, comment, frame

_PIECES = st.lists(
    st.sampled_from(
        [
            *("data: a", "data:b", "data:  c", "data", "data:", "data: [DONE]", "data: é😀"),
            *(": keep-alive", ":", "event: ping", "id: 1", "retry: 5", "dat", "data : x", "\ufeff"),
            *("\n", "\n", "\n", "\r", "\r\n", "\n\n", "\r\n\r\n", "\r\r"),
        ]
    ),
    max_size=30,
)


def decode(*packets: bytes) -> list[str]:
    decoder = Decoder()
    return [event for packet in packets for event in decoder.feed(packet)] + decoder.end()


def decode_by_the_standard(text: str) -> list[str]:
    """Return the events of a complete stream, following the HTML standard literally."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    events, data = [], []
    for line in lines[:-1]:
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        elif not line and data:
            events.append("\n".join(data))
            data = []
    return events


@given(_PIECES, st.data())
def test_any_stream_split_anywhere_has_the_events_of_the_standard(
    pieces: list[str], data: st.DataObject
) -> None:
    body = "".join(pieces).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    packets = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert decode(*packets) == decode_by_the_standard("".join(pieces))


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"data: a\n\ndata: b\n\n", ["a", "b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
        (b"data: a\r\rdata: b\r\r", ["a", "b"]),
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b"data:a\n\ndata:  b\n\n", ["a", " b"]),
        (b": hello\n\ndata: a\n: between\n\n", ["a"]),
        (b"event: ping\nid: 7\nretry: 5\ndata: a\n\n", ["a"]),
        (b"event: ping\n\n", []),
        (b"data: a\ndata: b\n\n", ["a\nb"]),
        (b"data:\n\ndata\n\n", ["", ""]),
        (b"DATA: a\n\ndata a\n\n", []),
        (b"data: a\xffb\n\n", ["a\ufffdb"]),
        (b"data: \xf0\x9f\x98\n\n", ["\ufffd"]),
        (b"data: a\n\ndata: lost", ["a"]),
        (b"data: a\n\ndata: lost\n", ["a"]),
        (b"data: a\n\ndata: [DONE]\n\n", ["a", "[DONE]"]),
    ],
)
def test_framing(body: bytes, events: list[str]) -> None:
    assert decode(body) == events
    assert decode(*(body[i : i + 1] for i in range(len(body)))) == events


def test_an_event_is_returned_with_its_blank_line() -> None:
    decoder = Decoder()
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\n") == ["a"]
    assert decoder.feed(b"data: b\r\n\r") == []
    assert decoder.feed(b"\n") == ["b"]
    # A CR is a line end by itself only if something other than LF follows.
    assert decoder.feed(b"data: c\r\rdata") == ["c"]


@pytest.mark.parametrize(
    ("body", "unfinished"),
    [
        (b"", False),
        (b"data: a\n\n", False),
        (b"data: a\n\n: keep-alive", False),
        (b"data: a\n\nevent: x\n", False),
        (b"event: x", False),
        (b'{"error":"overloaded"}', False),
        (b"data: a", True),
        (b"data: a\n", True),
        (b"dat", True),
        (b"data", True),
    ],
)
def test_an_unfinished_event_is_reported_and_dropped(body: bytes, unfinished: bool) -> None:
    decoder = Decoder()
    for at in range(len(body)):
        decoder.feed(body[at : at + 1])
    assert "a" not in decoder.end()
    assert decoder.has_unfinished_event is unfinished


def test_a_long_event_in_many_packets_takes_linear_time() -> None:
    # With quadratic time, this test would exceed its time limit.
    decoder = Decoder()
    packet = b"x" * 8
    events = decoder.feed(b"data: ")
    for _ in range(500_000):
        events += decoder.feed(packet)
    events += decoder.feed(b"\n\n")
    assert [len(event) for event in events] == [4_000_000]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_frame_is_one_event_for_any_text(text: str) -> None:
    [event] = decode(frame(TextDelta(id="0", delta=text)))
    assert json.loads(event) == {"type": "text-delta", "id": "0", "delta": text}


def test_comments_done_and_headers() -> None:
    assert frame(Finish()) == b'data: {"type":"finish"}\n\n'
    assert decode(comment(), comment("stream-open"), DONE) == ["[DONE]"]
    assert dict(HEADERS) == {
        "content-type": "text/event-stream",
        "cache-control": "no-cache, no-transform",
        "x-accel-buffering": "no",
        "x-vercel-ai-ui-message-stream": "v1",
    }
