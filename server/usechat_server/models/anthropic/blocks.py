"""One translator per content block: what the block's events are as chunks.

Source of the rules: what the AI SDK's own server makes of the same stream. To support another
block, write its translator and name it in `TRANSLATORS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import msgspec
from ui_message_stream import jsontext
from ui_message_stream.chunks import (
    Chunk,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputError,
    ToolInputStart,
)
from ui_message_stream.wire import ProviderMetadata

from usechat_server.models.anthropic import payloads
from usechat_server.tools import ClientTool

__all__ = ["TRANSLATORS", "Block", "Ignored", "Tools"]

#: The call's tools by name.
Tools = Mapping[str, ClientTool]


class Block(Protocol):
    """An open content block."""

    def start(self) -> Sequence[Chunk]:
        """What its start brings, text in it included."""
        ...

    def delta(self, delta: payloads.Delta) -> Chunk | None:
        """What one delta brings; None for a kind that this block does not have."""
        ...

    def stop(self) -> Sequence[Chunk]:
        """What its end brings."""
        ...


class Ignored:
    """A block of a type that nobody knew: it is left out, and the rest goes on."""

    def start(self) -> Sequence[Chunk]:
        return ()

    def delta(self, _: payloads.Delta) -> Chunk | None:
        return None

    def stop(self) -> Sequence[Chunk]:
        return ()


class _Text:
    class Content(msgspec.Struct):
        text: str = ""

    def __init__(self, block_id: str, content: dict[str, Any], _: Tools) -> None:
        self.id = block_id
        self.content = msgspec.convert(content, self.Content)

    def start(self) -> Sequence[Chunk]:
        opened = TextStart(id=self.id)
        text = self.content.text
        return (opened, TextDelta(id=self.id, delta=text)) if text else (opened,)

    def delta(self, delta: payloads.Delta) -> Chunk | None:
        if type(delta) is payloads.TextDelta:
            return TextDelta(id=self.id, delta=delta.text)
        return None

    def stop(self) -> Sequence[Chunk]:
        return (TextEnd(id=self.id),)


class _Thinking:
    class Content(msgspec.Struct):
        thinking: str = ""
        signature: str | None = None

    def __init__(self, block_id: str, content: dict[str, Any], _: Tools) -> None:
        self.id = block_id
        self.content = msgspec.convert(content, self.Content)

    def start(self) -> Sequence[Chunk]:
        made: list[Chunk] = [ReasoningStart(id=self.id)]
        if self.content.thinking:
            made.append(ReasoningDelta(id=self.id, delta=self.content.thinking))
        if self.content.signature:
            made.append(self._signed(self.content.signature))
        return made

    def delta(self, delta: payloads.Delta) -> Chunk | None:
        if type(delta) is payloads.ThinkingDelta:
            return ReasoningDelta(id=self.id, delta=delta.thinking)
        if type(delta) is payloads.SignatureDelta:
            return self._signed(delta.signature)
        return None

    def stop(self) -> Sequence[Chunk]:
        return (ReasoningEnd(id=self.id),)

    def _signed(self, signature: str) -> Chunk:
        # The signature rides on an empty delta: the client replaces the part's metadata by it.
        return ReasoningDelta(
            id=self.id, delta="", provider_metadata=_anthropic(signature=signature)
        )


class _RedactedThinking(Ignored):
    class Content(msgspec.Struct):
        data: str

    def __init__(self, block_id: str, content: dict[str, Any], _: Tools) -> None:
        self.id = block_id
        self.content = msgspec.convert(content, self.Content)

    def start(self) -> Sequence[Chunk]:
        metadata = _anthropic(redactedData=self.content.data)
        return (ReasoningStart(id=self.id, provider_metadata=metadata),)

    def stop(self) -> Sequence[Chunk]:
        return (ReasoningEnd(id=self.id),)


class _ToolUse:
    #: (the text says what, and is what the model is told too)
    INVALID_JSON: ClassVar[str] = "The input of the tool {name} is not valid JSON."
    UNKNOWN_TOOL: ClassVar[str] = "There is no tool {name}."

    class Content(msgspec.Struct):
        id: str
        name: str
        input: Any = None

    def __init__(self, _: str, content: dict[str, Any], tools: Tools) -> None:
        self.call = msgspec.convert(content, self.Content)
        tool = tools.get(self.call.name)
        self.title = tool.title if tool else None
        #: a name that the model made up has no static part in the page
        self.dynamic = None if tool else True
        self.pieces: list[str] = []

    def start(self) -> Sequence[Chunk]:
        return (
            ToolInputStart(
                tool_call_id=self.call.id,
                tool_name=self.call.name,
                dynamic=self.dynamic,
                title=self.title,
            ),
        )

    def delta(self, delta: payloads.Delta) -> Chunk | None:
        if type(delta) is not payloads.InputJSONDelta or not delta.partial_json:
            return None
        self.pieces.append(delta.partial_json)
        return ToolInputDelta(tool_call_id=self.call.id, input_text_delta=delta.partial_json)

    def stop(self) -> Sequence[Chunk]:
        text = "".join(self.pieces)
        try:
            # A call without streamed input has it in its start, or none at all.
            value = jsontext.decode(text) if text else self.call.input or {}
        except ValueError:
            return (self._failed(text, self.INVALID_JSON),)
        if self.dynamic:
            return (self._failed(value, self.UNKNOWN_TOOL),)
        return (
            ToolInputAvailable(
                tool_call_id=self.call.id,
                tool_name=self.call.name,
                input=value,
                title=self.title,
            ),
        )

    def _failed(self, value: Any, text: str) -> Chunk:
        return ToolInputError(
            tool_call_id=self.call.id,
            tool_name=self.call.name,
            input=value,
            dynamic=self.dynamic,
            error_text=text.format(name=self.call.name),
            title=self.title,
        )


def _anthropic(**values: str) -> ProviderMetadata:
    return {"anthropic": values}


#: Content block type → its translator, made with the block's id, its content and the call's tools.
#: Raises msgspec.ValidationError for content that is not what the API sends.
TRANSLATORS: Mapping[str, Callable[[str, dict[str, Any], Tools], Block]] = {
    "text": _Text,
    "thinking": _Thinking,
    "redacted_thinking": _RedactedThinking,
    "tool_use": _ToolUse,
}
