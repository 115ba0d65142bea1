"""Server-sent events as this protocol uses them: one chunk per event, comments as keep-alive.

Only `data` has a meaning: `event`, `id` and `retry` are allowed and ignored, as by every client
(`@ai-sdk/provider-utils`, `parse-json-event-stream.ts`, on top of `eventsource-parser`).
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from ui_message_stream.chunks import Chunk, encode_chunk
from ui_message_stream.versions import (
    KNOWN_EVERYWHERE,
    ChunkVariant,
    ClientVersion,
    VersionedChunk,
    downgrade,
)

__all__ = ["DONE", "HEADERS", "Decoder", "comment", "frame", "frames"]

#: The last event. Clients stop at the end of the response: close the connection after it.
DONE = b"data: [DONE]\n\n"

#: Response headers. No client reads them: they stop proxies from buffering, changing and caching.
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "content-type": "text/event-stream",
        "cache-control": "no-cache, no-transform",
        "x-accel-buffering": "no",
        "x-vercel-ai-ui-message-stream": "v1",
    }
)


def frame(chunk: Chunk) -> bytes:
    """Encode a chunk as one event.

    Args:
        chunk: The chunk.

    Returns:
        The bytes of the event, with the blank line that ends it.

    Raises:
        TypeError: A value in the chunk has no JSON form.
    """
    return b"data: %b\n\n" % encode_chunk(chunk)


def comment(text: str = "keep-alive") -> bytes:
    """Encode a comment, which clients ignore and proxies count as traffic.

    Args:
        text: A single line.

    Returns:
        The bytes of the comment, with the blank line that ends it.
    """
    return f": {text}\n\n".encode()


class Decoder:
    """Incremental decoder of the events in the bytes of a response.

    Line ends are LF, CR or CRLF; a BOM at the start is dropped; bytes that are not UTF-8 become
    U+FFFD. Takes time linear in the input.
    """

    def __init__(self) -> None:
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._at_start = True
        #: pieces of the last line, which are joined once its end arrives
        self._line: list[str] = []
        #: a CR at the end of the last bytes, which an LF may follow
        self._pending_cr = ""
        #: data lines of the current event
        self._data: list[str] = []

    @property
    def has_unfinished_event(self) -> bool:
        """Whether an event with data has begun and its blank line has not arrived."""
        field = "".join(self._line)[:4]
        return bool(self._data) or (field != "" and "data".startswith(field))

    def feed(self, data: bytes) -> list[str]:
        """Return the data of each event that the bytes complete.

        Args:
            data: The next bytes of the response, split anywhere.

        Returns:
            One text for each event, `[DONE]` included. Several data lines are joined by LF.
        """
        return self._feed_text(self._utf8.decode(data))

    def end(self) -> list[str]:
        """Return the data of the events that the end of the response completes.

        That is an event which ended in a bare CR: it is complete by the HTML standard, while
        `eventsource-parser` 3 waits for an LF and loses it. An unfinished event is dropped.
        """
        return self._feed_text(self._utf8.decode(b"", final=True), final=True)

    def _feed_text(self, text: str, *, final: bool = False) -> list[str]:
        if self._at_start and text:
            self._at_start = False
            text = text.removeprefix("\ufeff")
        text = self._pending_cr + text
        self._pending_cr = ""
        if "\r" in text:
            if text[-1] == "\r" and not final:
                self._pending_cr = "\r"
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
        return self._parse_lines(first, lines)

    def _parse_lines(self, first: str, lines: list[str]) -> list[str]:
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
    """Encode chunks for a client version: one event for each chunk that it can be sent.

    Args:
        chunks: The chunks, in order.
        client_version: The oldest client that reads the stream.

    Returns:
        The bytes of the events; empty if no chunk can be sent.

    Raises:
        TypeError: A value in a chunk has no JSON form.
    """
    data: list[bytes] = []
    for variant in chunks:
        if (
            not isinstance(variant, VersionedChunk)
            and type(variant) in KNOWN_EVERYWHERE
            and variant.extra is None
        ):
            data.append(b"data: %b\n\n" % encode_chunk(variant))
        elif (chunk := downgrade(variant, client_version)) is not None:
            data.append(frame(chunk))
    return b"".join(data)
