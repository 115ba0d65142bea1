"""One translator per content block: what the block's events are as chunks.

Source of the rules: what the AI SDK's own server makes of the same stream; where we differ, and
why, is in `docs/anthropic.md`. To support another block, write its translator and name it in
`TRANSLATORS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from usechat_server.providers.anthropic.response.blocks.base import Block, ResponseContext
from usechat_server.providers.anthropic.response.blocks.opaque import Fallback, Hidden
from usechat_server.providers.anthropic.response.blocks.text import Compaction, Text
from usechat_server.providers.anthropic.response.blocks.thinking import RedactedThinking, Thinking
from usechat_server.providers.anthropic.response.blocks.tool_results import (
    AdvisorResult,
    McpResult,
    ServerResult,
    WebFetchResult,
    WebSearchResult,
)
from usechat_server.providers.anthropic.response.blocks.tool_use import (
    McpToolUse,
    ToolUse,
    server_tool_use,
)

__all__ = ["TRANSLATORS", "Block", "RunResult", "translator"]

Translator = Callable[[str, dict[str, Any], ResponseContext], Block]

#: Content block type → its translator, made with the block's id, its content and the answer.
#: Raises msgspec.ValidationError for content that is not what the API sends.
TRANSLATORS: Mapping[str, Translator] = {
    "text": Text,
    "compaction": Compaction,
    "thinking": Thinking,
    "redacted_thinking": RedactedThinking,
    "tool_use": ToolUse,
    "server_tool_use": server_tool_use,
    "web_search_tool_result": WebSearchResult,
    "web_fetch_tool_result": WebFetchResult,
    "code_execution_tool_result": ServerResult,
    "bash_code_execution_tool_result": ServerResult,
    "text_editor_code_execution_tool_result": ServerResult,
    "tool_search_tool_result": ServerResult,
    "advisor_tool_result": AdvisorResult,
    "mcp_tool_use": McpToolUse,
    "mcp_tool_result": McpResult,
    "fallback": Fallback,
    "container_upload": Hidden,
    "mcp_tool_listing": Hidden,
}


def translator(kind: Any) -> Translator:
    """The translator of a content block type. One that nobody knew does no harm: the result of a
    server's tool is shown as it is, anything else goes back to the provider unseen."""
    name = str(kind)
    return TRANSLATORS.get(name, ServerResult if name.endswith("_tool_result") else Hidden)
