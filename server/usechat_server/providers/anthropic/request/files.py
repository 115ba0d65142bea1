"""A user's file → a content block: an image, a PDF or a text document."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from ui_message_stream.messages import FilePart

from usechat_server.errors import InvalidRequest, PayloadTooLarge

__all__ = ["file_block"]

#: The first bytes of the types that the API reads. Browsers derive a file's type from its
#: extension, which is often wrong (a WebP saved as .jpg), and the API refuses a wrong type.
_SIGNATURES = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_READABLE = {"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"}
#: The most bytes of base64 that the API accepts for one image.
_MAX_IMAGE_BYTES = 5 * 1024 * 1024
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def file_block(part: FilePart) -> dict[str, Any]:
    """Return the content block of a file.

    Raises:
        ChatError: The model cannot read the file; the text names it.
    """
    name = part.filename or "The file"
    if part.provider_reference:
        return _referenced_file_block(part, part.provider_reference, name)
    if part.url.startswith(("http://", "https://")):
        return _linked_file_block(part, name)
    media_type, encoded, data = _open_data_url(part.url, name)
    declared = (part.media_type or media_type).partition(";")[0].strip().lower()
    actual = _sniff(data) or declared
    if actual in _READABLE:
        encoded = encoded or _encode_base64(data)
        if actual.startswith("image/") and len(encoded) > _MAX_IMAGE_BYTES:
            # Base64 has four bytes for three.
            raise PayloadTooLarge(f"{name} is too large: an image may have at most 3.75 MB.")
        source = {"type": "base64", "media_type": actual, "data": encoded}
        return _source_block(part, source, document=actual == "application/pdf")
    text = _decode_text(data, declared)
    if text is None:
        raise InvalidRequest(
            f"{name} ({declared or 'unknown type'}) cannot be read by the model. "
            "Send an image (PNG, JPEG, GIF or WebP), a PDF or a text file."
        )
    if not text.strip():
        return {"type": "text", "text": f"({name} is empty.)"}
    source = {"type": "text", "media_type": "text/plain", "data": text}
    return _source_block(part, source, document=True)


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


def _linked_file_block(part: FilePart, name: str) -> dict[str, Any]:
    """Return the block of a file at a URL: the provider fetches it, this server never does."""
    source = {"type": "url", "url": part.url}
    media_type = part.media_type.lower()
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
    """Return the media type, base64 text ("" if it has none) and bytes of a data URL.

    Source: RFC 2397.
    """
    scheme, _, rest = url.partition(":")
    head, comma, body = rest.partition(",")
    if scheme.lower() != "data" or not comma:
        raise InvalidRequest(
            f"{name} cannot be read: its URL must begin with data:, http: or https:."
        )
    media_type, *parameters = head.split(";")
    raw = unquote_to_bytes(body) if "%" in body else body.encode("utf-8", "replace")
    if "base64" not in (parameter.strip().lower() for parameter in parameters):
        return media_type, "", raw
    try:
        padded = raw + b"=" * (-len(raw) % 4)
        data = binascii.a2b_base64(padded, strict_mode=True)
    except binascii.Error:
        raise InvalidRequest(f"{name} is damaged: its data URL is not valid base64.") from None
    return media_type, padded.decode("ascii"), data


def _encode_base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _sniff(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((name for start, name in _SIGNATURES if data.startswith(start)), None)


def _decode_text(data: bytes, declared: str) -> str | None:
    """Return the text of a text file of any kind (Markdown, CSV, JSON, code); None if it is none.

    The content decides: browsers have no type for most of them, and call TypeScript a video.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        # Spreadsheets still write text in the code page of the operating system.
        return data.decode("cp1252", "replace") if declared.startswith("text/") else None
