"""What an answer of the demo model is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["BreakOff", "Call", "Say", "ScriptEvent", "Show", "Source", "Think"]


@dataclass(frozen=True, slots=True)
class Think:
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """A page that a text has something from."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Say:
    text: str
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Show:
    """A file of the answer."""

    media_type: str
    #: a data URL
    url: str


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call. What is called in one step runs side by side."""

    tool: str
    input: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BreakOff:
    """The provider fails."""


ScriptEvent = Think | Say | Show | Call | BreakOff
