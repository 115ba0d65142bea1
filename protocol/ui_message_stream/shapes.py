"""What the client checks inside two fields that are plain JSON objects here.

Source: `citationSchema` in `ai/src/types/citation.ts`, and `steering-message` in
`ai/src/ui-message-stream/ui-message-chunks.ts`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from ui_message_stream.schema import ProviderMetadata, WireError

__all__ = ["check_citations", "check_steering"]

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
        msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise WireError(str(error)).within(key) from None
