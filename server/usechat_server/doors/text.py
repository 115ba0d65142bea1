"""Text: the text of the response and nothing else, for `TextStreamChatTransport`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from starlette.requests import Request
from ui_message_stream import chunks as c
from ui_message_stream.versions import ChunkVariant, ClientVersion, downgrade

from usechat_server.chat_request import ChatRequest, parse_request
from usechat_server.doors.base import PLAIN_CLIENT, Door
from usechat_server.doors.text_blocks import TextBlocks
from usechat_server.run_log.encoding import Encoding
from usechat_server.settings import Settings

__all__ = ["TEXT_HEADERS", "OpenCalls", "PlainText", "Text"]

#: No proxy may buffer, change or cache a text that is still written.
TEXT_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "content-type": "text/plain; charset=utf-8",
        "cache-control": "no-cache, no-transform",
        "x-accel-buffering": "no",
    }
)


@dataclass(frozen=True)
class Text(Door):
    """`POST /api/text`, for `TextStreamChatTransport`: the request is that of the chat, the
    response its text.

        app = create_app(agent, doors=[Text()])

    It has no tools, no message ids and no errors: a response that fails is broken off. A run ends
    with its connection.

    Args:
        path: The path of the route, below the prefix.
    """

    path: str = "/text"

    has_chat = True

    def parse(self, request: Request, body: bytes, settings: Settings) -> ChatRequest:
        return parse_request(body, settings)

    def encoding(self, request: Request, client_version: ClientVersion, chat_id: str) -> Encoding:
        return PlainText(client_version)


class PlainText:
    """The text of all steps. See `Encoding`.

    Every byte is part of the text, so nothing can be sent during silence, and a failure can only be
    told by breaking the connection off.
    """

    headers = TEXT_HEADERS
    opening = b""
    keep_alive = b""
    cursor: str | None = None

    def __init__(self, client_version: ClientVersion = PLAIN_CLIENT, separator: str = "") -> None:
        """Create the encoding of one response.

        Args:
            client_version: What the text is taken from.
            separator: Comes between two blocks of text.
        """
        self.client_version = client_version
        self.is_broken: bool = False
        self._blocks = TextBlocks(separator)
        self._calls = OpenCalls()

    def encode(self, chunks: Sequence[ChunkVariant]) -> bytes:
        texts: list[str] = []
        for variant in chunks:
            chunk = downgrade(variant, self.client_version)
            if isinstance(chunk, c.TextDelta | c.TextStart | c.TextEnd):
                texts.append(self._blocks.read(chunk))
            elif chunk is not None and self._calls.are_left_by(chunk):
                self.is_broken = True
        return "".join(texts).encode()

    def end(self) -> bytes:
        return b""


class OpenCalls:
    """Notices a response whose end is none for a client that has no tools: a failure, or calls that
    the client would have to resolve."""

    def __init__(self) -> None:
        self._open: set[str] = set()

    def are_left_by(self, chunk: c.Chunk) -> bool:
        """Read the next chunk. Return whether it ends the response without completing it."""
        if isinstance(chunk, c.ToolInputAvailable):
            self._open.add(chunk.tool_call_id)
        elif isinstance(chunk, c.ToolOutputAvailable | c.ToolOutputError | c.ToolOutputDenied):
            self._open.discard(chunk.tool_call_id)
        return isinstance(chunk, c.Error) or (isinstance(chunk, c.Finish) and bool(self._open))
