"""What a tool returned → JSON, exactly as the page will have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pydantic_core
from ui_message_stream import json_codec as jsontext

__all__ = ["ToolOutput", "to_json"]


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """What a call brought, as JSON."""

    value: Any
    #: whether another one follows, which replaces it
    preliminary: bool = False


def to_json(value: Any) -> Any:
    """The value as JSON: whatever msgspec or pydantic has a JSON form for.

    Bytes become base64. What does not survive the way to the page (NaN, lone surrogates, keys on
    which clients throw) is gone already, so that the model is shown the same. Raises TypeError for
    a value without a JSON form.
    """
    text = jsontext.encode(msgspec.to_builtins(value, enc_hook=_foreign, str_keys=True))
    return jsontext.sanitize(jsontext.decode(text))


def _foreign(value: Any) -> Any:
    """What msgspec does not know: pydantic models, generators, paths…"""
    return pydantic_core.to_jsonable_python(
        value, bytes_mode="base64", inf_nan_mode="null", fallback=msgspec.to_builtins
    )
