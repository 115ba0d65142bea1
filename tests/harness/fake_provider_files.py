"""Whether the Messages API can read a file: it decodes it, and refuses the request if it cannot."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable, Mapping

__all__ = ["file_errors"]

_MAX_BASE64 = 5 * 1024 * 1024
_UNREADABLE = "Could not process image"


def file_errors(media_type: str, data: str, *, max_pixels: int = 8000) -> list[str]:
    """Return the errors of a file that is sent as base64."""
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError:
        return ["source.base64.data: not valid base64"]
    if not content:
        return ["source.base64.data: empty"]
    if media_type == "application/pdf":
        if not content.startswith(b"%PDF-") or b"%%EOF" not in content:
            return ["The PDF specified was not valid."]
        return ["The PDF specified is password protected."] if b"/Encrypt" in content else []
    if len(data) > _MAX_BASE64:
        return [f"image exceeds 5 MB maximum: {len(data)} bytes > {_MAX_BASE64} bytes"]
    actual = next((kind for kind, magic in _MAGIC.items() if magic(content)), None)
    if actual is None:
        return [_UNREADABLE]
    if actual != media_type:
        return [f"the image appears to be a {actual} image, and media_type is {media_type}"]
    try:
        width, height = _SIZE[actual](content)
    except (ValueError, IndexError, struct.error, zlib.error):
        return [_UNREADABLE]
    if min(width, height) < 1:
        return [_UNREADABLE]
    if max(width, height) > max_pixels:
        many = "" if max_pixels == 8000 else " for many-image requests"
        return [f"the image dimensions exceed max allowed size{many}: {max_pixels} pixels"]
    return []


def _png(data: bytes) -> tuple[int, int]:
    at, pixels, kind = 8, b"", b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        if zlib.crc32(kind + content) != checksum:
            raise ValueError("checksum")
        if kind == b"IDAT":
            pixels += content
        at += 12 + length
    zlib.decompress(pixels)
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _jpeg(data: bytes) -> tuple[int, int]:
    at, size = 2, (0, 0)
    while True:
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == 0xFFC0:
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = width, height
        if marker == 0xFFDA:
            if data.rstrip(b"\0")[-2:] != b"\xff\xd9":
                raise ValueError("no end")
            return size
        if marker < 0xFFC0:
            raise ValueError("no marker")
        at += 2 + length


def _gif(data: bytes) -> tuple[int, int]:
    if b"\x2c" not in data[13:] or not data.endswith((b"\x3b", b"\0")):
        raise ValueError("no image")
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _webp(data: bytes) -> tuple[int, int]:
    (length,) = struct.unpack_from("<I", data, 4)
    if length + 8 > len(data) or data[12:16] != b"VP8L" or data[20] != 0x2F:
        raise ValueError("cut off")
    (bits,) = struct.unpack_from("<I", data, 21)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


_MAGIC: Mapping[str, Callable[[bytes], bool]] = {
    "image/png": lambda data: data[:8] == b"\x89PNG\r\n\x1a\n",
    "image/jpeg": lambda data: data[:3] == b"\xff\xd8\xff",
    "image/gif": lambda data: data[:6] in (b"GIF87a", b"GIF89a"),
    "image/webp": lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP",
}
_SIZE: Mapping[str, Callable[[bytes], tuple[int, int]]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/gif": _gif,
    "image/webp": _webp,
}
