"""Make a request body encodable, whatever clients, tools and the model wrote into the history."""

from __future__ import annotations

import math
from typing import Any

from ui_message_stream import json_codec

__all__ = ["sendable"]

#: Levels of a request around the value in a content block.
_WRAPPERS = 8


def sendable(value: Any, levels: int = json_codec.MAX_DEPTH + _WRAPPERS) -> Any:
    """Return a JSON value that every JSON encoder accepts, and the API's decoder.

    Surrogate pairs are joined, lone surrogates become U+FFFD, infinite numbers become null, and
    what is nested deeper than `levels` is left out, with a note in its place.
    """
    if isinstance(value, str):
        return json_codec.replace_surrogates(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if not isinstance(value, dict | list | tuple):
        return value
    if levels == 0:
        return json_codec.TOO_DEEP
    if isinstance(value, dict):
        return {
            json_codec.replace_surrogates(key): sendable(item, levels - 1)
            for key, item in value.items()
        }
    return [sendable(item, levels - 1) for item in value]
