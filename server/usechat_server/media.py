"""What a file is, by its content: declared types and encodings are often wrong."""

from __future__ import annotations

import binascii

__all__ = ["decode_base64", "encode_base64", "sniff_media_type"]

#: The first bytes of common types.
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)


def sniff_media_type(data: bytes) -> str | None:
    """Return the media type of an image that browsers show, or of a PDF; None for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((name for start, name in _SIGNATURES if data.startswith(start)), None)


def decode_base64(text: str | bytes) -> bytes | None:
    """Return the bytes of a base64 text, which may have white space and lack its padding; None if
    it is not base64."""
    if isinstance(text, str):
        text = text.encode("ascii", "replace")
    text = b"".join(text.split()).rstrip(b"=")
    try:
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    except binascii.Error:
        return None


def encode_base64(data: bytes) -> str:
    """Return bytes as base64 with padding and without line breaks."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")
