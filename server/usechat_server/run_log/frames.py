"""Chunks as the bytes that clients from one floor on read."""

from __future__ import annotations

from collections.abc import Iterable

from ui_message_stream.sse import frame
from ui_message_stream.versions import Floor, Form, project

__all__ = ["frames"]


def frames(chunks: Iterable[Form], floor: Floor) -> bytes:
    """One event for each chunk that may be sent at the floor.

    Raises TypeError if a value in a chunk has no JSON form.
    """
    return b"".join(
        [frame(shown) for chunk in chunks if (shown := project(chunk, floor)) is not None]
    )
