"""UI chunks in a normal form: equal streams are equal values."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any

__all__ = ["Chunks", "normal_form"]

#: UI chunks as JSON objects.
Chunks = list[dict[str, Any]]

#: Delta type → the key of its text, and of the block or call that it belongs to.
_DELTAS = {
    "text-delta": ("delta", "id"),
    "reasoning-delta": ("delta", "id"),
    "tool-input-delta": ("inputTextDelta", "toolCallId"),
}
_GENERATED = ("messageId", "sourceId")


def normal_form(chunks: Sequence[dict[str, Any]]) -> Chunks:
    """Return the chunks with ids in the order of their blocks, without generated ids, with the
    deltas of a block merged, and with JSON texts as values."""
    normal: Chunks = []
    #: open block → how many blocks began before it
    ids: dict[tuple[str, str], str] = {}
    count = 0
    for original in chunks:
        chunk = {key: value for key, value in original.items() if key not in _GENERATED}
        kind = chunk["type"]
        family = kind.rpartition("-")[0]
        if family in ("text", "reasoning"):
            if kind.endswith("-start"):
                ids[family, chunk["id"]] = f"#{count}"
                count += 1
            chunk["id"] = ids.get((family, chunk["id"]), chunk["id"])
        if kind in _DELTAS and _is_merged(normal, chunk):
            continue
        normal.append(chunk)
    return [_with_json(chunk) for chunk in normal]


def _is_merged(normal: Chunks, chunk: dict[str, Any]) -> bool:
    """Whether a delta was merged into the one before it, or is empty."""
    text, owner = _DELTAS[chunk["type"]]
    if chunk.get("providerMetadata"):
        return False
    if not chunk[text]:
        return True
    before = normal[-1] if normal else {}
    if before.get("type") != chunk["type"] or before[owner] != chunk[owner]:
        return False
    if before.get("providerMetadata"):
        return False
    before[text] += chunk[text]
    return True


def _with_json(chunk: dict[str, Any]) -> dict[str, Any]:
    """Return the chunk with a call's streamed input or error as a value: the spacing of JSON does
    not matter."""
    for kind, key in (("tool-input-delta", "inputTextDelta"), ("tool-output-error", "errorText")):
        if chunk["type"] == kind:
            with contextlib.suppress(ValueError):
                return {**chunk, key: json.loads(chunk[key])}
    return chunk
