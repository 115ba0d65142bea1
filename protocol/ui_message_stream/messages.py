"""UI messages and their parts, as of AI SDK 7.0.173.

Parsing is lenient: messages that any release wrote are accepted, unknown keys are kept in `extra`,
and parts of unknown types survive a round trip.

Source: `ai/src/ui/ui-messages.ts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from ui_message_stream import json_codec
from ui_message_stream.errors import WireError, json_type, type_name
from ui_message_stream.schema import UNSET, JSONObject, ProviderMetadata, WireObject

__all__ = [
    "Approval",
    "CustomPart",
    "DataPart",
    "FilePart",
    "Part",
    "ReasoningFilePart",
    "ReasoningPart",
    "Role",
    "SourceDocumentPart",
    "SourceUrlPart",
    "SteeringMessagePart",
    "StepStartPart",
    "TextPart",
    "ToolPart",
    "ToolState",
    "UIMessage",
    "UnknownPart",
    "parse_part",
]

Role = Literal["system", "user", "assistant"]
ToolState = Literal[
    "input-streaming",
    "input-available",
    "approval-requested",
    "approval-responded",
    "output-available",
    "output-error",
    "output-denied",
]


class _TypedPart(WireObject, tag_field="type"):
    type: ClassVar[str]


class TextPart(_TypedPart, kw_only=True, tag="text"):
    """A text."""

    text: str
    state: Literal["streaming", "done"] | None = None
    citations: list[JSONObject] | None = None
    provider_metadata: ProviderMetadata | None = None


class CustomPart(_TypedPart, kw_only=True, tag="custom"):
    """A part of a provider's own kind, such as `anthropic.fallback`."""

    kind: str
    provider_metadata: ProviderMetadata | None = None


class ReasoningPart(_TypedPart, kw_only=True, tag="reasoning"):
    """The model's reasoning."""

    id: str | None = None
    text: str
    state: Literal["streaming", "done"] | None = None
    provider_metadata: ProviderMetadata | None = None


class SourceUrlPart(_TypedPart, kw_only=True, tag="source-url"):
    """A web page that the message cites."""

    source_id: str
    url: str
    title: str | None = None
    provider_metadata: ProviderMetadata | None = None


class SourceDocumentPart(_TypedPart, kw_only=True, tag="source-document"):
    """A document that the message cites."""

    source_id: str
    media_type: str
    title: str
    filename: str | None = None
    provider_metadata: ProviderMetadata | None = None


class FilePart(_TypedPart, kw_only=True, tag="file"):
    """A file, at a remote URL, in a `data:` URL or at a provider."""

    media_type: str
    filename: str | None = None
    #: a data URL or a remote URL; empty beside a `provider_reference`
    url: str
    provider_reference: dict[str, str] | None = None
    provider_metadata: ProviderMetadata | None = None


class ReasoningFilePart(_TypedPart, kw_only=True, tag="reasoning-file"):
    """A file that belongs to the reasoning."""

    media_type: str
    url: str
    provider_metadata: ProviderMetadata | None = None


class SteeringMessagePart(_TypedPart, kw_only=True, tag="steering-message"):
    """A user message that arrived during the run."""

    id: str
    #: text and file parts, as JSON objects
    parts: list[JSONObject]


class StepStartPart(_TypedPart, kw_only=True, tag="step-start"):
    """The start of a step."""


class Approval(WireObject, kw_only=True):
    """An approval request for a tool call, and the user's response."""

    id: str
    approved: bool | None = None
    descriptor: Any = UNSET
    request_reason: str | None = None
    reason: str | None = None
    is_automatic: bool | None = None
    signature: str | None = None
    input_schema_input: Any = UNSET


class ToolPart(WireObject, kw_only=True):
    """A tool call: static (`tool-NAME`) or dynamic (`dynamic-tool` with `toolName`)."""

    tool_name: str
    dynamic: bool = False
    tool_call_id: str
    state: ToolState
    title: str | None = None
    tool_metadata: JSONObject | None = None
    provider_executed: bool | None = None
    input: Any = UNSET
    raw_input: Any = UNSET
    input_encoding: Literal["json", "text"] | None = None
    output: Any = UNSET
    error_text: str | None = None
    preliminary: bool | None = None
    call_provider_metadata: ProviderMetadata | None = None
    result_provider_metadata: ProviderMetadata | None = None
    approval: Approval | None = None

    @property
    def type(self) -> str:
        """The type on the wire."""
        return "dynamic-tool" if self.dynamic else f"tool-{self.tool_name}"

    @classmethod
    def from_object(cls, value: Mapping[str, Any]) -> Self:
        dynamic = value.get("type") == "dynamic-tool"
        foreign_keys = _foreign_keys(dynamic)
        fields = {k: v for k, v in value.items() if k not in foreign_keys and k != "approval"}
        if not dynamic:
            fields["toolName"] = str(value["type"])[5:]
        part = super().from_object(fields)
        part.dynamic = dynamic
        if (approval := value.get("approval")) is not None:
            part.approval = _parse_approval(approval)
        if foreign := {key: value[key] for key in foreign_keys if key in value}:
            part.extra = {**(part.extra or {}), **foreign}
        return part

    def to_object(self) -> JSONObject:
        foreign_keys = _foreign_keys(self.dynamic)
        value = {k: v for k, v in super().to_object().items() if k not in foreign_keys}
        if self.approval is not None:
            value["approval"] = self.approval.to_object()
        foreign = {k: v for k, v in (self.extra or {}).items() if k in foreign_keys}
        return {"type": self.type, **value, **json_codec.sanitize(foreign)}


def _foreign_keys(dynamic: bool) -> tuple[str, ...]:
    """Return the names of fields that are not keys of the part on the wire.

    Such a key of a parsed part goes to `extra`.
    """
    return ("dynamic",) if dynamic else ("dynamic", "toolName")


def _parse_approval(value: Any) -> Approval:
    if not isinstance(value, dict):
        raise WireError(path=("approval",), expected="an object", got=json_type(value))
    try:
        return Approval.from_object(value)
    except WireError as error:
        raise error.within("approval") from None


class DataPart(WireObject, kw_only=True):
    """`data-NAME`: the app's own data."""

    name: str
    id: str | None = None
    data: Any = None

    @property
    def type(self) -> str:
        """The type on the wire."""
        return f"data-{self.name}"

    @classmethod
    def from_object(cls, value: Mapping[str, Any]) -> Self:
        fields = {k: v for k, v in value.items() if k != "name"}
        part = super().from_object({**fields, "name": str(value["type"])[5:]})
        if "name" in value:
            part.extra = {**(part.extra or {}), "name": value["name"]}
        return part

    def to_object(self) -> JSONObject:
        value = super().to_object()
        del value["name"]
        if self.extra and "name" in self.extra:
            value["name"] = json_codec.sanitize(self.extra["name"])
        # `data` is required, even when it is null.
        return {"type": self.type, **value, "data": value.get("data")}


class UnknownPart(WireObject, kw_only=True):
    """A part of an unknown type, kept unchanged."""

    value: JSONObject

    @property
    def type(self) -> str:
        """The type on the wire."""
        return str(self.value.get("type"))

    def to_object(self) -> JSONObject:
        clean: JSONObject = json_codec.sanitize(self.value)
        return clean


Part = _TypedPart | ToolPart | DataPart | UnknownPart

_PART_TYPES: Mapping[str, type[_TypedPart]] = {
    str(cls.__struct_config__.tag): cls for cls in _TypedPart.__subclasses__()
}
for _name, _class in _PART_TYPES.items():
    _class.type = _name


def parse_part(value: Any) -> Part:
    """Parse a part. A part of an unknown type becomes an `UnknownPart`.

    Args:
        value: The decoded JSON object.

    Returns:
        An instance of the class for its type.

    Raises:
        WireError: The value is not an object with a `type`, or a field of a known type is wrong.
    """
    name = type_name(value)
    if cls := _PART_TYPES.get(name):
        return cls.from_object(value)
    if name == "dynamic-tool" or name.startswith("tool-"):
        return ToolPart.from_object(value)
    if name.startswith("data-"):
        return DataPart.from_object(value)
    return UnknownPart(value=value)


class UIMessage(WireObject, kw_only=True):
    """A message as `useChat` holds it."""

    id: str
    role: Role
    metadata: Any = UNSET
    parts: list[Part]

    @classmethod
    def from_object(cls, value: Mapping[str, Any]) -> Self:
        """Parse a JSON object.

        Args:
            value: The decoded JSON object.

        Returns:
            The message.

        Raises:
            WireError: A field is missing or has the wrong type. The error names its path:
                `parts[2].text: expected a string, got null`.
        """
        values = value.get("parts")
        if not isinstance(values, list):
            raise WireError(path=("parts",), expected="a list", got=json_type(values))
        parts: list[Part] = []
        for index, item in enumerate(values):
            try:
                parts.append(parse_part(item))
            except WireError as error:
                raise error.within("parts", index) from None
        fields = _Fields.from_object({key: value[key] for key in value if key != "parts"})
        return cls(
            id=fields.id,
            role=fields.role,
            metadata=fields.metadata,
            parts=parts,
            extra=fields.extra,
        )

    def last_step(self) -> list[Part]:
        """Return the parts after the last `step-start`; all parts if there is none."""
        starts = [i for i, part in enumerate(self.parts) if isinstance(part, StepStartPart)]
        return self.parts[starts[-1] + 1 :] if starts else self.parts[:]

    def last_step_calls(self) -> list[ToolPart]:
        """Return the tool calls of the last step, the only ones that a client can still resolve."""
        return [part for part in self.last_step() if isinstance(part, ToolPart)]

    def to_object(self) -> JSONObject:
        """Return the JSON object: without absent fields and without keys that clients refuse."""
        fields = _Fields(id=self.id, role=self.role, metadata=self.metadata, extra=self.extra)
        return {**fields.to_object(), "parts": [part.to_object() for part in self.parts]}


class _Fields(WireObject, kw_only=True):
    """The fields of a message besides its parts."""

    id: str
    role: Role
    metadata: Any = UNSET
