"""One response as it arrives: its head, its body, and whether it is complete. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import httpx2
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

__all__ = ["ResponseHead", "ResponseParser"]

#: Bytes of the status line and headers at most, informational responses included. The parser
#: itself has no limit.
_MAX_HEAD_BYTES = 256 * 1024
#: Bytes after a message that cannot belong to it.
_EXCESS = "bytes after the end of the response"


class ResponseHead(NamedTuple):
    """The status line and headers of a response."""

    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]


class ResponseParser:
    """Parses the response to one request. Informational responses before it are skipped.

    Args:
        has_body: False for the response to a HEAD request.
    """

    def __init__(self, *, has_body: bool = True) -> None:
        #: set once all headers have arrived
        self.head: ResponseHead | None = None
        #: the pieces of the body that were not taken yet, and at most how many bytes they have
        self.pieces: list[bytes] = []
        self.buffered: int = 0
        self.is_complete: bool = False
        #: why there is no more, if the response is not complete
        self.error: httpx2.TransportError | None = None
        #: whether any byte has arrived
        self.has_begun: bool = False
        #: whether the server takes another request on this connection
        self.can_reuse: bool = False
        self._has_body = has_body
        self._head_bytes = 0
        self._reason = b""
        self._headers: list[tuple[bytes, bytes]] = []
        # A callback of the parser, for which no Python code runs.
        self.on_body: Callable[[bytes], None] = self.pieces.append
        self._parser: HttpResponseParser | None = HttpResponseParser(self)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        return self.is_complete or self.error is not None

    def feed(self, data: bytes) -> None:
        """Parse what has arrived."""
        parser = self._parser
        if parser is None:  # complete, and the server goes on
            self.can_reuse = False
            return
        self.has_begun = True
        self.buffered += len(data)
        if self.head is None:
            self._head_bytes += len(data)
        try:
            parser.feed_data(data)
        except HttpParserUpgrade:
            self._fail("the server switched to another protocol")
        except HttpParserError as error:
            self._fail(str(error) or type(error).__name__)
        if self.head is None and self._head_bytes > _MAX_HEAD_BYTES:
            self._fail(f"the headers have more than {_MAX_HEAD_BYTES} bytes")

    def connection_lost(self, error: Exception | None) -> None:
        """Note that the connection was closed, or with an error reset."""
        if self.has_ended:
            return
        if self.head is not None and error is None and _ends_with_connection(self.head):
            self._complete()
        elif not self.has_begun:
            self.error = httpx2.RemoteProtocolError("the server closed the connection unanswered")
        else:
            self.error = httpx2.ReadError(str(error or "the connection ended inside the response"))
        self._parser = None

    def take(self) -> bytes:
        """Return all of the body that has arrived and was not taken yet."""
        pieces = self.pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.buffered = 0
        return data

    def _fail(self, text: str) -> None:
        self.can_reuse = False
        self._parser = None
        if not self.is_complete:
            self.error = self.error or httpx2.RemoteProtocolError(text)

    def _complete(self) -> None:
        self.is_complete = True
        self._parser = None

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        if self.is_complete:
            raise ValueError(_EXCESS)
        self._reason, self._headers = b"", []

    def on_status(self, status: bytes) -> None:
        self._reason += status

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = cast(HttpResponseParser, self._parser).get_status_code()
        if status < 200:
            return
        self.head = ResponseHead(status, self._reason, self._headers)
        if not self._has_body:
            self._complete()

    def on_message_complete(self) -> None:
        if self.head is not None and self._parser is not None:
            self.can_reuse = self._parser.should_keep_alive()
            self._complete()


def _ends_with_connection(head: ResponseHead) -> bool:
    """Whether the end of the connection is the end of the body (RFC 9112, section 6.3)."""
    headers = {name.lower(): value.lower() for name, value in head.headers}
    if b"transfer-encoding" in headers:
        return not headers[b"transfer-encoding"].rstrip().endswith(b"chunked")
    return b"content-length" not in headers
