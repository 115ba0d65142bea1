"""Shorten a conversation that is too long for the provider."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ui_message_stream import json_codec

__all__ = ["BEGINNING", "CUT_OFF", "cut", "last_groups", "max_output_bytes"]

CUT_OFF = "… (The rest was left out: the conversation is too long.)"
BEGINNING = "(The beginning was left out: the conversation is too long.)"


def max_output_bytes(max_bytes: int, calls: int) -> int:
    """Return how much stays of a tool's input or output, in a history of so many bytes."""
    return max_bytes // max(2 * calls, 8)


def cut(text: str, max_length: int) -> str:
    """Return the beginning of a text, with a note that it was cut."""
    return text if len(text) <= max_length else text[:max_length] + CUT_OFF


def last_groups(groups: Sequence[Sequence[dict[str, Any]]], max_bytes: int) -> list[dict[str, Any]]:
    """Return the end of a conversation.

    Args:
        groups: The messages of the request; those that cannot be separated are in one group.
        max_bytes: What they may have together. The last group stays, however long it is.
    """
    kept: list[dict[str, Any]] = []
    left = max_bytes
    for group in reversed(groups):
        left -= sum(len(json_codec.encode(message)) for message in group)
        if left < 0 and kept:
            break
        kept[:0] = group
    return kept
