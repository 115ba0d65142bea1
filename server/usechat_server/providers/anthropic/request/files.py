"""A person's file → what the Messages API reads: an image, a PDF or a text document."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from ui_message_stream.messages import FilePart

from usechat_server.errors import InvalidRequest, PayloadTooLarge

__all__ = ["file_block"]

#: How the types that the API reads begin. Browsers name a file's type by its ending, which lies
#: often enough (a WebP saved as .jpg), and the API refuses a wrong name.
_SIGNATURES = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_READABLE = {"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"}
#: Bytes of base64 that the API takes for one image.
_LARGEST_IMAGE = 5 * 1024 * 1024
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


def file_block(part: FilePart) -> dict[str, Any]:
    """The content block of a file. Raises ChatError, whose text names the file."""
    name = part.filename or "The file"
    if part.provider_reference:
        return _referred(part, part.provider_reference, name)
    if part.url.startswith(("http://", "https://")):
        return _linked(part, name)
    media_type, encoded, data = _open_data_url(part.url, name)
    declared = (part.media_type or media_type).partition(";")[0].strip().lower()
    actual = _sniff(data) or declared
    if actual in _READABLE:
        encoded = encoded or _base64(data)
        if actual.startswith("image/") and len(encoded) > _LARGEST_IMAGE:
            # Base64 has four bytes for three.
            raise PayloadTooLarge(f"{name} is too large: an image may have at most 3.75 MB.")
        source = {"type": "base64", "media_type": actual, "data": encoded}
        return _block(part, source, document=actual == "application/pdf")
    text = _text(data, declared)
    if text is None:
        raise InvalidRequest(
            f"{name} ({declared or 'unknown type'}) cannot be read by the model. "
            "Send an image (PNG, JPEG, GIF or WebP), a PDF or a text file."
        )
    if not text.strip():
        return {"type": "text", "text": f"({name} is empty.)"}
    return _block(part, {"type": "text", "media_type": "text/plain", "data": text}, document=True)


def _referred(part: FilePart, reference: dict[str, str], name: str) -> dict[str, Any]:
    """A file that the provider keeps, by its id there. What the model does not read by itself is
    for the code that it runs."""
    file_id = reference.get("anthropic")
    if not file_id:
        raise InvalidRequest(f"{name} is kept by another provider ({', '.join(reference)}).")
    source = {"type": "file", "file_id": file_id}
    media_type = "" if _wanted(part).get("containerUpload") is True else part.media_type.lower()
    if media_type.startswith("image/"):
        return _block(part, source, document=False)
    if media_type == "application/pdf" or media_type.startswith("text/"):
        return _block(part, source, document=True)
    return {"type": "container_upload", "file_id": file_id}


def _linked(part: FilePart, name: str) -> dict[str, Any]:
    """A file at a URL: the provider fetches it, this server never does."""
    source = {"type": "url", "url": part.url}
    media_type = part.media_type.lower()
    if media_type == "image" or media_type.startswith("image/"):
        return _block(part, source, document=False)
    if media_type == "application/pdf":
        return _block(part, source, document=True)
    raise InvalidRequest(
        f"{name} ({media_type or 'unknown type'}) cannot be given as a link: only images and PDFs."
    )


def _block(part: FilePart, source: dict[str, Any], *, document: bool) -> dict[str, Any]:
    if not document:
        return {"type": "image", "source": source}
    wanted = _wanted(part)
    block: dict[str, Any] = {"type": "document", "source": source}
    if title := str(wanted.get("title") or part.filename or "").strip()[:500]:
        block["title"] = title
    if isinstance(context := wanted.get("context"), str) and context.strip():
        block["context"] = context
    if isinstance(citations := wanted.get("citations"), dict) and citations.get("enabled") is True:
        block["citations"] = {"enabled": True}
    return block


def _wanted(part: FilePart) -> Mapping[str, Any]:
    """What the page asks for: the AI SDK's provider options of a file part (`title`, `context`,
    `citations`, `containerUpload`)."""
    wanted: Any = (part.provider_metadata or {}).get("anthropic")
    return wanted if isinstance(wanted, dict) else {}


def _open_data_url(url: str, name: str) -> tuple[str, str, bytes]:
    """Media type, base64 text ("" if the URL is not base64) and bytes of a data URL (RFC 2397)."""
    scheme, _, rest = url.partition(":")
    head, comma, body = rest.partition(",")
    if scheme.lower() != "data" or not comma:
        raise InvalidRequest(f"{name} has no data: or http(s) URL that can be read.")
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


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _sniff(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((name for start, name in _SIGNATURES if data.startswith(start)), None)


def _text(data: bytes, declared: str) -> str | None:
    """The text of a text file of any kind (Markdown, CSV, JSON, code); None if it is not text.

    Told by the content: browsers have no type for most of them, and call TypeScript a video.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if b"\0" in data:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        # Spreadsheets still write text in the code page of the machine.
        return data.decode("cp1252", "replace") if declared.startswith("text/") else None
