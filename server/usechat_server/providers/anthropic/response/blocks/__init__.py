"""Content blocks → UI message chunks: one translator per type of block.

Source of the rules: what the AI SDK's own server makes of the same stream; `docs/anthropic.md`
lists the differences, with reasons. To support another type, write its translator and add it to
`TRANSLATORS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from usechat_server.providers.anthropic.response.blocks.base import (
    BlockTranslator,
    ResponseContext,
)
from usechat_server.providers.anthropic.response.blocks.opaque import (
    FallbackTranslator,
    OpaqueTranslator,
)
from usechat_server.providers.anthropic.response.blocks.text import (
    CompactionTranslator,
    TextTranslator,
)
from usechat_server.providers.anthropic.response.blocks.thinking import (
    RedactedThinkingTranslator,
    ThinkingTranslator,
)
from usechat_server.providers.anthropic.response.blocks.tool_results import (
    AdvisorResultTranslator,
    McpResultTranslator,
    ProviderResultTranslator,
    WebFetchResultTranslator,
    WebSearchResultTranslator,
)
from usechat_server.providers.anthropic.response.blocks.tool_use import (
    McpToolUseTranslator,
    ToolUseTranslator,
    provider_tool_use_translator,
)

__all__ = ["TRANSLATORS", "BlockTranslator", "translator_class"]

#: Creates a translator from the block's id, the block as it starts, and the response's context.
#: Raises msgspec.ValidationError for a block that is not what the API sends.
TranslatorClass = Callable[[str, dict[str, Any], ResponseContext], BlockTranslator]

TRANSLATORS: Mapping[str, TranslatorClass] = {
    "text": TextTranslator,
    "compaction": CompactionTranslator,
    "thinking": ThinkingTranslator,
    "redacted_thinking": RedactedThinkingTranslator,
    "tool_use": ToolUseTranslator,
    "server_tool_use": provider_tool_use_translator,
    "web_search_tool_result": WebSearchResultTranslator,
    "web_fetch_tool_result": WebFetchResultTranslator,
    "code_execution_tool_result": ProviderResultTranslator,
    "bash_code_execution_tool_result": ProviderResultTranslator,
    "text_editor_code_execution_tool_result": ProviderResultTranslator,
    "tool_search_tool_result": ProviderResultTranslator,
    "advisor_tool_result": AdvisorResultTranslator,
    "mcp_tool_use": McpToolUseTranslator,
    "mcp_tool_result": McpResultTranslator,
    "fallback": FallbackTranslator,
    "container_upload": OpaqueTranslator,
    "mcp_tool_listing": OpaqueTranslator,
}


def translator_class(block_type: Any) -> TranslatorClass:
    """Return the translator for a type of block.

    Unknown types do no harm: the result of a provider-executed tool is shown as it is, anything
    else goes back to the provider without being shown.
    """
    name = str(block_type)
    is_result = name.endswith("_tool_result")
    return TRANSLATORS.get(name, ProviderResultTranslator if is_result else OpaqueTranslator)
