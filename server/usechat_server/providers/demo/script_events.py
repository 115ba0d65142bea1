"""What the script of a demo response consists of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["CallTool", "Fail", "Say", "ScriptEvent", "ShowFile", "Source", "Think"]


@dataclass(frozen=True, slots=True)
class Think:
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """A web page that a text cites."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Say:
    text: str
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class ShowFile:
    media_type: str
    #: a data URL
    url: str


@dataclass(frozen=True, slots=True)
class CallTool:
    """A tool call. The calls of one step run in parallel."""

    tool: str
    input: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fail:
    """The provider fails."""


ScriptEvent = Think | Say | ShowFile | CallTool | Fail
