"""Decode any valid JSON, encode only JSON that every client accepts.

Source: browsers legally send lone surrogates (an emoji cut in half); the clients' secure parser
throws on `__proto__` and on `constructor` holding `prototype`
(`@ai-sdk/provider-utils`, `secure-json-parse.ts`); NaN and Infinity are not JSON.

Parsers recurse, and how deep they can depends on the Python version and on the size of a thread's
stack, so the nesting is counted on the bytes, before any parser.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any, NoReturn

import msgspec

__all__ = [
    "MAX_DEPTH",
    "TOO_DEEP",
    "NestedTooDeeply",
    "check_depth",
    "decode",
    "decode_pruned",
    "encode",
    "has_forbidden_key",
    "has_more_values",
    "has_surrogate",
    "is_nested_deeper",
    "replace_surrogates",
    "sanitize",
]

#: Levels of arrays and objects in a value, such as a tool's input or output.
MAX_DEPTH = 200
#: What `decode_pruned` puts in the place of an array or object that is nested too deeply.
TOO_DEEP = f"[left out: nested more than {MAX_DEPTH} levels deep]"

_find_surrogate = re.compile("[\ud800-\udfff]").search
_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()


class NestedTooDeeply(ValueError):
    """A JSON text or a value has too many levels of arrays and objects."""

    def __init__(self) -> None:
        super().__init__(f"JSON is nested too deeply: at most {MAX_DEPTH} levels are read")


def decode(text: bytes | bytearray | memoryview | str, *, wrappers: int = 0) -> Any:
    """Decode a JSON text. Lone surrogates are kept, large integers stay exact.

    Args:
        text: JSON as text or UTF-8 bytes. A BOM is dropped, invalid UTF-8 becomes U+FFFD.
        wrappers: Levels of arrays and objects that the text has around its values, such as those of
            a message. They are allowed in addition to `MAX_DEPTH`.

    Returns:
        The value, as `json.loads` returns it.

    Raises:
        NestedTooDeeply: It has more levels of arrays and objects.
        ValueError: The text is not valid JSON. NaN and Infinity are not.
    """
    check_depth(text, wrappers=wrappers)
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        pass
    if not isinstance(text, str):
        # As every client does: bytes that are not UTF-8 become U+FFFD, a BOM is dropped.
        text = bytes(text).decode("utf-8-sig", "replace")
    return json.loads(text, parse_int=_integer, parse_constant=_refuse_constant)


def decode_pruned(text: bytes | str, *, wrappers: int = 0) -> Any:
    """Decode a JSON text like `decode`. What is nested too deeply in it becomes `TOO_DEEP`.

    Raises:
        ValueError: The text is not valid JSON.
    """
    try:
        return decode(text, wrappers=wrappers)
    except NestedTooDeeply:
        return decode(_pruned(_as_bytes(text), MAX_DEPTH + wrappers), wrappers=wrappers)


def check_depth(text: bytes | bytearray | memoryview | str, *, wrappers: int = 0) -> None:
    """Check how deep a JSON text is nested, whether it is valid or not.

    Raises:
        NestedTooDeeply: It has more than `MAX_DEPTH + wrappers` levels of arrays and objects.
    """
    limit = MAX_DEPTH + wrappers
    if len(text) <= limit:
        return
    if type(text) is not bytes:
        text = _as_bytes(text)
    # A level that is too deep begins after the brackets of all the others.
    if text.find(b"[", limit) < 0 and text.find(b"{", limit) < 0:
        return
    if text.count(b"[") + text.count(b"{") <= limit:
        return
    outside_strings = b"".join(_without_escapes(text).split(b'"')[::2])
    steps = memoryview(outside_strings.translate(_STEPS, _NO_BRACKETS)).cast("b")
    if max(accumulate(steps), default=0) > limit:
        raise NestedTooDeeply


def has_more_values(text: bytes, limit: int) -> bool:
    """Whether a JSON text may have more values than that, at any depth. It is not parsed: each may
    cost a hundred bytes of memory."""

    def count(text: bytes) -> int:
        return 1 + text.count(b",") + text.count(b"[") + text.count(b"{")

    if count(text) <= limit:
        return False
    text = _without_escapes(text)
    # A value has four quotes at most, two of them around its key.
    return text.count(b'"') > 4 * limit or count(b"".join(text.split(b'"')[::2])) > limit


def is_nested_deeper(value: Any, levels: int = MAX_DEPTH) -> bool:
    """Whether a value has more levels of dicts, lists and tuples than that."""
    pending = [iter((value,))]  # a stack, so that a value that contains itself ends it early
    while pending:
        for item in pending[-1]:
            if isinstance(item, (dict, list, tuple)):
                if len(pending) > levels:
                    return True
                pending.append(iter(item.values() if isinstance(item, dict) else item))
                break
        else:
            pending.pop()
    return False


def encode(value: Any) -> bytes:
    """Encode a value as one line of UTF-8 JSON.

    NaN and Infinity become null, lone surrogates become U+FFFD.

    Args:
        value: JSON values, and what msgspec encodes: structs, dataclasses, dates.

    Returns:
        The JSON text.

    Raises:
        TypeError: The value has no JSON form.
    """
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(replace_surrogates(msgspec.to_builtins(value)))


def has_surrogate(text: str) -> bool:
    """Whether a string contains surrogates, which UTF-8 cannot encode."""
    return not text.isascii() and _find_surrogate(text) is not None


def replace_surrogates(value: Any) -> Any:
    """Return the value with surrogate pairs joined and lone surrogates replaced by U+FFFD.

    Keys of objects are treated as strings are.
    """
    if isinstance(value, str):
        if not has_surrogate(value):
            return value
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {replace_surrogates(key): replace_surrogates(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [replace_surrogates(item) for item in value]
    return value


def has_forbidden_key(value: Any) -> bool:
    """Whether an object at any depth of the value has a key on which every client throws."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if any(map(_is_forbidden, item.items())):
                return True
            pending.extend(item.values())
        elif isinstance(item, (list, tuple)):
            pending.extend(item)
    return False


def sanitize(value: Any) -> Any:
    """Return the value without keys on which every client throws; itself if it has none."""
    return _without_forbidden_keys(value) if has_forbidden_key(value) else value


def _without_forbidden_keys(value: Any) -> Any:
    if isinstance(value, dict):
        kept = (item for item in value.items() if not _is_forbidden(item))
        return {key: _without_forbidden_keys(item) for key, item in kept}
    if isinstance(value, (list, tuple)):
        return [_without_forbidden_keys(item) for item in value]
    return value


def _is_forbidden(item: tuple[Any, Any]) -> bool:
    key, value = item
    return key == "__proto__" or (
        key == "constructor" and isinstance(value, dict) and "prototype" in value
    )


#: Opening brackets as the byte 1, closing ones as the byte -1; everything else is deleted.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)


def _as_bytes(text: bytes | bytearray | memoryview | str) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)


def _without_escapes(text: bytes) -> bytes:
    """Return a JSON text in which every quote begins or ends a string."""
    if b"\\" not in text:
        return text
    return text.replace(b"\\\\", b"").replace(b'\\"', b"")


def _pruned(text: bytes, limit: int) -> bytes:
    """Return a JSON text with `TOO_DEEP` instead of each array and object below the last level."""
    kept: list[bytes] = []
    depth = copied = 0
    for token in _TOKEN.finditer(text):
        bracket = token[0]
        if bracket in (b"[", b"{"):
            depth += 1
            if depth == limit + 1:
                kept += [text[copied : token.start()], b'"', TOO_DEEP.encode(), b'"']
                copied = len(text)
        elif bracket in (b"]", b"}"):
            if depth == limit + 1:
                copied = token.end()
            depth -= 1
    return b"".join([*kept, text[copied:]])


def _integer(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:  # more digits than Python converts: a float, as in a browser
        return float(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
