"""Tools that the model may call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["ClientTool"]


@dataclass(frozen=True, slots=True)
class ClientTool:
    """A tool that the page runs: it answers with `addToolOutput`, which starts a continuation."""

    name: str
    description: str
    #: JSON Schema of the input, an object
    input_schema: dict[str, Any]
    #: shown by the page (AI SDK 6 and later)
    title: str | None = None
