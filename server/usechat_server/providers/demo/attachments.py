"""What the demo model sees of the files that came with a question."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from ui_message_stream.messages import FilePart

__all__ = ["describe"]

#: Lines of a text that are shown.
_LINES = 8


def describe(files: Sequence[FilePart]) -> str:
    """Names, types, sizes, and how texts begin."""
    said = [f"You sent {len(files)} file{'s' if len(files) > 1 else ''}:"]
    for file in files:
        content = _content(file.url)
        size = "elsewhere" if content is None else f"{len(content):,} bytes"
        said.append(f"- **{file.filename or 'a file'}**: `{file.media_type}`, {size}")
    for file in files:
        content = _content(file.url)
        if content is not None and file.media_type.startswith("text/"):
            lines = content.decode(errors="replace").splitlines()[:_LINES]
            said += [f"\n`{file.filename or 'It'}` begins like this:", "```text", *lines, "```"]
    return "\n".join(said)


def _content(url: str) -> bytes | None:
    """What a data URL holds; None for other addresses."""
    head, _, data = url.partition(",")
    if not head.startswith("data:") or not head.endswith(";base64"):
        return None
    try:
        return base64.b64decode(data)
    except binascii.Error:
        return None
