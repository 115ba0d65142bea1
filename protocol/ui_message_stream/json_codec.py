"""JSON as this protocol needs it: any valid text is read, only safe text is written.

Sources of the rules: browsers legally send lone surrogates (an emoji cut in half); the clients'
secure parser throws on `__proto__` and on `constructor` holding `prototype`
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
    """The value of a JSON text. Lone surrogates stay in the strings, big integers stay exact.

    Raises ValueError if it is not valid JSON (NaN and Infinity are not).
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
    """UTF-8 JSON text of one line: NaN and Infinity become null, lone surrogates U+FFFD.

    Raises TypeError for a value that has no JSON form.
    """
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(replace_surrogates(msgspec.to_builtins(value)))


def has_surrogate(text: str) -> bool:
    """Whether a string holds surrogates, which UTF-8 cannot carry."""
    return not text.isascii() and _find_surrogate(text) is not None


def replace_surrogates(value: Any) -> Any:
    """The value with surrogate pairs joined and lone ones replaced by U+FFFD, in keys too."""
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
    """Whether an object in the value has a key on which every client throws, at any depth."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if any(map(_forbidden, item.items())):
                return True
            waiting.extend(item.values())
        elif isinstance(item, (list, tuple)):
            waiting.extend(item)
    return False


def sanitize(value: Any) -> Any:
    """The value without the keys on which every client throws; itself if it has none."""
    return _without_forbidden_keys(value) if has_forbidden_key(value) else value


def _without_forbidden_keys(value: Any) -> Any:
    if isinstance(value, dict):
        kept = (item for item in value.items() if not _forbidden(item))
        return {key: _without_forbidden_keys(item) for key, item in kept}
    if isinstance(value, (list, tuple)):
        return [_without_forbidden_keys(item) for item in value]
    return value


def _forbidden(item: tuple[Any, Any]) -> bool:
    key, value = item
    return key == "__proto__" or (
        key == "constructor" and isinstance(value, dict) and "prototype" in value
    )


def _integer(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:  # more digits than Python converts: what a browser makes of it
        return float(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
