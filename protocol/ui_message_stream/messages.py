"""UI messages and every part of AI SDK 7.0.173.

Source: `ai/src/ui/ui-messages.ts`. Reading is lenient: histories written by any release load,
unknown keys are kept in `extra`, and parts of unknown types survive a round trip.
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
    text: str
    state: Literal["streaming", "done"] | None = None
    citations: list[JSONObject] | None = None
    provider_metadata: ProviderMetadata | None = None


class CustomPart(_TypedPart, kw_only=True, tag="custom"):
    kind: str
    provider_metadata: ProviderMetadata | None = None


class ReasoningPart(_TypedPart, kw_only=True, tag="reasoning"):
    id: str | None = None
    text: str
    state: Literal["streaming", "done"] | None = None
    provider_metadata: ProviderMetadata | None = None


class SourceUrlPart(_TypedPart, kw_only=True, tag="source-url"):
    source_id: str
    url: str
    title: str | None = None
    provider_metadata: ProviderMetadata | None = None


class SourceDocumentPart(_TypedPart, kw_only=True, tag="source-document"):
    source_id: str
    media_type: str
    title: str
    filename: str | None = None
    provider_metadata: ProviderMetadata | None = None


class FilePart(_TypedPart, kw_only=True, tag="file"):
    media_type: str
    filename: str | None = None
    #: a data URL or a remote URL; empty beside a `provider_reference`
    url: str
    provider_reference: dict[str, str] | None = None
    provider_metadata: ProviderMetadata | None = None


class ReasoningFilePart(_TypedPart, kw_only=True, tag="reasoning-file"):
    media_type: str
    url: str
    provider_metadata: ProviderMetadata | None = None


class SteeringMessagePart(_TypedPart, kw_only=True, tag="steering-message"):
    id: str
    #: text and file parts, as JSON objects
    parts: list[JSONObject]


class StepStartPart(_TypedPart, kw_only=True, tag="step-start"):
    pass


class Approval(WireObject, kw_only=True):
    """What was asked of the user about a tool call, and the answer."""

    id: str
    approved: bool | None = None
    descriptor: Any = UNSET
    request_reason: str | None = None
    reason: str | None = None
    is_automatic: bool | None = None
    signature: str | None = None
    input_schema_input: Any = UNSET


class ToolPart(WireObject, kw_only=True):
    """A tool call, static (`tool-NAME`) or dynamic (`dynamic-tool` with `toolName`)."""

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
        return "dynamic-tool" if self.dynamic else f"tool-{self.tool_name}"

    @classmethod
    def from_object(cls, value: Mapping[str, Any]) -> Self:
        dynamic = value.get("type") == "dynamic-tool"
        foreign = _foreign_keys(dynamic)
        fields = {k: v for k, v in value.items() if k not in foreign and k != "approval"}
        if not dynamic:
            fields["toolName"] = str(value["type"])[5:]
        made = super().from_object(fields)
        made.dynamic = dynamic
        if (approval := value.get("approval")) is not None:
            made.approval = _approval(approval)
        if kept := {key: value[key] for key in foreign if key in value}:
            made.extra = {**(made.extra or {}), **kept}
        return made

    def to_object(self) -> JSONObject:
        made = super().to_object()
        foreign = _foreign_keys(self.dynamic)
        made = {key: item for key, item in made.items() if key not in foreign}
        if self.approval is not None:
            made["approval"] = self.approval.to_object()
        kept = {key: item for key, item in (self.extra or {}).items() if key in foreign}
        return {"type": self.type, **made, **json_codec.sanitize(kept)}


def _foreign_keys(dynamic: bool) -> tuple[str, ...]:
    """Names of fields that are no keys of the part: where they come all the same, they are kept."""
    return ("dynamic",) if dynamic else ("dynamic", "toolName")


def _approval(value: Any) -> Approval:
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
        return f"data-{self.name}"

    @classmethod
    def from_object(cls, value: Mapping[str, Any]) -> Self:
        fields = {k: v for k, v in value.items() if k != "name"}
        made = super().from_object({**fields, "name": str(value["type"])[5:]})
        if "name" in value:
            made.extra = {**(made.extra or {}), "name": value["name"]}
        return made

    def to_object(self) -> JSONObject:
        made = super().to_object()
        del made["name"]
        if self.extra and "name" in self.extra:
            made["name"] = json_codec.sanitize(self.extra["name"])
        # `data` must be there, null too.
        return {"type": self.type, **made, "data": made.get("data")}


class UnknownPart(WireObject, kw_only=True):
    """A part of a type that this release does not know, kept as it came."""

    value: JSONObject

    @property
    def type(self) -> str:
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
    """The part that a JSON object is. Raises WireError for a known type with a wrong field."""
    name = type_name(value)
    if cls := _PART_TYPES.get(name):
        return cls.from_object(value)
    if name == "dynamic-tool" or name.startswith("tool-"):
        return ToolPart.from_object(value)
    if name.startswith("data-"):
        return DataPart.from_object(value)
    return UnknownPart(value=value)


class UIMessage(WireObject, kw_only=True):
    """One message as `useChat` holds it."""

    id: str
    role: Role
    metadata: Any = UNSET
    parts: list[Part]

    @classmethod
    def from_object(cls, value: Mapping[str, Any]) -> Self:
        """Reads a JSON object. Raises WireError that names the place: `parts[2].text: …`."""
        parts = value.get("parts")
        if not isinstance(parts, list):
            raise WireError(path=("parts",), expected="a list", got=json_type(parts))
        head = {key: item for key, item in value.items() if key != "parts"}
        read: list[Part] = []
        for index, part in enumerate(parts):
            try:
                read.append(parse_part(part))
            except WireError as error:
                raise error.within("parts", index) from None
        base = _Head.from_object(head)
        return cls(id=base.id, role=base.role, metadata=base.metadata, parts=read, extra=base.extra)

    def last_step(self) -> list[Part]:
        """Return the parts after the last `step-start`; all parts if there is none."""
        starts = [i for i, part in enumerate(self.parts) if isinstance(part, StepStartPart)]
        return self.parts[starts[-1] + 1 :] if starts else self.parts[:]

    def last_step_calls(self) -> list[ToolPart]:
        """Return the tool calls of the last step: those that a client can still answer."""
        return [part for part in self.last_step() if isinstance(part, ToolPart)]

    def to_object(self) -> JSONObject:
        """The JSON object, safe to send."""
        head = _Head(id=self.id, role=self.role, metadata=self.metadata, extra=self.extra)
        return {**head.to_object(), "parts": [part.to_object() for part in self.parts]}


class _Head(WireObject, kw_only=True):
    id: str
    role: Role
    metadata: Any = UNSET
