"""What the bytes of an image or a PDF say: its size, and whether it is whole.

Nothing is decoded. Sources: the specifications of the formats (W3C PNG, ITU T.81 for JPEG, GIF89a,
the WebP container) and ISO 32000 for PDF.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

__all__ = ["image_size", "is_encrypted_pdf", "is_whole_pdf"]

#: JPEG markers without a length: TEM and the restart markers.
_BARE_MARKERS = {0x01, *range(0xD0, 0xD8)}
#: JPEG markers of a frame, which has the image's size: SOF0 to SOF15, without DHT, JPG and DAC.
_FRAME_MARKERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
#: Bytes at a PDF's end that have its end marker; some programs append a few.
_PDF_END = 4096
_ENCRYPTION = re.compile(rb"/Encrypt\s*(?:\d+\s+\d+\s+R|<<)")

#: Pixels: width and height.
Size = tuple[int, int]


def image_size(data: bytes, image_type: str) -> Size | None:
    """Return an image's width and height in pixels; None if it is cut off or damaged."""
    try:
        size = _SIZES[image_type](data)
    except IndexError:
        return None
    return size if size and min(size) > 0 else None


def is_whole_pdf(data: bytes) -> bool:
    """Whether a PDF has its end."""
    return b"%%EOF" in data[-_PDF_END:]


def is_encrypted_pdf(data: bytes) -> bool:
    """Whether a PDF is encrypted, with a password or without."""
    return _ENCRYPTION.search(data) is not None


def _png_size(data: bytes) -> Size | None:
    if data[12:16] != b"IHDR":
        return None
    at, has_pixels = 8, False  # after the signature
    while (kind := data[at + 4 : at + 8]) != b"IEND":
        if len(kind) < 4:
            return None
        has_pixels = has_pixels or kind == b"IDAT"
        at += 12 + _number(data, at, 4)
    is_whole = has_pixels and at + 12 <= len(data)
    return (_number(data, 16, 4), _number(data, 20, 4)) if is_whole else None


def _jpeg_size(data: bytes) -> Size | None:
    at, size = 2, None
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif marker in _BARE_MARKERS:
            at += 2
        elif marker == 0xDA:  # the pixels follow, up to the end marker
            return size if data.find(b"\xff\xd9", at) > 0 else None
        else:
            if marker in _FRAME_MARKERS:
                size = _number(data, at + 7, 2), _number(data, at + 5, 2)
            at += 2 + _number(data, at + 2, 2)
    return None


def _gif_size(data: bytes) -> Size | None:
    size = data[6] | data[7] << 8, data[8] | data[9] << 8
    at = 13 + _gif_colors(data[10])
    while True:
        kind = data[at]
        if kind == 0x2C:  # an image: its pixels come in sub-blocks
            _gif_end_of_blocks(data, at + 11 + _gif_colors(data[at + 9]))
            return size
        if kind != 0x21:  # not an extension
            return None
        at = _gif_end_of_blocks(data, at + 2)


def _gif_colors(flags: int) -> int:
    """Return the bytes of a color table."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _gif_end_of_blocks(data: bytes, at: int) -> int:
    while length := data[at]:
        at += 1 + length
    return at + 1


def _webp_size(data: bytes) -> Size | None:
    if int.from_bytes(data[4:8], "little") + 8 > len(data) or len(data) < 30:
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return width + 1, height + 1
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = (int.from_bytes(data[at : at + 2], "little") for at in (26, 28))
        return width & 0x3FFF, height & 0x3FFF
    return None


def _number(data: bytes, at: int, length: int) -> int:
    """Return the number in some bytes. Raises IndexError if they are missing."""
    if at + length > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + length], "big")


_SIZES: Mapping[str, Callable[[bytes], Size | None]] = {
    "image/png": _png_size,
    "image/jpeg": _jpeg_size,
    "image/gif": _gif_size,
    "image/webp": _webp_size,
}
