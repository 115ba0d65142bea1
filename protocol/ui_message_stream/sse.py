"""Server-sent events as this protocol uses them: one chunk per event, and comments to keep alive.

Only `data` has a meaning: `event`, `id` and `retry` are allowed and ignored, as by every client
(`@ai-sdk/provider-utils`, `parse-json-event-stream.ts`, on top of `eventsource-parser`).
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from ui_message_stream.chunks import Chunk, encode_chunk
from ui_message_stream.versions import ChunkVariant, ClientVersion, downgrade

__all__ = ["DONE", "HEADERS", "Decoder", "comment", "frame", "frames"]

#: The last event. Clients end at the end of the response, so close the connection after it.
DONE = b"data: [DONE]\n\n"

#: No client reads them; they keep proxies from holding back, changing or storing the stream.
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "content-type": "text/event-stream",
        "cache-control": "no-cache, no-transform",
        "x-accel-buffering": "no",
        "x-vercel-ai-ui-message-stream": "v1",
    }
)


def frame(chunk: Chunk) -> bytes:
    """The chunk as one event. Raises TypeError if a value in it has no JSON form."""
    return b"data: %b\n\n" % encode_chunk(chunk)


def comment(text: str = "keep-alive") -> bytes:
    """A comment of one line, which clients ignore and proxies count as traffic."""
    return f": {text}\n\n".encode()


class Decoder:
    """Finds the events in the bytes of a response, however they were split.

    Line ends are LF, CR or CRLF; a BOM at the start is dropped; bytes that are not UTF-8 become
    U+FFFD. Takes time linear in the input.
    """

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._at_start = True
        #: the last line so far, in pieces: joined once, when its end arrives
        self._line: list[str] = []
        #: a CR at the end of a packet, of which nobody knows yet whether an LF follows
        self._held = ""
        #: the data lines of the event so far
        self._data: list[str] = []

    @property
    def unfinished(self) -> bool:
        """Whether an event with data has begun whose blank line did not arrive."""
        begun = "".join(self._line)[:4]
        return bool(self._data) or (begun != "" and "data".startswith(begun))

    def feed(self, data: bytes) -> list[str]:
        """The data of each event that is complete now, `[DONE]` too; several lines joined by LF."""
        return self._lines(self._utf8.decode(data))

    def end(self) -> list[str]:
        """The same for the end of the response. An unfinished last event is dropped.

        What can be left is an event that a CR ended: the HTML standard counts it as complete,
        `eventsource-parser` 3 waits for an LF and loses it.
        """
        return self._lines(self._utf8.decode(b"", final=True), final=True)

    def _lines(self, text: str, *, final: bool = False) -> list[str]:
        if self._at_start and text:
            self._at_start = False
            text = text.removeprefix("\ufeff")
        text = self._held + text
        self._held = ""
        if "\r" in text:
            if text[-1] == "\r" and not final:
                self._held = "\r"
                text = text[:-1]
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        first, *lines = text.split("\n")
        if not lines:
            if first:
                self._line.append(first)
            return []
        if self._line:
            self._line.append(first)
            first = "".join(self._line)
            self._line.clear()
        if rest := lines.pop():
            self._line.append(rest)
        return self._events(first, lines)

    def _events(self, first: str, lines: list[str]) -> list[str]:
        events: list[str] = []
        data = self._data
        for line in (first, *lines):
            if line.startswith("data:"):
                data.append(line[6:] if line[5:6] == " " else line[5:])
            elif line == "data":
                data.append("")
            elif not line and data:
                events.append(data[0] if len(data) == 1 else "\n".join(data))
                data.clear()
        return events


def frames(chunks: Iterable[ChunkVariant], client_version: ClientVersion) -> bytes:
    """One event for each chunk that may be sent at the client version.

    Raises TypeError if a value in a chunk has no JSON form.
    """
    return b"".join(
        [
            frame(chunk)
            for variant in chunks
            if (chunk := downgrade(variant, client_version)) is not None
        ]
    )
