"""What a tool returns → JSON, as the page will have it."""

from __future__ import annotations

from typing import Any

import msgspec
import pydantic_core
from ui_message_stream import jsontext

__all__ = ["to_json"]


def to_json(value: Any) -> Any:
    """The value as JSON."""
    text = pydantic_core.to_json(value, fallback=msgspec.to_builtins, inf_nan_mode="null")
    return jsontext.sanitize(jsontext.decode(text))
