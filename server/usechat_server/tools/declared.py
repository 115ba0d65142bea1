"""What the model is told of a tool, whoever runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from usechat_server.tools.content import ModelContent, ToModelOutput, model_content

__all__ = ["ClientTool", "DeclaredTool", "ProviderTool"]


@dataclass(frozen=True, slots=True)
class DeclaredTool:
    """A tool that the app declares to the model."""

    name: str
    description: str
    #: JSON Schema of the input, an object
    input_schema: dict[str, Any]
    #: shown by the page (AI SDK 6 and later)
    title: str | None = None
    #: provider → further keys of the tool's definition, as that provider names them, such as
    #: `{"anthropic": {"defer_loading": True}}`
    provider_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: whatever the page shall know of the tool, as JSON (AI SDK 7)
    tool_metadata: Mapping[str, Any] | None = None
    #: whether the page knows the tool only at run time: its parts are `dynamic-tool`
    dynamic: bool = False
    #: what the model is shown of an output; None: its JSON
    to_model_output: ToModelOutput | None = None

    def model_output(self, output: Any) -> list[ModelContent]:
        """What the model is shown of an output, as the page has it."""
        return model_content(self.to_model_output(output) if self.to_model_output else output)


@dataclass(frozen=True, slots=True)
class ClientTool(DeclaredTool):
    """A tool that the page runs: it answers with `addToolOutput`, which starts a continuation."""


@dataclass(frozen=True, slots=True)
class ProviderTool:
    """A tool that the model's provider runs. Each provider has functions that make its own."""

    name: str
    #: whose tool it is, such as `anthropic`
    provider: str
