"""Tool calls: of the app's and the client's tools, of provider-executed tools, and over MCP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from ui_message_stream import json_codec
from ui_message_stream.chunks import (
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputError,
    ToolInputStart,
)
from ui_message_stream.schema import JSONObject, ProviderMetadata
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


class _CallTranslator:
    """A call whose input is streamed, as pieces of JSON."""

    #: (the model gets this text as well)
    INVALID_JSON: ClassVar[str] = "The input of the tool {name} is not valid JSON."
    TOO_DEEP: ClassVar[str] = "The input of the tool {name} is nested too deeply."

    #: fields of every chunk of the call
    provider_executed: bool | None = None
    dynamic: bool | None = None
    title: str | None = None
    tool_metadata: JSONObject | None = None

    def __init__(self, _: str, content: dict[str, Any], context: ResponseContext) -> None:
        self.block: ToolUseBlock = msgspec.convert(content, ToolUseBlock)
        #: the client's name of the tool
        self.name: str = self.block.name
        self.slot: BlockSlot | None = BlockSlot("call", self.block.id)
        self.input_pieces: list[str] = []

    @property
    def metadata(self) -> ProviderMetadata | None:
        fields = without_none({"caller": caller_metadata(self.block.caller)})
        return anthropic_metadata(**fields) if fields else None

    def start(self) -> Sequence[ChunkVariant]:
        return (
            ToolInputStart(
                tool_call_id=self.block.id,
                tool_name=self.name,
                provider_executed=self.provider_executed,
                dynamic=self.dynamic,
                title=self.title,
                tool_metadata=self.tool_metadata,
            ),
        )

    def delta(self, delta: events.Delta | None) -> ChunkVariant | None:
        if type(delta) is not events.InputJSONDelta or not delta.partial_json:
            return None
        self.input_pieces.append(delta.partial_json)
        return ToolInputDelta(tool_call_id=self.block.id, input_text_delta=delta.partial_json)

    def stop(self) -> Sequence[ChunkVariant]:
        text = "".join(self.input_pieces)
        try:
            # A call whose input is not streamed has it in its start, or has none.
            value = json_codec.decode(text) if text else self.block.input or {}
        except json_codec.NestedTooDeeply:
            return (self._input_error(text, self.TOO_DEEP),)
        except ValueError:
            return (self._input_error(text, self.INVALID_JSON),)
        return self._input_chunks(value)

    def _input_chunks(self, value: Any) -> Sequence[ChunkVariant]:
        """Return the chunks for the complete input."""
        return (
            ToolInputAvailable(
                tool_call_id=self.block.id,
                tool_name=self.name,
                input=value,
                provider_executed=self.provider_executed,
                provider_metadata=self.metadata,
                dynamic=self.dynamic,
                title=self.title,
                tool_metadata=self.tool_metadata,
            ),
        )

    def _input_error(self, value: Any, text: str) -> ChunkVariant:
        return ToolInputError(
            tool_call_id=self.block.id,
            tool_name=self.name,
            input=value,
            provider_executed=self.provider_executed,
            provider_metadata=self.metadata,
            dynamic=self.dynamic,
            error_text=text.format(name=self.name),
            title=self.title,
            tool_metadata=self.tool_metadata,
        )


class ToolUseTranslator(_CallTranslator):
    """A call of a tool that the app or the client executes.

    The client gets a call of a toolset (the provider's computer use) as a call of the whole set,
    with the tool as `action` in its input; that is complete only at the end.
    """

    UNKNOWN_TOOL: ClassVar[str] = "There is no tool {name}."

    def __init__(self, block_id: str, content: dict[str, Any], context: ResponseContext) -> None:
        super().__init__(block_id, content, context)
        self.name: str = self.block.toolset_name or self.block.name
        self.is_known: bool = bool(self.block.toolset_name)
        if tool := context.tools.get(self.name):
            self.is_known = True
            self.title: str | None = tool.title
            self.tool_metadata: JSONObject | None = (
                dict(tool.tool_metadata) if tool.tool_metadata else None
            )
            self.dynamic = tool.dynamic or None
        elif not self.is_known:
            # The client has no static part for a name that the model made up.
            self.dynamic = True

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
        if not self.is_known:
            return (self._input_error(value, self.UNKNOWN_TOOL),)
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
