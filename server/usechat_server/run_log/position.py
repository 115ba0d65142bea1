"""Positions in a log, and their text."""

from __future__ import annotations

__all__ = ["Position", "parse_position", "position_id"]

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
