"""The UI message chunks of AI SDK 7.0.173, one class per type, in the order of its schema.

`versions` says which release knows which type and field, `grammar` which chunk may follow which.

Source: `ai/src/ui-message-stream/ui-message-chunks.ts`.
"""

# msgspec can freeze a subclass of a mutable struct; mypy applies the rule of dataclasses.
# mypy: disable-error-code="misc"

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Literal, Self

import msgspec

from ui_message_stream import json_codec
from ui_message_stream.errors import WireError, convert, type_name
from ui_message_stream.schema import (
    UNSET,
    JSONObject,
    ProviderMetadata,
    WireObject,
    check_citations,
    check_steering_parts,
)

__all__ = [
    "CHUNK_TYPES",
    "Abort",
    "Chunk",
    "Custom",
    "Data",
    "Error",
    "File",
    "Finish",
    "FinishReason",
    "FinishStep",
    "MessageMetadata",
    "ReasoningDelta",
    "ReasoningEnd",
    "ReasoningFile",
    "ReasoningStart",
    "ResetStep",
    "SourceDocument",
    "SourceUrl",
    "Start",
    "StartStep",
    "SteeringMessage",
    "TextDelta",
    "TextEnd",
    "TextStart",
    "ToolApprovalRequest",
    "ToolApprovalResponse",
    "ToolInputAvailable",
    "ToolInputDelta",
    "ToolInputError",
    "ToolInputStart",
    "ToolOutputAvailable",
    "ToolOutputDenied",
    "ToolOutputError",
    "encode_chunk",
    "parse_chunk",
]

#: Why the model stopped. "unknown" was sent by AI SDK 5, "interrupted" is new in 7.0.149.
FinishReason = Literal[
    "stop", "length", "content-filter", "tool-calls", "error", "interrupted", "other", "unknown"
]


class _TypedChunk(WireObject, frozen=True, tag_field="type"):
    type: ClassVar[str]

    @classmethod
    def from_object(cls, value: Mapping[str, Any]) -> Self:
        _reject_null(cls, value)
        return super().from_object(value)


class TextStart(_TypedChunk, kw_only=True, tag="text-start"):
    """Starts a text part."""

    id: str
    provider_metadata: ProviderMetadata | None = None


class TextDelta(_TypedChunk, kw_only=True, tag="text-delta"):
    """Appends to an open text part."""

    id: str
    delta: str
    provider_metadata: ProviderMetadata | None = None


class TextEnd(_TypedChunk, kw_only=True, tag="text-end"):
    """Ends a text part. `citations` are those of the whole text."""

    id: str
    citations: list[JSONObject] | None = None
    provider_metadata: ProviderMetadata | None = None

    @classmethod
    def from_object(cls, value: Mapping[str, Any]) -> Self:
        chunk = super().from_object(value)
        if chunk.citations is not None:
            check_citations(chunk.citations)
        return chunk


class Error(_TypedChunk, kw_only=True, tag="error"):
    """Ends the stream with an error, whose text the client shows unchanged."""

    error_text: str


class ToolInputStart(_TypedChunk, kw_only=True, tag="tool-input-start"):
    """Starts a tool call whose input is streamed."""

    tool_call_id: str
    tool_name: str
    input_encoding: Literal["json", "text"] | None = None
    provider_executed: bool | None = None
    provider_metadata: ProviderMetadata | None = None
    tool_metadata: JSONObject | None = None
    dynamic: bool | None = None
    title: str | None = None


class ToolInputDelta(_TypedChunk, kw_only=True, tag="tool-input-delta"):
    """Appends to the input of a tool call, as JSON text or as plain text."""

    tool_call_id: str
    input_text_delta: str


class ToolInputAvailable(_TypedChunk, kw_only=True, tag="tool-input-available"):
    """A tool call with its complete input."""

    tool_call_id: str
    tool_name: str
    input: Any
    provider_executed: bool | None = None
    provider_metadata: ProviderMetadata | None = None
    tool_metadata: JSONObject | None = None
    dynamic: bool | None = None
    title: str | None = None


class ToolInputError(_TypedChunk, kw_only=True, tag="tool-input-error"):
    """A tool call whose input is not valid."""

    tool_call_id: str
    tool_name: str
    input: Any
    provider_executed: bool | None = None
    provider_metadata: ProviderMetadata | None = None
    tool_metadata: JSONObject | None = None
    dynamic: bool | None = None
    error_text: str
    title: str | None = None


class ToolApprovalRequest(_TypedChunk, kw_only=True, tag="tool-approval-request"):
    """Asks the user to approve a tool call, or reports a decision of the app."""

    approval_id: str
    tool_call_id: str
    approval_descriptor: Any = UNSET
    input_schema_input: Any = UNSET
    reason: str | None = None
    is_automatic: bool | None = None
    signature: str | None = None


class ToolApprovalResponse(_TypedChunk, kw_only=True, tag="tool-approval-response"):
    """The decision on an approval request."""

    approval_id: str
    approved: bool
    reason: str | None = None
    provider_executed: bool | None = None
    provider_metadata: ProviderMetadata | None = None


class ToolOutputAvailable(_TypedChunk, kw_only=True, tag="tool-output-available"):
    """The output of a tool call; a `preliminary` one is replaced by the next."""

    tool_call_id: str
    output: Any
    provider_executed: bool | None = None
    provider_metadata: ProviderMetadata | None = None
    tool_metadata: JSONObject | None = None
    dynamic: bool | None = None
    preliminary: bool | None = None


class ToolOutputError(_TypedChunk, kw_only=True, tag="tool-output-error"):
    """The failure of a tool call."""

    tool_call_id: str
    error_text: str
    provider_executed: bool | None = None
    provider_metadata: ProviderMetadata | None = None
    tool_metadata: JSONObject | None = None
    dynamic: bool | None = None


class ToolOutputDenied(_TypedChunk, kw_only=True, tag="tool-output-denied"):
    """The tool call was denied, and did not run."""

    tool_call_id: str


class ReasoningStart(_TypedChunk, kw_only=True, tag="reasoning-start"):
    """Starts a reasoning part."""

    id: str
    provider_metadata: ProviderMetadata | None = None


class ReasoningDelta(_TypedChunk, kw_only=True, tag="reasoning-delta"):
    """Appends to an open reasoning part."""

    id: str
    delta: str
    provider_metadata: ProviderMetadata | None = None


class ReasoningEnd(_TypedChunk, kw_only=True, tag="reasoning-end"):
    """Ends a reasoning part."""

    id: str
    provider_metadata: ProviderMetadata | None = None


class Custom(_TypedChunk, kw_only=True, tag="custom"):
    """A part of a provider's own kind, such as `anthropic.fallback`."""

    #: "provider.name"
    kind: str
    provider_metadata: ProviderMetadata | None = None


class SourceUrl(_TypedChunk, kw_only=True, tag="source-url"):
    """A web page that the response cites."""

    source_id: str
    url: str
    title: str | None = None
    provider_metadata: ProviderMetadata | None = None


class SourceDocument(_TypedChunk, kw_only=True, tag="source-document"):
    """A document that the response cites."""

    source_id: str
    media_type: str
    title: str
    filename: str | None = None
    provider_metadata: ProviderMetadata | None = None


class File(_TypedChunk, kw_only=True, tag="file"):
    """A file, at a remote URL or in a `data:` URL."""

    url: str
    media_type: str
    provider_metadata: ProviderMetadata | None = None


class ReasoningFile(_TypedChunk, kw_only=True, tag="reasoning-file"):
    """A file that belongs to the reasoning."""

    url: str
    media_type: str
    provider_metadata: ProviderMetadata | None = None


class SteeringMessage(_TypedChunk, kw_only=True, tag="steering-message"):
    """A user message that arrived during the run."""

    id: str
    #: text and file parts, as JSON objects
    parts: list[JSONObject]

    @classmethod
    def from_object(cls, value: Mapping[str, Any]) -> Self:
        chunk = super().from_object(value)
        check_steering_parts(chunk.parts)
        return chunk


class Data(WireObject, frozen=True, kw_only=True):
    """`data-NAME`: the app's own data. A later chunk of the same type and id replaces the data."""

    name: str
    id: str | None = None
    data: Any
    transient: bool | None = None

    @property
    def type(self) -> str:
        """The type on the wire."""
        return f"data-{self.name}"

    @classmethod
    def known_keys(cls) -> frozenset[str]:
        return super().known_keys() - {"name"}

    @classmethod
    def from_object(cls, value: Mapping[str, Any]) -> Self:
        _reject_null(cls, value)
        fields = {k: value[k] for k in ("id", "data", "transient") if k in value}
        chunk = convert({**fields, "name": str(value["type"])[5:]}, cls)
        rest = {k: v for k, v in value.items() if k not in fields and k != "type"}
        if rest:
            msgspec.structs.force_setattr(chunk, "extra", rest)
        return chunk

    def to_object(self) -> JSONObject:
        value = super().to_object()
        del value["name"]
        if self.extra and "name" in self.extra:
            value["name"] = json_codec.sanitize(self.extra["name"])
        return {"type": self.type, **value}


class StartStep(_TypedChunk, kw_only=True, tag="start-step"):
    """Starts a step: a model call and the tools that it calls."""


class FinishStep(_TypedChunk, kw_only=True, tag="finish-step"):
    """Ends a step."""


class ResetStep(_TypedChunk, kw_only=True, tag="reset-step"):
    """Discards what the current step has written."""


class Start(_TypedChunk, kw_only=True, tag="start"):
    """Starts the response, and names or continues its message."""

    message_id: str | None = None
    message_metadata: Any = UNSET


class Finish(_TypedChunk, kw_only=True, tag="finish"):
    """Ends the response."""

    finish_reason: FinishReason | None = None
    message_metadata: Any = UNSET


class Abort(_TypedChunk, kw_only=True, tag="abort"):
    """Ends a response that was stopped."""

    reason: str | None = None


class MessageMetadata(_TypedChunk, kw_only=True, tag="message-metadata"):
    """Merges values into the metadata of the message."""

    message_metadata: Any


Chunk = _TypedChunk | Data


@cache
def _keys_without_null(cls: type[Chunk]) -> tuple[str, ...]:
    fields = msgspec.structs.fields(cls)
    return tuple(f.encode_name for f in fields if f.default is None and f.name != "extra")


def _reject_null(cls: type[Chunk], value: Mapping[str, Any]) -> None:
    """Raise WireError for null in the place of an absent field: every client throws on it."""
    for key in _keys_without_null(cls):
        if key in value and value[key] is None:
            raise WireError(path=(key,), expected="a value or no field", got="null")


#: Type on the wire -> class, for every type but `data-NAME`.
CHUNK_TYPES: Mapping[str, type[_TypedChunk]] = {
    str(cls.__struct_config__.tag): cls for cls in _TypedChunk.__subclasses__()
}
for _name, _class in CHUNK_TYPES.items():
    _class.type = _name

_encoder = msgspec.json.Encoder()


def parse_chunk(value: Any) -> Chunk:
    """Parse a chunk. Unknown keys are kept in `extra`.

    Args:
        value: The decoded JSON of an event.

    Returns:
        An instance of the class for its type.

    Raises:
        WireError: The type is unknown, or a field is missing or of the wrong type. Every client
            throws on such a chunk.
    """
    name = type_name(value)
    if name.startswith("data-"):
        return Data.from_object(value)
    cls = CHUNK_TYPES.get(name)
    if cls is None:
        raise WireError(f"unknown chunk type {name!r}")
    return cls.from_object(value)


def encode_chunk(chunk: Chunk) -> bytes:
    """Encode a chunk as one line of UTF-8 JSON that every client's parser accepts.

    Args:
        chunk: The chunk.

    Returns:
        The JSON text.

    Raises:
        TypeError: A value, for example a tool's output, has no JSON form.
    """
    if chunk.extra is None and not isinstance(chunk, Data):
        try:
            text = _encoder.encode(chunk)
        except UnicodeEncodeError:
            pass
        else:
            # Searching for the name of a forbidden key is cheap; walking the value is not.
            if b"__proto__" not in text and b"constructor" not in text:
                return text
    return json_codec.encode(chunk.to_object())
