"""The published clients as readers of finished streams, for tests."""

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
    """Node with every release that `tests/clients` installs."""

    def __init__(self, node: NodeProcess) -> None:
        self._node = node

    @staticmethod
    def start() -> NodeProcess:
        return NodeProcess(Path(__file__).parent / "npm" / "reader.mjs")

    def read(
        self, chunks: Iterable[Chunk], message: UIMessage | None = None, release: str = NEWEST
    ) -> Any:
        """What a client has after the chunks, with `message` before: see `read` in reader.mjs."""
        return self.read_body(b"".join(map(frame, chunks)).decode(), message, release)

    def read_body(self, body: str, message: UIMessage | None = None, release: str = NEWEST) -> Any:
        """The same of the body of a response."""
        before = message and message.to_object()
        return self._node.call("read", release=release, body=body, message=before)

    def accept(self, streams: Sequence[Iterable[Chunk]], release: str) -> list[str | None]:
        """For each stream, the error on which the transport of a release stops, or None."""
        bodies = [b"".join(map(frame, chunks)).decode() for chunks in streams]
        return self.accept_bodies(bodies, release)

    def accept_bodies(self, bodies: Sequence[str], release: str = NEWEST) -> list[str | None]:
        """The same of the bodies of responses."""
        answer: list[str | None] = self._node.call("accept", release=release, bodies=bodies)
        return answer

    def requests(self, chunks: Iterable[Chunk], message: UIMessage | None, release: str) -> int:
        """How often a client that continues automatically asks who always answers these chunks."""
        body = b"".join(map(frame, chunks)).decode()
        before = message and message.to_object()
        asked: int = self._node.call("requests", release=release, body=body, message=before)
        return asked

    def parse(self, texts: list[str]) -> list[dict[str, Any]]:
        """What the newest client makes of JSON texts that are not whole."""
        answer: list[dict[str, Any]] = self._node.call("parse", release=NEWEST, texts=texts)
        return answer
