"""What the model is told of a tool, whoever runs it."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from usechat_server.tools.content import ModelContent, ToModelOutput, model_content

__all__ = ["ClientTool", "DeclaredTool", "ProviderTool"]

_log = logging.getLogger("usechat.tools")

#: What providers take as a name.
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class DeclaredTool:
    """A tool that the app declares to the model. Raises ValueError for a name that providers
    refuse."""

    name: str
    description: str
    #: JSON Schema of the input, an object
    input_schema: dict[str, Any]
    #: shown by the page (AI SDK 6 and later)
    title: str | None = None
    #: provider → further keys of the tool's definition, as that provider names them, such as
    #: `{"anthropic": {"defer_loading": True}}`
    provider_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: what else the page shall know of the tool, as JSON (AI SDK 7)
    tool_metadata: Mapping[str, Any] | None = None
    #: whether the page learns of the tool only from its calls: their parts are `dynamic-tool`
    dynamic: bool = False
    #: what the model is shown of an output; None: its JSON
    to_model_output: ToModelOutput | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"{self.name!r} cannot be the name of a tool: providers take 1 to 128 letters "
                "(a-z), digits, underscores and hyphens"
            )

    def model_output(self, output: Any) -> list[ModelContent]:
        """What the model is shown of an output, as the page has it."""
        if self.to_model_output is None:
            return model_content(output)
        try:
            return model_content(self.to_model_output(output))
        except Exception:
            # It would end the conversation for good: the output stays in the history. And a page
            # can send back what it likes.
            _log.exception("to_model_output of %s failed; the model is shown the JSON", self.name)
            return model_content(output)


@dataclass(frozen=True, slots=True)
class ClientTool(DeclaredTool):
    """A tool that the page runs: it answers with `addToolOutput`, which starts a continuation."""


@dataclass(frozen=True, slots=True)
class ProviderTool:
    """A tool that the model's provider runs. Each provider has functions that make its own."""

    name: str
    #: whose tool it is, such as `anthropic`
    provider: str
