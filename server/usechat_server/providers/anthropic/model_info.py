"""What a model has not got of what an agent asks for, as the provider's model list says.

Source: `types/model_capabilities.py` of the `anthropic` SDK.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from usechat_server.providers.anthropic.options import AnthropicOptions
from usechat_server.tools import ProviderTool, Tool

__all__ = ["asked", "unsupported"]


def unsupported(
    options: AnthropicOptions, tools: Sequence[Tool], model: Mapping[str, Any]
) -> list[str]:
    """The options and tools that the model of this entry of the list does not have. What the entry
    does not name may well work."""
    capabilities = model.get("capabilities") or {}
    return [name for name, path in asked(options, tools) if _lacks(capabilities, path)]


def asked(
    options: AnthropicOptions, tools: Sequence[Tool]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What is asked for, and where an entry of the list says whether the model has it."""
    if options.thinking:
        kind = options.thinking["type"]
        yield f"thinking {kind}", ("thinking", "types", kind)
    if options.effort:
        yield f"effort {options.effort}", ("effort", options.effort)
    if options.output_format is not None:
        yield "output_format", ("structured_outputs",)
    if options.citations:
        yield "citations", ("citations",)
    for edit in options.context_management["edits"] if options.context_management else ():
        yield f"context_management {edit['type']}", ("context_management", edit["type"])
    for tool in tools:
        if isinstance(tool, ProviderTool):
            yield tool.name, ("server_tools", tool.name)


def _lacks(capabilities: Any, path: Sequence[str]) -> bool:
    for name in path:
        if not isinstance(capabilities, dict) or name not in capabilities:
            return False
        capabilities = capabilities[name]
    return isinstance(capabilities, dict) and capabilities.get("supported") is False
