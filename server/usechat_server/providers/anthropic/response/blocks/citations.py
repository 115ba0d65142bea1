"""Citations: newer clients have them with the text that they belong to, older ones as sources."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from ui_message_stream.chunks import SourceDocument, SourceUrl
from ui_message_stream.schema import JSONObject
from ui_message_stream.versions import FIELD_KNOWN_SINCE, ChunkVariant, VersionedChunk

from usechat_server.providers.anthropic.response.blocks.base import (
    ResponseContext,
    anthropic,
    without_none,
)

__all__ = ["citation", "source"]

#: The first release that shows the citations of a text.
_SHOWN_SINCE = FIELD_KNOWN_SINCE["text-end"]["citations"].v7

#: What a source says of where the cited text stands.
_WHERE = {
    "page_location": {
        "startPageNumber": "start_page_number",
        "endPageNumber": "end_page_number",
    },
    "char_location": {"startCharIndex": "start_char_index", "endCharIndex": "end_char_index"},
}


class _Relied(msgspec.Struct):
    """What the page is told of a citation; its release would throw on other types."""

    type: str | None = None
    cited_text: str | None = None
    title: str | None = None
    document_title: str | None = None
    document_index: Annotated[int, msgspec.Meta(ge=0)] | None = None
    file_id: str | None = None


def citation(value: dict[str, Any], answer: ResponseContext) -> JSONObject | None:
    """The API's citation as the page has it; None if it is of a kind that nobody knew."""
    if not _is_known(value):
        return None
    told = {"providerMetadata": anthropic(**value)}
    cited = value.get("cited_text")
    if (url := _url(value)) is not None:
        title = value.get("title")
        shown = {"type": "source", "sourceType": "url", "id": url, "url": url, "title": title}
    elif isinstance(number := value.get("document_index"), int):
        document = answer.documents[number] if number < len(answer.documents) else None
        known = document.title if document else f"Document {number}"
        shown = {
            "type": "source",
            "sourceType": "document",
            "id": value.get("file_id") or str(number),
            "mediaType": document.media_type if document else "text/plain",
            "title": value.get("document_title") or known,
            "filename": document.filename if document else None,
        }
    else:
        return None
    return without_none({"source": {**without_none(shown), **told}, "citedText": cited})


def source(value: dict[str, Any], answer: ResponseContext) -> ChunkVariant | None:
    """What a citation is besides, as a part of its own."""
    if not _is_known(value):
        return None
    kind = value.get("type")
    if kind == "web_search_result_location" and (url := _url(value)) is not None:
        found = SourceUrl(
            source_id=answer.source_id(),
            url=url,
            title=value.get("title"),
            provider_metadata=anthropic(
                citedText=value.get("cited_text"), encryptedIndex=value.get("encrypted_index")
            ),
        )
        answer.late_sources.append(VersionedChunk(found, since=_SHOWN_SINCE))
        return VersionedChunk(found, until=_SHOWN_SINCE)
    number = value.get("document_index")
    if kind not in _WHERE or not isinstance(number, int) or number >= len(answer.documents):
        return None
    document = answer.documents[number]
    where = {name: value.get(key) for name, key in _WHERE[kind].items()}
    return SourceDocument(
        source_id=answer.source_id(),
        media_type=document.media_type,
        title=value.get("document_title") or document.title,
        filename=document.filename,
        provider_metadata=anthropic(citedText=value.get("cited_text"), **where),
    )


def _is_known(value: dict[str, Any]) -> bool:
    try:
        msgspec.convert(value, _Relied)
    except msgspec.ValidationError:
        return False
    return True


def _url(value: dict[str, Any]) -> str | None:
    """Where a cited search result is."""
    key = {"web_search_result_location": "url", "search_result_location": "source"}
    url = value.get(key.get(value.get("type", ""), ""))
    return url if isinstance(url, str) else None
