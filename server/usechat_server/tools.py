"""Tools that the model may call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ClientTool", "ProviderTool", "Tool"]


@dataclass(frozen=True, slots=True)
class ClientTool:
    """A tool that the page runs: it answers with `addToolOutput`, which starts a continuation."""

    name: str
    description: str
    #: JSON Schema of the input, an object
    input_schema: dict[str, Any]
    #: shown by the page (AI SDK 6 and later)
    title: str | None = None
    #: provider → further keys of the tool's definition, as that provider names them, such as
    #: `{"anthropic": {"defer_loading": True}}`
    provider_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProviderTool:
    """A tool that the model's provider runs. Each provider has functions that make its own."""

    name: str
    #: whose tool it is, such as `anthropic`
    provider: str


Tool = ClientTool | ProviderTool
