"""Make a request body encodable, whatever clients, tools and the model wrote into the history."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
from ui_message_stream import json_codec
from ui_message_stream.messages import UIMessage

from usechat_server.providers.base import ModelCall

__all__ = ["build_sendable"]

_StructT = TypeVar("_StructT", bound=msgspec.Struct)

#: Levels of a request around the value in a content block.
_WRAPPERS = 8


def build_sendable(call: ModelCall, build: Callable[[ModelCall], dict[str, Any]]) -> dict[str, Any]:
    """Return the body that `build` makes of a call, so that it can be encoded."""
    try:
        body = build(call)
    except RecursionError:
        # A store of the app's own may have values that are nested deeper than those of requests.
        body = build(replace(call, messages=[_pruned(message) for message in call.messages]))
    request: dict[str, Any] = _sendable(body)
    return request


def _pruned(message: UIMessage) -> UIMessage:
    """Return the message without what is nested too deeply."""
    parts = [_pruned_fields(part) for part in message.parts]
    return msgspec.structs.replace(_pruned_fields(message), parts=parts)


def _pruned_fields(struct: _StructT) -> _StructT:
    fields = msgspec.structs.asdict(struct).items()
    pruned = {name: _sendable(value, json_codec.MAX_DEPTH) for name, value in fields}
    return msgspec.structs.replace(struct, **pruned)


def _sendable(value: Any, levels: int = json_codec.MAX_DEPTH + _WRAPPERS) -> Any:
    """Return a JSON value that every JSON encoder accepts, and every API's decoder.

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
            json_codec.replace_surrogates(key): _sendable(item, levels - 1)
            for key, item in value.items()
        }
    return [_sendable(item, levels - 1) for item in value]
