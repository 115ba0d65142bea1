"""Citations: newer clients get them with the cited text, older ones as sources."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from ui_message_stream.chunks import SourceDocument, SourceUrl
from ui_message_stream.schema import JSONObject
from ui_message_stream.versions import FIELD_KNOWN_SINCE, ChunkVariant, VersionedChunk

from usechat_server.providers.anthropic.provider_metadata import anthropic_metadata
from usechat_server.providers.anthropic.response.blocks.base import ResponseContext
from usechat_server.providers.json_objects import without_none

__all__ = ["source_chunk", "text_citation"]

#: The first release that shows the citations of a text.
_CITATIONS_SINCE = FIELD_KNOWN_SINCE["text-end"]["citations"].v7

#: Type of a citation → the source's metadata that say where the cited text is, and the API's names.
_LOCATION_FIELDS = {
    "page_location": {
        "startPageNumber": "start_page_number",
        "endPageNumber": "end_page_number",
    },
    "char_location": {"startCharIndex": "start_char_index", "endCharIndex": "end_char_index"},
}


class _CitationFields(msgspec.Struct):
    """The fields that clients read, which would throw on other types."""

    type: str | None = None
    cited_text: str | None = None
    title: str | None = None
    document_title: str | None = None
    document_index: Annotated[int, msgspec.Meta(ge=0)] | None = None
    file_id: str | None = None


def text_citation(value: dict[str, Any], context: ResponseContext) -> JSONObject | None:
    """Return the API's citation as one of a text part; None if its type is unknown."""
    if not _is_readable(value):
        return None
    if (url := _cited_url(value)) is not None:
        title = value.get("title")
        source = {"type": "source", "sourceType": "url", "id": url, "url": url, "title": title}
    elif isinstance(index := value.get("document_index"), int):
        document = context.documents[index] if index < len(context.documents) else None
        default_title = document.title if document else f"Document {index}"
        source = {
            "type": "source",
            "sourceType": "document",
            "id": value.get("file_id") or str(index),
            "mediaType": document.media_type if document else "text/plain",
            "title": value.get("document_title") or default_title,
            "filename": document.filename if document else None,
        }
    else:
        return None
    source = {**without_none(source), "providerMetadata": anthropic_metadata(**value)}
    return without_none({"source": source, "citedText": value.get("cited_text")})


def source_chunk(value: dict[str, Any], context: ResponseContext) -> ChunkVariant | None:
    """Return the API's citation as a source; None if there is no such source."""
    if not _is_readable(value):
        return None
    citation_type = value.get("type")
    url = _cited_url(value)
    if citation_type == "web_search_result_location" and url is not None:
        source = SourceUrl(
            source_id=context.next_source_id(),
            url=url,
            title=value.get("title"),
            provider_metadata=anthropic_metadata(
                citedText=value.get("cited_text"), encryptedIndex=value.get("encrypted_index")
            ),
        )
        context.late_sources.append(VersionedChunk(source, since=_CITATIONS_SINCE))
        return VersionedChunk(source, until=_CITATIONS_SINCE)
    index = value.get("document_index")
    if citation_type not in _LOCATION_FIELDS or not isinstance(index, int):
        return None
    if index >= len(context.documents):
        return None
    document = context.documents[index]
    location = {name: value.get(key) for name, key in _LOCATION_FIELDS[citation_type].items()}
    return SourceDocument(
        source_id=context.next_source_id(),
        media_type=document.media_type,
        title=value.get("document_title") or document.title,
        filename=document.filename,
        provider_metadata=anthropic_metadata(citedText=value.get("cited_text"), **location),
    )


def _is_readable(value: dict[str, Any]) -> bool:
    try:
        msgspec.convert(value, _CitationFields)
    except msgspec.ValidationError:
        return False
    return True


def _cited_url(value: dict[str, Any]) -> str | None:
    """Return the URL of a cited search result."""
    key = {"web_search_result_location": "url", "search_result_location": "source"}
    url = value.get(key.get(value.get("type", ""), ""))
    return url if isinstance(url, str) else None
