"""Decode any valid JSON, encode only JSON that every client accepts.

Source: browsers legally send lone surrogates (an emoji cut in half); the clients' secure parser
throws on `__proto__` and on `constructor` holding `prototype`
(`@ai-sdk/provider-utils`, `secure-json-parse.ts`); NaN and Infinity are not JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

import msgspec

__all__ = [
    "decode",
    "encode",
    "has_forbidden_key",
    "has_surrogate",
    "replace_surrogates",
    "sanitize",
]

_find_surrogate = re.compile("[\ud800-\udfff]").search
_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()


def decode(text: bytes | bytearray | memoryview | str) -> Any:
    """Decode a JSON text. Lone surrogates are kept, large integers stay exact.

    Args:
        text: JSON as text or UTF-8 bytes. A BOM is dropped, invalid UTF-8 becomes U+FFFD.

    Returns:
        The value, as `json.loads` returns it.

    Raises:
        ValueError: The text is not valid JSON. NaN and Infinity are not.
    """
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    if not isinstance(text, str):
        # As every client does: bytes that are not UTF-8 become U+FFFD, a BOM is dropped.
        text = bytes(text).decode("utf-8-sig", "replace")
    try:
        return json.loads(text, parse_int=_integer, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None


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


def _integer(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:  # more digits than Python converts: a float, as in a browser
        return float(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
