"""Run the published clients on finished streams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ui_message_stream.chunks import Chunk
from ui_message_stream.messages import UIMessage
from ui_message_stream.sse import frame

from tests.harness.node import NodeProcess

__all__ = ["NEWEST", "Reader"]

NEWEST = "7.0.173"


class Reader:
    """A Node process with every release that `tests/clients` installs."""

    def __init__(self, node: NodeProcess) -> None:
        self._node = node

    @staticmethod
    def start() -> NodeProcess:
        return NodeProcess(Path(__file__).parent / "npm" / "reader.mjs")

    def read(
        self, chunks: Iterable[Chunk], message: UIMessage | None = None, release: str = NEWEST
    ) -> Any:
        """Return what a client has after it read chunks: see `read` in reader.mjs.

        Args:
            message: The assistant message that the chunks continue.
        """
        return self.read_body(b"".join(map(frame, chunks)).decode(), message, release)

    def read_body(self, body: str, message: UIMessage | None = None, release: str = NEWEST) -> Any:
        """Return the same for the body of a response."""
        before = message and message.to_object()
        return self._node.call("read", release=release, body=body, message=before)

    def accept(self, streams: Sequence[Iterable[Chunk]], release: str) -> list[str | None]:
        """Return for each stream the error on which the transport of a release stops, or None."""
        bodies = [b"".join(map(frame, chunks)).decode() for chunks in streams]
        return self.accept_bodies(bodies, release)

    def accept_bodies(self, bodies: Sequence[str], release: str = NEWEST) -> list[str | None]:
        """Return the same for the bodies of responses."""
        errors: list[str | None] = self._node.call("accept", release=release, bodies=bodies)
        return errors

    def requests(self, chunks: Iterable[Chunk], message: UIMessage | None, release: str) -> int:
        """Return how many requests a client that continues automatically sends.

        The response to each request is these chunks.
        """
        body = b"".join(map(frame, chunks)).decode()
        before = message and message.to_object()
        count: int = self._node.call("requests", release=release, body=body, message=before)
        return count

    def parse(self, texts: list[str]) -> list[dict[str, Any]]:
        """Return what the newest client parses from incomplete JSON texts."""
        values: list[dict[str, Any]] = self._node.call("parse", release=NEWEST, texts=texts)
        return values
