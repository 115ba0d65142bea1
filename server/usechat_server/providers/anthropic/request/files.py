"""A file → a content block: an image, a PDF or a text document.

Source: the API's pages on vision and on PDFs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ui_message_stream.messages import FilePart

from usechat_server.errors import InvalidRequest
from usechat_server.providers.history.files import ImageLimits, file_link, file_name, open_file

__all__ = ["file_block"]

_IMAGE_LIMITS = ImageLimits(base64_bytes=5 * 1024 * 1024, pixels=8000)


def file_block(part: FilePart) -> dict[str, Any]:
    """Return the content block of a file.

    Raises:
        ChatError: The model cannot read the file; the text names it.
    """
    if part.provider_reference:
        return _referenced_file_block(part, part.provider_reference)
    if (link := file_link(part)) is not None:
        source = {"type": "url", "url": link.url}
        return _source_block(part, source, document=link.kind == "pdf")
    file = open_file(part, _IMAGE_LIMITS)
    if file.kind != "text":
        source = {"type": "base64", "media_type": file.media_type, "data": file.base64}
        return _source_block(part, source, document=file.kind == "pdf")
    if not file.text.strip():
        return {"type": "text", "text": f"({file_name(part)} is empty.)"}
    source = {"type": "text", "media_type": file.media_type, "data": file.text}
    return _source_block(part, source, document=True)


def _referenced_file_block(part: FilePart, reference: dict[str, str]) -> dict[str, Any]:
    """Return the block of a file that was uploaded to the provider.

    What the model cannot read by itself goes to the container of its code.
    """
    file_id = reference.get("anthropic")
    if not file_id:
        raise InvalidRequest(
            f"{file_name(part)} was uploaded to another provider ({', '.join(reference)})."
        )
    source = {"type": "file", "file_id": file_id}
    media_type = (
        "" if _file_options(part).get("containerUpload") is True else part.media_type.lower()
    )
    if media_type.startswith("image/"):
        return _source_block(part, source, document=False)
    if media_type == "application/pdf" or media_type.startswith("text/"):
        return _source_block(part, source, document=True)
    return {"type": "container_upload", "file_id": file_id}


def _source_block(part: FilePart, source: dict[str, Any], *, document: bool) -> dict[str, Any]:
    if not document:
        return {"type": "image", "source": source}
    options = _file_options(part)
    block: dict[str, Any] = {"type": "document", "source": source}
    if title := str(options.get("title") or part.filename or "").strip()[:500]:
        block["title"] = title
    if isinstance(context := options.get("context"), str) and context.strip():
        block["context"] = context
    if isinstance(citations := options.get("citations"), dict) and citations.get("enabled") is True:
        block["citations"] = {"enabled": True}
    return block


def _file_options(part: FilePart) -> Mapping[str, Any]:
    """Return the AI SDK's provider options of a file part, which the client sets.

    They are `title`, `context`, `citations` and `containerUpload`.
    """
    options: Any = (part.provider_metadata or {}).get("anthropic")
    return options if isinstance(options, dict) else {}
