"""Tool calls: of the app's and the page's tools, of the provider's own, and over MCP."""

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
from usechat_server.providers.anthropic.response import events
from usechat_server.providers.anthropic.response.blocks.base import (
    Block,
    ResponseContext,
    anthropic,
    mcp,
    without_none,
)
from usechat_server.providers.anthropic.tool_results import SERVER_TOOLS

__all__ = ["McpToolUse", "ToolUse", "caller", "server_tool_use"]


def caller(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """Who called the tool, the model or its code, as the page has it."""
    if value is None:
        return None
    return without_none({"type": value.get("type"), "toolId": value.get("tool_id")})


class _Call:
    """A call whose input is streamed, as JSON in pieces."""

    #: (what the model is told too)
    INVALID_JSON: ClassVar[str] = "The input of the tool {name} is not valid JSON."

    class Content(msgspec.Struct):
        id: str
        name: str
        input: Any = None
        caller: dict[str, Any] | None = None
        toolset_name: str | None = None

    #: what every chunk of the call says
    provider_executed: bool | None = None
    dynamic: bool | None = None
    title: str | None = None
    tool_metadata: JSONObject | None = None

    def __init__(self, _: str, content: dict[str, Any], answer: ResponseContext) -> None:
        self.call = msgspec.convert(content, self.Content)
        self.name = self.call.name
        self.place: BlockSlot | None = BlockSlot("call", self.call.id)
        self.pieces: list[str] = []

    @property
    def metadata(self) -> ProviderMetadata | None:
        told = without_none({"caller": caller(self.call.caller)})
        return anthropic(**told) if told else None

    def start(self) -> Sequence[ChunkVariant]:
        return (
            ToolInputStart(
                tool_call_id=self.call.id,
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
        self.pieces.append(delta.partial_json)
        return ToolInputDelta(tool_call_id=self.call.id, input_text_delta=delta.partial_json)

    def stop(self) -> Sequence[ChunkVariant]:
        text = "".join(self.pieces)
        try:
            # A call without streamed input has it in its start, or none at all.
            value = json_codec.decode(text) if text else self.call.input or {}
        except ValueError:
            return (self._failed(text, self.INVALID_JSON),)
        return self._complete(value)

    def _complete(self, value: Any) -> Sequence[ChunkVariant]:
        return (
            ToolInputAvailable(
                tool_call_id=self.call.id,
                tool_name=self.name,
                input=value,
                provider_executed=self.provider_executed,
                provider_metadata=self.metadata,
                dynamic=self.dynamic,
                title=self.title,
                tool_metadata=self.tool_metadata,
            ),
        )

    def _failed(self, value: Any, text: str) -> ChunkVariant:
        return ToolInputError(
            tool_call_id=self.call.id,
            tool_name=self.name,
            input=value,
            provider_executed=self.provider_executed,
            provider_metadata=self.metadata,
            dynamic=self.dynamic,
            error_text=text.format(name=self.name),
            title=self.title,
            tool_metadata=self.tool_metadata,
        )


class ToolUse(_Call):
    """A call of the app's or the page's tool.

    Of a toolset (the provider's computer use) it is a call of the set, whose input says in `action`
    which of its tools is meant; that is known whole only at the end.
    """

    UNKNOWN_TOOL: ClassVar[str] = "There is no tool {name}."

    def __init__(self, block_id: str, content: dict[str, Any], answer: ResponseContext) -> None:
        super().__init__(block_id, content, answer)
        self.name = self.call.toolset_name or self.call.name
        self.known = bool(self.call.toolset_name)
        if tool := answer.tools.get(self.name):
            self.known = True
            self.title = tool.title
            self.tool_metadata = dict(tool.tool_metadata) if tool.tool_metadata else None
            self.dynamic = tool.dynamic or None
        elif not self.known:
            # A name that the model made up has no static part in the page.
            self.dynamic = True

    @property
    def metadata(self) -> ProviderMetadata | None:
        told = {"toolsetName": self.call.toolset_name, "caller": caller(self.call.caller)}
        return anthropic(**without_none(told)) if any(told.values()) else None

    def delta(self, delta: events.Delta | None) -> ChunkVariant | None:
        made = super().delta(delta)
        return None if self.call.toolset_name else made

    def _complete(self, value: Any) -> Sequence[ChunkVariant]:
        if not self.known:
            return (self._failed(value, self.UNKNOWN_TOOL),)
        if not self.call.toolset_name or not isinstance(value, dict):
            return super()._complete(value)
        value = {**value, "action": self.call.name}
        shown = ToolInputDelta(
            tool_call_id=self.call.id, input_text_delta=json_codec.encode(value).decode()
        )
        return (shown, *super()._complete(value))


class ServerToolUse(_Call):
    """A call of a tool that the provider runs itself.

    The tools of code execution are one tool in the page, whose input says in `type` which.
    """

    _PARTS: ClassVar[dict[str, str]] = {
        "bash_code_execution": "bash_code_execution",
        "text_editor_code_execution": "text_editor_code_execution",
        "code_execution": "programmatic-tool-call",
    }

    provider_executed = True

    def __init__(self, block_id: str, content: dict[str, Any], answer: ResponseContext) -> None:
        super().__init__(block_id, content, answer)
        self.kind = self._PARTS.get(self.call.name)
        if self.kind:
            self.name = "code_execution"
        self.dynamic = self.name in answer.implied or None
        answer.pending[self.call.id] = None

    def delta(self, delta: events.Delta | None) -> ChunkVariant | None:
        first = not self.pieces
        made = super().delta(delta)
        if made is None or not self.kind or not first:
            return made
        rest = self.pieces[0].lstrip()[1:].lstrip()
        comma = "" if rest.startswith("}") else ","
        shown = f'{{"type": "{self.kind}"{comma}{rest}'
        return ToolInputDelta(tool_call_id=self.call.id, input_text_delta=shown)

    def _complete(self, value: Any) -> Sequence[ChunkVariant]:
        # A whole input of code execution without code is one of its other tools'.
        whole = not self.pieces and self.kind == "programmatic-tool-call"
        if self.kind and isinstance(value, dict) and ("code" in value or not whole):
            value = {"type": self.kind, **value}
        return super()._complete(value)


class UnknownToolUse(_Call):
    """A call of a provider's tool that nobody knew. It goes back to the provider unseen, as its
    result does."""

    def __init__(self, block_id: str, content: dict[str, Any], answer: ResponseContext) -> None:
        super().__init__(block_id, content, answer)
        self.content = content

    def start(self) -> Sequence[ChunkVariant]:
        return ()

    def delta(self, delta: events.Delta | None) -> ChunkVariant | None:
        super().delta(delta)
        return None

    def stop(self) -> Sequence[ChunkVariant]:
        self.place = None
        super().stop()
        return ()

    def _complete(self, value: Any) -> Sequence[ChunkVariant]:
        self.place = BlockSlot(block={**self.content, "input": value})
        return ()


def server_tool_use(block_id: str, content: dict[str, Any], answer: ResponseContext) -> Block:
    """The translator of a call of a provider's tool."""
    known = str(content.get("name")) in SERVER_TOOLS
    return (ServerToolUse if known else UnknownToolUse)(block_id, content, answer)


class McpToolUse(_Call):
    """A call of an MCP server's tool, shown once it is complete."""

    provider_executed = True
    dynamic = True

    def __init__(self, block_id: str, content: dict[str, Any], answer: ResponseContext) -> None:
        super().__init__(block_id, content, answer)
        self.server = content.get("server_name")
        answer.pending[self.call.id] = self.metadata

    @property
    def metadata(self) -> ProviderMetadata:
        return mcp(self.server)

    def start(self) -> Sequence[ChunkVariant]:
        return ()

    def delta(self, delta: events.Delta | None) -> ChunkVariant | None:
        super().delta(delta)
        return None
