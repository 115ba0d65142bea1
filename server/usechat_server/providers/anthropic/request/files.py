"""A file → a content block: an image, a PDF or a text document.

What the API is known to refuse is refused here, by name: the API refuses the whole conversation.
Source: the API's pages on vision and on PDFs.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from ui_message_stream.messages import FilePart

from usechat_server.errors import InvalidRequest, PayloadTooLarge
from usechat_server.media import decode_base64, encode_base64, sniff_media_type
from usechat_server.providers.anthropic.request.media import (
    image_size,
    is_encrypted_pdf,
    is_whole_pdf,
)
from usechat_server.providers.anthropic.request.text_file import decode_text

__all__ = ["file_block", "file_name"]

#: The types of images that the API reads.
_IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
#: The most bytes of base64 that the API accepts for one image.
_MAX_IMAGE_BYTES = 5 * 1024 * 1024
#: The most pixels of an image's width or height.
_MAX_PIXELS = 8000
#: Characters of a file's name in texts for the user and for the model.
_NAME_LENGTH = 100


def file_name(part: FilePart, default: str = "The file") -> str:
    """Return a file's name, as users and the model may read it."""
    name = "".join(each if each.isprintable() else " " for each in part.filename or "").strip()
    return (name if len(name) <= _NAME_LENGTH else f"{name[:_NAME_LENGTH]}…") or default


def file_block(part: FilePart) -> dict[str, Any]:
    """Return the content block of a file.

    Raises:
        ChatError: The model cannot read the file; the text names it.
    """
    name = file_name(part)
    if part.provider_reference:
        return _referenced_file_block(part, part.provider_reference, name)
    url = part.url.strip()
    if url[:8].lower().startswith(("http://", "https://")):
        return _linked_file_block(part, url, name)
    declared, encoded, data = _open_data_url(url, name)
    declared = part.media_type or declared
    actual = sniff_media_type(data)
    if actual in _IMAGE_TYPES and len(encoded) > _MAX_IMAGE_BYTES:
        # Base64 has four bytes for three.
        raise PayloadTooLarge(f"{name} is too large: an image may have at most 3.75 MB.")
    problem = _problem(data, actual) if actual else None
    if actual and not problem:
        source = {"type": "base64", "media_type": actual, "data": encoded}
        return _source_block(part, source, document=actual not in _IMAGE_TYPES)
    # A text may begin like another file.
    text = decode_text(data, declared) if not problem or _is_declared_text(declared) else None
    if text is None or (not data and _is_declared_picture(declared)):
        raise InvalidRequest(f"{name} {problem or _unreadable(data, declared)}")
    if not text.strip():
        return {"type": "text", "text": f"({name} is empty.)"}
    source = {"type": "text", "media_type": "text/plain", "data": text}
    return _source_block(part, source, document=True)


def _problem(data: bytes, actual: str) -> str | None:
    """Return why the API refuses an image or a PDF; None if it may accept it."""
    if actual == "application/pdf":
        if not is_whole_pdf(data):
            return "is damaged: the end of the PDF is missing."
        if is_encrypted_pdf(data):
            return "is encrypted. Send the PDF without a password."
        return None
    size = image_size(data, actual)
    if size is None:
        return "is damaged: a part of the image is missing."
    if max(size) > _MAX_PIXELS:
        return (
            f"is too large: an image may be at most {_MAX_PIXELS} pixels wide and high, and it has "
            f"{size[0]} × {size[1]}."
        )
    return None


def _unreadable(data: bytes, declared: str) -> str:
    if not data:
        return "is empty."
    declared_type = declared.partition(";")[0].strip().lower()
    return (
        f"({declared_type[:_NAME_LENGTH] or 'unknown type'}) cannot be read by the model. "
        "Send an image (PNG, JPEG, GIF or WebP), a PDF or a text file."
    )


def _is_declared_text(declared: str) -> bool:
    return declared.lstrip().lower().startswith("text/")


def _is_declared_picture(declared: str) -> bool:
    return declared.lstrip().lower().startswith(("image", "application/pdf"))


def _referenced_file_block(part: FilePart, reference: dict[str, str], name: str) -> dict[str, Any]:
    """Return the block of a file that was uploaded to the provider.

    What the model cannot read by itself goes to the container of its code.
    """
    file_id = reference.get("anthropic")
    if not file_id:
        raise InvalidRequest(f"{name} was uploaded to another provider ({', '.join(reference)}).")
    source = {"type": "file", "file_id": file_id}
    media_type = (
        "" if _file_options(part).get("containerUpload") is True else part.media_type.lower()
    )
    if media_type.startswith("image/"):
        return _source_block(part, source, document=False)
    if media_type == "application/pdf" or media_type.startswith("text/"):
        return _source_block(part, source, document=True)
    return {"type": "container_upload", "file_id": file_id}


def _linked_file_block(part: FilePart, url: str, name: str) -> dict[str, Any]:
    """Return the block of a file at a URL: the provider fetches it, this server never does."""
    if url[:5].lower() == "http:":
        raise InvalidRequest(f"{name} cannot be sent as this link: it must begin with https://.")
    source = {"type": "url", "url": url}
    media_type = part.media_type.partition(";")[0].strip().lower()
    if media_type == "image" or media_type.startswith("image/"):
        return _source_block(part, source, document=False)
    if media_type == "application/pdf":
        return _source_block(part, source, document=True)
    raise InvalidRequest(
        f"{name} ({media_type or 'unknown type'}) cannot be sent as a link: only images and PDFs."
    )


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


def _open_data_url(url: str, name: str) -> tuple[str, str, bytes]:
    """Return the media type with its parameters, the base64 and the bytes of a data URL.

    It is read as browsers read it. Source: `data: URLs` in the Fetch standard, "forgiving-base64
    decode" in the Infra standard.
    """
    scheme, _, rest = url.partition(":")
    head, comma, body = rest.partition(",")
    if scheme.lower() != "data" or not comma:
        raise InvalidRequest(f"{name} cannot be read: its URL must begin with data: or https://.")
    media_type, _, encoding = head.rpartition(";")
    if encoding.strip().lower() != "base64":
        data = unquote_to_bytes(body) if "%" in body else body.encode("utf-8", "replace")
        return head, encode_base64(data), data
    try:
        # Nearly always it is as the API takes it.
        return media_type, body, binascii.a2b_base64(body, strict_mode=True)
    except ValueError:
        decoded = decode_base64(unquote(body))
    if decoded is None:
        raise InvalidRequest(f"{name} is damaged: its data URL is not valid base64.")
    return media_type, encode_base64(decoded), decoded
