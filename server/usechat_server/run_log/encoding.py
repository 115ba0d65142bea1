"""Encodings: what the bytes of a response are made of a log's chunks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Protocol

from ui_message_stream.sse import DONE, HEADERS, comment, frames
from ui_message_stream.versions import ChunkVariant, ClientVersion

__all__ = ["Encoding", "UIMessageStream", "ui_message_stream"]


class Encoding(Protocol):
    """Encodes a log for one kind of client.

    One that keeps state between calls is for a single reader. Readers that share an encoding share
    the bytes of the newest entry while they are caught up.

    Attributes:
        client_version: What the client can be sent.
        headers: Headers of the response.
        opening: The first bytes, so that hosts send the headers before the first chunk exists;
            empty if the format has nothing to begin with.
        cursor: Where the next chunks end, for a client that comes back; set before each of them is
            encoded on its own. None: the format has no cursors.
    """

    client_version: ClientVersion
    headers: Mapping[str, str]
    opening: bytes
    cursor: str | None

    @property
    def keep_alive(self) -> bytes:
        """What may be sent now during silence; empty: nothing."""
        ...

    @property
    def is_broken(self) -> bool:
        """Whether the response has failed and the format has no way to say so: then its connection
        is broken off."""
        ...

    def encode(self, chunks: Sequence[ChunkVariant]) -> bytes:
        """Return the bytes of the next chunks."""
        ...

    def end(self) -> bytes:
        """Return the last bytes, after the last chunk."""
        ...


class UIMessageStream:
    """The UI message stream, which `useChat` reads. See `Encoding`."""

    headers: Mapping[str, str] = HEADERS
    is_broken = False
    cursor: str | None = None

    def __init__(self, client_version: ClientVersion, *, has_comments: bool = True) -> None:
        """Create the encoding.

        Args:
            client_version: What the client can be sent.
            has_comments: Whether comments may be sent. Some parsers of server-sent events take them
                for data.
        """
        self.client_version = client_version
        self.opening: bytes = comment("stream-open") if has_comments else b""
        self.keep_alive: bytes = comment() if has_comments else b""
        # The function itself, since a method would be one more call for every delta.
        self.encode: Callable[[Sequence[ChunkVariant]], bytes] = partial(
            frames, client_version=client_version
        )

    def end(self) -> bytes:
        return DONE


@lru_cache(maxsize=100)
def ui_message_stream(
    client_version: ClientVersion, *, has_comments: bool = True
) -> UIMessageStream:
    """Return the encoding that the readers of a client version share."""
    return UIMessageStream(client_version, has_comments=has_comments)
