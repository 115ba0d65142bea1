"""Tool calls: of the app's and the client's tools, of provider-executed tools, and over MCP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from ui_message_stream import json_codec
from ui_message_stream.chunks import ToolInputDelta
from ui_message_stream.schema import ProviderMetadata
from ui_message_stream.versions import ChunkVariant

from usechat_server.providers.anthropic.message_record import BlockSlot
from usechat_server.providers.anthropic.provider_metadata import (
    anthropic_metadata,
    mcp_metadata,
)
from usechat_server.providers.anthropic.provider_tool_outputs import PROVIDER_TOOLS
from usechat_server.providers.anthropic.response import events
from usechat_server.providers.anthropic.response.blocks.base import (
    BlockTranslator,
    ResponseContext,
)
from usechat_server.providers.call_chunks import AppCallChunks, CallChunks
from usechat_server.providers.json_objects import without_none

__all__ = [
    "McpToolUseTranslator",
    "ToolUseTranslator",
    "caller_metadata",
    "provider_tool_use_translator",
]


def caller_metadata(caller: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what called the tool, the model or its code, as the client gets it."""
    if caller is None:
        return None
    return without_none({"type": caller.get("type"), "toolId": caller.get("tool_id")})


class ToolUseBlock(msgspec.Struct):
    id: str
    name: str
    input: Any = None
    caller: dict[str, Any] | None = None
    toolset_name: str | None = None


class _CallTranslator(CallChunks):
    """A call whose input is streamed, as pieces of JSON."""

    def __init__(self, _: str, content: dict[str, Any], context: ResponseContext) -> None:
        self.block: ToolUseBlock = msgspec.convert(content, ToolUseBlock)
        super().__init__(self.block.id, self.block.name)
        self.slot: BlockSlot | None = BlockSlot("call", self.block.id)

    @property
    def metadata(self) -> ProviderMetadata | None:
        fields = without_none({"caller": caller_metadata(self.block.caller)})
        return anthropic_metadata(**fields) if fields else None

    def start(self) -> Sequence[ChunkVariant]:
        return (self.start_chunk(),)

    def delta(self, delta: events.Delta | None) -> ChunkVariant | None:
        if type(delta) is not events.InputJSONDelta or not delta.partial_json:
            return None
        return self.delta_chunk(delta.partial_json)

    def stop(self) -> Sequence[ChunkVariant]:
        # A call whose input is not streamed has it in its start, or has none.
        value, error = self.parse_input(self.block.input or {})
        if error is not None:
            return (self.error_chunk(value, error),)
        return self._input_chunks(value)

    def _input_chunks(self, value: Any) -> Sequence[ChunkVariant]:
        """Return the chunks for the complete input."""
        return (self.input_chunk(value),)


class ToolUseTranslator(AppCallChunks, _CallTranslator):
    """A call of a tool that the app or the client executes.

    The client gets a call of a toolset (the provider's computer use) as a call of the whole set,
    with the tool as `action` in its input; that is complete only at the end.
    """

    def __init__(self, block_id: str, content: dict[str, Any], context: ResponseContext) -> None:
        _CallTranslator.__init__(self, block_id, content, context)
        self._describe(self.block.toolset_name or self.block.name, context.tools)
        if self.block.toolset_name and not self.is_known:
            self.is_known = True
            self.dynamic: bool | None = None

    @property
    def metadata(self) -> ProviderMetadata | None:
        fields = {
            "toolsetName": self.block.toolset_name,
            "caller": caller_metadata(self.block.caller),
        }
        return anthropic_metadata(**without_none(fields)) if any(fields.values()) else None

    def delta(self, delta: events.Delta | None) -> ChunkVariant | None:
        chunk = super().delta(delta)
        return None if self.block.toolset_name else chunk

    def _input_chunks(self, value: Any) -> Sequence[ChunkVariant]:
        if not self.block.toolset_name or not isinstance(value, dict):
            return super()._input_chunks(value)
        value = {**value, "action": self.block.name}
        delta = ToolInputDelta(
            tool_call_id=self.block.id, input_text_delta=json_codec.encode(value).decode()
        )
        return (delta, *super()._input_chunks(value))


class ProviderToolUseTranslator(_CallTranslator):
    """A call of a provider-executed tool.

    The client gets the tools of code execution as one tool, with the API's tool as `type` in its
    input.
    """

    _CODE_INPUT_TYPES: ClassVar[dict[str, str]] = {
        "bash_code_execution": "bash_code_execution",
        "text_editor_code_execution": "text_editor_code_execution",
        "code_execution": "programmatic-tool-call",
    }

    provider_executed: bool = True

    def __init__(self, block_id: str, content: dict[str, Any], context: ResponseContext) -> None:
        super().__init__(block_id, content, context)
        self.input_type: str | None = self._CODE_INPUT_TYPES.get(self.block.name)
        if self.input_type:
            self.name = "code_execution"
        self.dynamic = self.name in context.implied_tools or None
        context.pending_calls[self.block.id] = None

    def delta(self, delta: events.Delta | None) -> ChunkVariant | None:
        is_first = not self.input_pieces
        chunk = super().delta(delta)
        if chunk is None or not self.input_type or not is_first:
            return chunk
        rest = self.input_pieces[0].lstrip()[1:].lstrip()
        comma = "" if rest.startswith("}") else ","
        text = f'{{"type": "{self.input_type}"{comma}{rest}'
        return ToolInputDelta(tool_call_id=self.block.id, input_text_delta=text)

    def _input_chunks(self, value: Any) -> Sequence[ChunkVariant]:
        # An input that was not streamed and has no `code` is one of the other tools of code
        # execution: it has its type already.
        may_have_type = not self.input_pieces and self.input_type == "programmatic-tool-call"
        if self.input_type and isinstance(value, dict) and ("code" in value or not may_have_type):
            value = {"type": self.input_type, **value}
        return super()._input_chunks(value)


class UnknownProviderToolUseTranslator(_CallTranslator):
    """A call of an unknown provider tool. It is not shown, but sent back to the provider."""

    def __init__(self, block_id: str, content: dict[str, Any], context: ResponseContext) -> None:
        super().__init__(block_id, content, context)
        self.content = content

    def start(self) -> Sequence[ChunkVariant]:
        return ()

    def delta(self, delta: events.Delta | None) -> ChunkVariant | None:
        super().delta(delta)
        return None

    def stop(self) -> Sequence[ChunkVariant]:
        self.slot = None
        super().stop()
        return ()

    def _input_chunks(self, value: Any) -> Sequence[ChunkVariant]:
        self.slot = BlockSlot(block={**self.content, "input": value})
        return ()


def provider_tool_use_translator(
    block_id: str, content: dict[str, Any], context: ResponseContext
) -> BlockTranslator:
    """Return the translator of a provider-executed call."""
    is_known = str(content.get("name")) in PROVIDER_TOOLS
    translator = ProviderToolUseTranslator if is_known else UnknownProviderToolUseTranslator
    return translator(block_id, content, context)


class McpToolUseTranslator(_CallTranslator):
    """A call of an MCP server's tool, shown once its input is complete."""

    provider_executed: bool = True
    dynamic: bool = True

    def __init__(self, block_id: str, content: dict[str, Any], context: ResponseContext) -> None:
        super().__init__(block_id, content, context)
        self.server_name: Any | None = content.get("server_name")
        context.pending_calls[self.block.id] = self.metadata

    @property
    def metadata(self) -> ProviderMetadata:
        return mcp_metadata(self.server_name)

    def start(self) -> Sequence[ChunkVariant]:
        return ()

    def delta(self, delta: events.Delta | None) -> ChunkVariant | None:
        super().delta(delta)
        return None
