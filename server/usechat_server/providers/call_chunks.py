"""The chunks of a tool call whose input is streamed, as pieces of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ui_message_stream import json_codec
from ui_message_stream.chunks import (
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputError,
    ToolInputStart,
)
from ui_message_stream.schema import JSONObject, ProviderMetadata
from ui_message_stream.versions import ChunkVariant

from usechat_server.tools import DeclaredTool

__all__ = ["AppCallChunks", "CallChunks"]


class CallChunks:
    """One call. Subclasses say what their chunks have.

    Args:
        call_id: The call's id.
        name: The client's name of the tool.
    """

    #: (the model gets these texts as well)
    INVALID_JSON: ClassVar[str] = "The input of the tool {name} is not valid JSON."
    TOO_DEEP: ClassVar[str] = "The input of the tool {name} is nested too deeply."

    #: fields of every chunk of the call
    provider_executed: bool | None = None
    dynamic: bool | None = None
    title: str | None = None
    tool_metadata: JSONObject | None = None

    def __init__(self, call_id: str, name: str) -> None:
        self.call_id = call_id
        self.name = name
        self.input_pieces: list[str] = []

    @property
    def metadata(self) -> ProviderMetadata | None:
        """What the provider needs back with the call."""
        return None

    def start_chunk(self) -> ChunkVariant:
        return ToolInputStart(
            tool_call_id=self.call_id,
            tool_name=self.name,
            provider_executed=self.provider_executed,
            dynamic=self.dynamic,
            title=self.title,
            tool_metadata=self.tool_metadata,
        )

    def delta_chunk(self, text: str) -> ChunkVariant:
        self.input_pieces.append(text)
        return ToolInputDelta(tool_call_id=self.call_id, input_text_delta=text)

    def parse_input(self, default: Any) -> tuple[Any, str | None]:
        """Return the input, and the error if it is not valid.

        Args:
            default: The input of a call without pieces.
        """
        text = "".join(self.input_pieces)
        try:
            return (json_codec.decode(text) if text.strip() else default), None
        except json_codec.NestedTooDeeply:
            return text, self.TOO_DEEP
        except ValueError:
            return text, self.INVALID_JSON

    def input_chunk(self, value: Any) -> ChunkVariant:
        """Return the chunk of the complete input."""
        return ToolInputAvailable(
            tool_call_id=self.call_id,
            tool_name=self.name,
            input=value,
            provider_executed=self.provider_executed,
            provider_metadata=self.metadata,
            dynamic=self.dynamic,
            title=self.title,
            tool_metadata=self.tool_metadata,
        )

    def error_chunk(self, value: Any, text: str) -> ChunkVariant:
        """Return the chunk of an input that is not valid."""
        return ToolInputError(
            tool_call_id=self.call_id,
            tool_name=self.name,
            input=value,
            provider_executed=self.provider_executed,
            provider_metadata=self.metadata,
            dynamic=self.dynamic,
            error_text=text.format(name=self.name),
            title=self.title,
            tool_metadata=self.tool_metadata,
        )


class AppCallChunks(CallChunks):
    """A call of a tool that the app or the client executes.

    Args:
        call_id: The call's id.
        name: The name that the model gave.
        tools: The declared tools by name.
    """

    UNKNOWN_TOOL: ClassVar[str] = "There is no tool {name}."

    def __init__(self, call_id: str, name: str, tools: Mapping[str, DeclaredTool]) -> None:
        super().__init__(call_id, name)
        self._describe(name, tools)

    def _describe(self, name: str, tools: Mapping[str, DeclaredTool]) -> None:
        self.name = name
        tool = tools.get(name)
        self.is_known: bool = tool is not None
        if tool is not None:
            self.title: str | None = tool.title
            self.tool_metadata: JSONObject | None = (
                dict(tool.tool_metadata) if tool.tool_metadata else None
            )
            self.dynamic: bool | None = tool.dynamic or None
        else:
            # The client has no static part for a name that the model made up.
            self.dynamic = True

    def input_chunk(self, value: Any) -> ChunkVariant:
        if not self.is_known:
            return self.error_chunk(value, self.UNKNOWN_TOOL)
        return super().input_chunk(value)
