"""What chunks and message parts share: typed fields, unknown keys kept, absent fields left out."""

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
    "Unset",
    "WireObject",
    "check_citations",
    "check_steering",
]

JSONObject = dict[str, Any]
#: Provider name -> what that provider said: `{"anthropic": {"signature": "…"}}`.
ProviderMetadata = dict[str, dict[str, Any]]
#: An absent value where `None` (JSON null) is a value of its own.
Unset = UnsetType


class WireObject(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """A JSON object of the protocol. `extra` holds the keys that this release does not know."""

    extra: JSONObject | None = None

    #: JSON keys that are fields; filled in for each class on first use.
    _known: ClassVar[frozenset[str] | None] = None

    @classmethod
    def known_keys(cls) -> frozenset[str]:
        """The JSON keys that this class has a field for."""
        known = cls.__dict__.get("_known")
        if known is None:
            fields = msgspec.structs.fields(cls)
            known = frozenset(f.encode_name for f in fields if f.name != "extra")
            cls._known = known
        return known

    @classmethod
    def from_object(cls, value: Mapping[str, Any]) -> Self:
        """Reads a JSON object; unknown keys go to `extra`. Raises WireError."""
        known = cls.known_keys()
        fields = {key: item for key, item in value.items() if key in known}
        made = convert(fields, cls)
        if len(fields) < len(value):
            rest = {k: v for k, v in value.items() if k not in known and k != "type"}
            if rest:
                msgspec.structs.force_setattr(made, "extra", rest)
        return made

    def to_object(self) -> JSONObject:
        """The JSON object, safe to send: absent fields left out, forbidden keys removed."""
        made: JSONObject = msgspec.to_builtins(self)
        extra = made.pop("extra", None)
        if extra:
            made = {**extra, **made}
        clean: JSONObject = json_codec.sanitize(made)
        return clean


_Index = Annotated[int, msgspec.Meta(ge=0)] | UnsetType


class _Shape(msgspec.Struct, kw_only=True, rename="camel"):
    provider_metadata: ProviderMetadata | UnsetType = UNSET


class _UrlSource(_Shape, tag_field="sourceType", tag="url", kw_only=True):
    type: Literal["source"]
    id: str
    url: str
    title: str | UnsetType = UNSET


class _DocumentSource(_Shape, tag_field="sourceType", tag="document", kw_only=True):
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


class _Text(_Shape, tag="text", kw_only=True):
    text: str


class _File(_Shape, tag="file", kw_only=True):
    media_type: str
    url: str
    filename: str | UnsetType = UNSET
    provider_reference: dict[str, str] | UnsetType = UNSET


def check_citations(value: Any) -> None:
    """Raises WireError if it is no list of citations."""
    _check(value, list[_Citation], "citations")


def check_steering(value: Any) -> None:
    """Raises WireError if it is no list of text and file parts."""
    _check(value, list[_Text | _File], "parts")


def _check(value: Any, shape: Any, key: str) -> None:
    try:
        convert(value, shape)
    except WireError as error:
        raise error.within(key) from None
