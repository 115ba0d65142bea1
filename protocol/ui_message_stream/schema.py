"""The base class of chunks and message parts.

Fields are typed, unknown keys are kept, absent fields are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import msgspec
from msgspec import UNSET, UnsetType

from ui_message_stream import json_codec
from ui_message_stream.errors import WireError, convert

__all__ = [
    "UNSET",
    "JSONObject",
    "ProviderMetadata",
    "WireObject",
    "check_citations",
    "check_steering_parts",
]

JSONObject = dict[str, Any]
#: Provider name -> that provider's data: `{"anthropic": {"signature": "…"}}`.
ProviderMetadata = dict[str, dict[str, Any]]


class WireObject(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """A JSON object of the protocol.

    Attributes:
        extra: The object's keys that are not fields of the class, or None.
    """

    extra: JSONObject | None = None

    #: The result of `known_keys`; cached for each class on first use.
    _known: ClassVar[frozenset[str] | None] = None

    @classmethod
    def known_keys(cls) -> frozenset[str]:
        """Return the JSON keys that this class has a field for."""
        known = cls.__dict__.get("_known")
        if known is None:
            fields = msgspec.structs.fields(cls)
            known = frozenset(f.encode_name for f in fields if f.name != "extra")
            cls._known = known
        return known

    @classmethod
    def from_object(cls, value: Mapping[str, Any]) -> Self:
        """Parse a JSON object. Unknown keys go to `extra`.

        Args:
            value: The decoded JSON object.

        Returns:
            An instance of this class.

        Raises:
            WireError: A field is missing or has the wrong type.
        """
        known = cls.known_keys()
        fields = {key: item for key, item in value.items() if key in known}
        instance = convert(fields, cls)
        if len(fields) < len(value):
            rest = {k: v for k, v in value.items() if k not in known and k != "type"}
            if rest:
                msgspec.structs.force_setattr(instance, "extra", rest)
        return instance

    def to_object(self) -> JSONObject:
        """Return the JSON object: without absent fields and without keys that clients refuse."""
        value: JSONObject = msgspec.to_builtins(self)
        extra = value.pop("extra", None)
        if extra:
            value = {**extra, **value}
        clean: JSONObject = json_codec.sanitize(value)
        return clean


_Index = Annotated[int, msgspec.Meta(ge=0)] | UnsetType


class _WithProviderMetadata(msgspec.Struct, kw_only=True, rename="camel"):
    provider_metadata: ProviderMetadata | UnsetType = UNSET


class _UrlSource(_WithProviderMetadata, tag_field="sourceType", tag="url", kw_only=True):
    type: Literal["source"]
    id: str
    url: str
    title: str | UnsetType = UNSET


class _DocumentSource(_WithProviderMetadata, tag_field="sourceType", tag="document", kw_only=True):
    type: Literal["source"]
    id: str
    media_type: str
    title: str
    filename: str | UnsetType = UNSET


class _Citation(msgspec.Struct, kw_only=True, rename="camel"):
    source: _UrlSource | _DocumentSource
    start_index: _Index = UNSET
    end_index: _Index = UNSET
    cited_text: str | UnsetType = UNSET


class _Text(_WithProviderMetadata, tag="text", kw_only=True):
    text: str


class _File(_WithProviderMetadata, tag="file", kw_only=True):
    media_type: str
    url: str
    filename: str | UnsetType = UNSET
    provider_reference: dict[str, str] | UnsetType = UNSET


def check_citations(value: Any) -> None:
    """Check that a value is a list of citations.

    Raises:
        WireError: It is not.
    """
    _check(value, list[_Citation], "citations")


def check_steering_parts(value: Any) -> None:
    """Check that a value is a list of text and file parts, as steering messages have them.

    Raises:
        WireError: It is not.
    """
    _check(value, list[_Text | _File], "parts")


def _check(value: Any, cls: Any, key: str) -> None:
    try:
        convert(value, cls)
    except WireError as error:
        raise error.within(key) from None
