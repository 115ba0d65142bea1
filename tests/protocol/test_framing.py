"""Any framing of a stream: our decoder and checker against every published client."""

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


def within(event: str) -> str:
    return BEFORE + event + AFTER + FINISH + DONE


HELLO = f"data: {delta('Hello')}\n\n"
WHOLE = within(HELLO)


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (WHOLE, "Hello"),
        (WHOLE.replace("\n", "\r\n"), "Hello"),
        (WHOLE.replace("\n", "\r"), "Hello"),
        ("\ufeff" + WHOLE, "Hello"),
        (WHOLE.replace("data: ", "data:"), "Hello"),
        (WHOLE.replace("\n\n", "\n: keep-alive\n\n: again\n\n"), "Hello"),
        (WHOLE.replace("data: ", "event: chunk\nid: 1\nretry: 5\ndata: "), "Hello"),
        (within(HELLO.replace(",", ",\ndata: ")), "Hello"),
        (within("event: ping\n\n" + HELLO), "Hello"),
        (within(f"data: {delta('é' * 300_000)}\n\n"), "é" * 300_000),
        (within(f"data: {delta(chr(0xD83D))}\n\ndata: {delta(chr(0xDE00))}\n\n"), "😀"),
        (WHOLE.removesuffix(DONE), "Hello"),
        (BEFORE + HELLO, "Hello"),
        (BEFORE + HELLO + HELLO.removesuffix("\n"), "Hello"),
        (BEFORE + DONE + HELLO + AFTER + FINISH, "Hello"),
        ('{"error":"overloaded"}', ""),
        ("", ""),
        (within("data:\n\n"), None),
        (within("data: Hello\n\n"), None),
        (within('data: {"type":"data-x","data":NaN}\n\n'), None),
        (within("data: []\n\n"), None),
        (within("data: null\n\n"), None),
        (within('data: {"type":"ping"}\n\n'), None),
        (within("event: ping\ndata: {}\n\n"), None),
        (within('data: {"type":"data-x","data":[{"__proto__":1}]}\n\n'), None),
        (within('data: {"type":"data-x","data":{"constructor":{"prototype":1}}}\n\n'), None),
    ],
)
def test_a_client_shows_what_we_read_and_throws_where_we_say_so(
    reader: Reader, body: str, shown: str | None, release: str
) -> None:
    answer = reader.read_body(body, release=release)
    fatal = [finding for finding in check(body.encode()) if finding.fatal]
    if shown is None:
        assert answer["error"] is not None
        assert fatal
    else:
        assert answer["error"] is None
        assert fatal == []
        theirs = [p for p in answer["message"]["parts"] if answer["message"]["role"] == "assistant"]
        assert "".join(part.get("text", "") for part in theirs) == shown
        assert text_of(decoded(body)) == shown


def decoded(body: str) -> UIMessage:
    decoder = Decoder()
    events = [*decoder.feed(body.encode()), *decoder.end()]
    return reduce(parse_chunk(json_codec.decode(event)) for event in events if event != "[DONE]")


def text_of(message: UIMessage) -> str:
    return "".join(part.text for part in message.parts if isinstance(part, TextPart))
