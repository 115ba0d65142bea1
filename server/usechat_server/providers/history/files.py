"""A file of the history, opened: what it is, whatever the client says.

What providers are known to refuse is refused here, by name: they refuse the whole conversation.
"""

from __future__ import annotations

import binascii
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, unquote_to_bytes

from ui_message_stream.messages import FilePart

from usechat_server.errors import InvalidRequest, PayloadTooLarge
from usechat_server.media import decode_base64, encode_base64, sniff_media_type
from usechat_server.providers.history.media import image_size, is_encrypted_pdf, is_whole_pdf
from usechat_server.providers.history.text_file import decode_text

__all__ = ["NO_LIMITS", "ImageLimits", "Link", "OpenedFile", "file_link", "file_name", "open_file"]

#: The types of images that models read.
_IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
#: Characters of a file's name in texts for the user and for the model.
_NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What a provider accepts of one image. None: it does not say.

    Attributes:
        base64_bytes: The most bytes of base64.
        pixels: The most pixels of its width or height.
    """

    base64_bytes: int | None = None
    pixels: int | None = None


NO_LIMITS = ImageLimits()


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file that came as a data URL.

    Attributes:
        kind: What its content is.
        media_type: The type of its content; `text/plain` for every kind of text.
        base64: Its bytes; empty for a text.
        text: Its text; empty for an image or a PDF.
    """

    kind: Literal["image", "pdf", "text"]
    media_type: str
    base64: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A file at an https URL: the provider fetches it, this server never does."""

    kind: Literal["image", "pdf"]
    url: str


def file_name(part: FilePart, default: str = "The file") -> str:
    """Return a file's name, as users and the model may read it."""
    name = "".join(each if each.isprintable() else " " for each in part.filename or "").strip()
    return (name if len(name) <= _NAME_LENGTH else f"{name[:_NAME_LENGTH]}…") or default


def file_link(part: FilePart, kinds: Collection[str] = ("image", "pdf")) -> Link | None:
    """Return the link of a file at a URL; None if the file is in the message.

    Args:
        part: The file.
        kinds: What the provider fetches.

    Raises:
        ChatError: The provider does not fetch it; the text names the file.
    """
    name, url = file_name(part), part.url.strip()
    if not url[:8].lower().startswith(("http://", "https://")):
        return None
    if url[:5].lower() == "http:":
        raise InvalidRequest(f"{name} cannot be sent as this link: it must begin with https://.")
    media_type = part.media_type.partition(";")[0].strip().lower()
    if media_type == "image" or media_type.startswith("image/"):
        return Link("image", url)
    if media_type == "application/pdf" and "pdf" in kinds:
        return Link("pdf", url)
    allowed = "images and PDFs" if "pdf" in kinds else "images"
    raise InvalidRequest(
        f"{name} ({media_type or 'unknown type'}) cannot be sent as a link: only {allowed}."
    )


def open_file(part: FilePart, limits: ImageLimits = NO_LIMITS) -> OpenedFile:
    """Return the content of a file with a data URL.

    Raises:
        ChatError: The model cannot read the file; the text names it.
    """
    name = file_name(part)
    declared, encoded, data = _open_data_url(part.url.strip(), name)
    declared = part.media_type or declared
    actual = sniff_media_type(data)
    if actual in _IMAGE_TYPES and limits.base64_bytes and len(encoded) > limits.base64_bytes:
        # Base64 has four bytes for three.
        megabytes = limits.base64_bytes * 3 / 4 / 1024 / 1024
        raise PayloadTooLarge(f"{name} is too large: an image may have at most {megabytes:g} MB.")
    problem = _problem(data, actual, limits) if actual else None
    if actual and not problem:
        kind: Literal["image", "pdf"] = "image" if actual in _IMAGE_TYPES else "pdf"
        return OpenedFile(kind, actual, base64=encoded)
    # A text may begin like another file.
    text = decode_text(data, declared) if not problem or _is_declared_text(declared) else None
    if text is None or (not data and _is_declared_picture(declared)):
        raise InvalidRequest(f"{name} {problem or _unreadable(data, declared)}")
    return OpenedFile("text", "text/plain", text=text)


def _problem(data: bytes, actual: str, limits: ImageLimits) -> str | None:
    """Return why providers refuse an image or a PDF; None if they may accept it."""
    if actual == "application/pdf":
        if not is_whole_pdf(data):
            return "is damaged: the end of the PDF is missing."
        if is_encrypted_pdf(data):
            return "is encrypted. Send the PDF without a password."
        return None
    size = image_size(data, actual)
    if size is None:
        return "is damaged: a part of the image is missing."
    if limits.pixels and max(size) > limits.pixels:
        return (
            f"is too large: an image may be at most {limits.pixels} pixels wide and high, and it "
            f"has {size[0]} × {size[1]}."
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
        # Nearly always it is as providers take it.
        return media_type, body, binascii.a2b_base64(body, strict_mode=True)
    except ValueError:
        decoded = decode_base64(unquote(body))
    if decoded is None:
        raise InvalidRequest(f"{name} is damaged: its data URL is not valid base64.")
    return media_type, encode_base64(decoded), decoded
