"""Framings of a stream: our decoder and checker, compared with every published client."""

from __future__ import annotations

import json

import pytest
from ui_message_stream import json_codec
from ui_message_stream.checker import check
from ui_message_stream.chunks import parse_chunk
from ui_message_stream.messages import TextPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.sse import Decoder

from tests.clients.conversation import RELEASES
from tests.protocol.reader import Reader

BEFORE = "".join(
    f"data: {chunk}\n\n"
    for chunk in (
        '{"type":"start","messageId":"m"}',
        '{"type":"start-step"}',
        '{"type":"text-start","id":"0"}',
    )
)
AFTER = 'data: {"type":"text-end","id":"0"}\n\ndata: {"type":"finish-step"}\n\n'
FINISH = 'data: {"type":"finish"}\n\n'
DONE = "data: [DONE]\n\n"


def delta(text: str) -> str:
    return json.dumps({"type": "text-delta", "id": "0", "delta": text})


def complete_stream(event: str) -> str:
    return BEFORE + event + AFTER + FINISH + DONE


HELLO = f"data: {delta('Hello')}\n\n"
COMPLETE = complete_stream(HELLO)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("body", "text"),
    [
        (COMPLETE, "Hello"),
        (COMPLETE.replace("\n", "\r\n"), "Hello"),
        (COMPLETE.replace("\n", "\r"), "Hello"),
        ("\ufeff" + COMPLETE, "Hello"),
        (COMPLETE.replace("data: ", "data:"), "Hello"),
        (COMPLETE.replace("\n\n", "\n: keep-alive\n\n: again\n\n"), "Hello"),
        (COMPLETE.replace("data: ", "event: chunk\nid: 1\nretry: 5\ndata: "), "Hello"),
        (complete_stream(HELLO.replace(",", ",\ndata: ")), "Hello"),
        (complete_stream("event: ping\n\n" + HELLO), "Hello"),
        (complete_stream(f"data: {delta('é' * 300_000)}\n\n"), "é" * 300_000),
        (complete_stream(f"data: {delta(chr(0xD83D))}\n\ndata: {delta(chr(0xDE00))}\n\n"), "😀"),
        (COMPLETE.removesuffix(DONE), "Hello"),
        (BEFORE + HELLO, "Hello"),
        (BEFORE + HELLO + HELLO.removesuffix("\n"), "Hello"),
        (BEFORE + DONE + HELLO + AFTER + FINISH, "Hello"),
        ('{"error":"overloaded"}', ""),
        ("", ""),
        (complete_stream("data:\n\n"), None),
        (complete_stream("data: Hello\n\n"), None),
        (complete_stream('data: {"type":"data-x","data":NaN}\n\n'), None),
        (complete_stream("data: []\n\n"), None),
        (complete_stream("data: null\n\n"), None),
        (complete_stream('data: {"type":"ping"}\n\n'), None),
        (complete_stream("event: ping\ndata: {}\n\n"), None),
        (complete_stream('data: {"type":"data-x","data":[{"__proto__":1}]}\n\n'), None),
        (
            complete_stream('data: {"type":"data-x","data":{"constructor":{"prototype":1}}}\n\n'),
            None,
        ),
    ],
)
def test_clients_show_what_the_decoder_reads_and_throw_where_the_checker_says(
    reader: Reader, body: str, text: str | None, release: str
) -> None:
    result = reader.read_body(body, release=release)
    fatal = [finding for finding in check(body.encode()) if finding.fatal]
    if text is None:
        assert result["error"] is not None
        assert fatal
    else:
        assert result["error"] is None
        assert fatal == []
        client_parts = [
            p for p in result["message"]["parts"] if result["message"]["role"] == "assistant"
        ]
        assert "".join(part.get("text", "") for part in client_parts) == text
        assert text_of(decode_message(body)) == text


def decode_message(body: str) -> UIMessage:
    decoder = Decoder()
    events = [*decoder.feed(body.encode()), *decoder.end()]
    return reduce(parse_chunk(json_codec.decode(event)) for event in events if event != "[DONE]")


def text_of(message: UIMessage) -> str:
    return "".join(part.text for part in message.parts if isinstance(part, TextPart))
