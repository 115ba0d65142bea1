"""The text of a text file of any kind (Markdown, CSV, JSON, code)."""

from __future__ import annotations

import codecs
import re

__all__ = ["decode_text"]

#: (UTF-32 first: its mark begins like that of UTF-16)
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Control characters that no text has; logs may have escape codes, and mainframes end pages.
_BINARY = re.compile(r"[\0-\x08\x0e-\x1a\x1c-\x1f]")
#: Kinds of files that are text only if they are valid UTF-8, such as SVG.
_NO_TEXT = ("image", "audio", "video", "font")
_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([^\s;\"']+)", re.IGNORECASE)
#: Characters that tell whether a file without a mark is UTF-16.
_SAMPLE = 2000


def decode_text(data: bytes, declared: str) -> str | None:
    """Return the text of a file; None if it is not a text file.

    The content decides: browsers have no type for most text files, call TypeScript a video, and on
    Windows a CSV file has the type of a spreadsheet.

    Args:
        data: The file.
        declared: Its media type, which may name the charset.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    if b"\0" in data:
        return _decode_utf16(data)
    try:
        return data.decode()
    except UnicodeDecodeError:
        pass
    utf8 = data.decode("utf-8", "replace")
    damaged = utf8.count("\ufffd")
    if sum(each > "\x7f" for each in utf8) > 2 * damaged:
        return utf8  # of which a few bytes are missing
    charset = _CHARSET.search(declared)
    if charset and (text := _decode_strictly(data, charset[1])) is not None:
        return text
    # Spreadsheets still write text in the code page of the operating system.
    text = data.decode("cp1252", "replace")
    kind = declared.lstrip().lower().partition("/")[0]
    if kind == "text":
        return text
    is_likely_text = "\ufffd" not in text and not _BINARY.search(text)
    return text if is_likely_text and kind not in _NO_TEXT else None


def _decode_utf16(data: bytes) -> str | None:
    """Return UTF-16 without a byte order mark, as some programs write it; None if it is none."""
    for encoding in ("utf-16-le", "utf-16-be"):
        text = _decode_strictly(data, encoding)
        if text and not _BINARY.search(text):
            sample = text[:_SAMPLE]
            # Any bytes are some rare characters; most texts have ASCII spaces, digits or letters.
            if sum(each < "\x80" for each in sample) * 8 > len(sample):
                return text
    return None


def _decode_strictly(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (LookupError, ValueError):
        return None
