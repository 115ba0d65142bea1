"""Small images and PDFs that are whole, in every format that the API reads."""

from __future__ import annotations

import base64
import struct
import zlib

__all__ = ["IMAGES", "data_url", "gif", "jpeg", "pdf", "png", "webp"]


def png(width: int = 1, height: int = 1) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    row = b"\0" * (1 + (width + 7) // 8)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(row * height, 9)),
            chunk(b"IEND", b""),
        ]
    )


def jpeg(width: int = 1, height: int = 1) -> bytes:
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0"
    thumbnail = b"Exif\0\0\xff\xd8\xff\xd9"
    segments = ((0xE1, thumbnail), (0xC0, frame), (0xDA, b"\1\1\0\0\x3f\0"))
    head = b"".join(b"\xff%c" % kind + struct.pack(">H", len(d) + 2) + d for kind, d in segments)
    return b"\xff\xd8" + head + b"\x12\x34\xff\x00\x56" + b"\xff\xd9"


def gif(width: int = 1, height: int = 1) -> bytes:
    size = struct.pack("<HH", width, height)
    control = b"\x21\xf9\x04\0\0\0\0\0"
    image = b"\x2c\0\0\0\0" + size + b"\0\x02\x02\x44\x01\0"
    return b"GIF89a" + size + b"\x80\0\0" + b"\0\0\0\xff\xff\xff" + control + image + b"\x3b"


def webp(width: int = 1, height: int = 1) -> bytes:
    bits = (width - 1) | (height - 1) << 14
    data = b"\x2f" + struct.pack("<I", bits) + b"\0" * 9
    body = b"WEBPVP8L" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def pdf(*, encrypted: bool = False) -> bytes:
    encryption = b" /Encrypt 5 0 R" if encrypted else b""
    return b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<</Root 1 0 R" + encryption + b">>\n%%EOF\n"


#: Media type → a function that makes such an image.
IMAGES = {"image/png": png, "image/jpeg": jpeg, "image/gif": gif, "image/webp": webp}


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
