"""Positions in a log, and their text."""

from __future__ import annotations

import re

__all__ = ["Position", "parse_cursor", "parse_position", "position_id"]

_CURSOR = re.compile(r"(?:evt_)?(.*):(\d{1,15}-\d{1,15})", re.ASCII)

#: A place between chunks: the index of an item, and how many characters of it come before if it is
#: a text.
Position = tuple[int, int]


def position_id(position: Position) -> str:
    """Return the text of a position. In Redis it is the id of a stream entry, ordered alike."""
    item, offset = position
    return f"{item}-{offset}"


def parse_position(text: str) -> Position:
    """Return the position that `position_id` returned the text of."""
    item, _, offset = text.partition("-")
    return int(item), int(offset)


def parse_cursor(text: str, log_id: str) -> Position | None:
    """Return the position that a client's cursor names; None: it is no cursor of this log."""
    match = _CURSOR.fullmatch(text)
    return parse_position(match[2]) if match and match[1] == log_id else None
