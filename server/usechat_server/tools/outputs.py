"""What a tool returned → JSON, exactly as the page will have it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pydantic_core
from ui_message_stream import json_codec
from ui_message_stream.messages import FilePart, TextPart

__all__ = ["ModelContent", "ToModelOutput", "ToolOutput", "model_content", "to_json"]


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
    text = json_codec.encode(msgspec.to_builtins(value, enc_hook=_foreign, str_keys=True))
    return json_codec.sanitize(json_codec.decode(text))


def _foreign(value: Any) -> Any:
    """What msgspec does not know: pydantic models, generators, paths…"""
    return pydantic_core.to_jsonable_python(
        value, bytes_mode="base64", inf_nan_mode="null", fallback=msgspec.to_builtins
    )


#: A piece of a result for the model. Files are images, PDFs and texts, as in a person's message:
#: their `url` is a data URL, or one that the provider fetches.
ModelContent = TextPart | FilePart

#: What the page is shown → what the model is shown: a text, a piece, several, or other JSON.
#: It is called again whenever the history is sent, so that it must depend on nothing else.
ToModelOutput = Callable[[Any], "str | ModelContent | Sequence[str | ModelContent] | Any"]


def model_content(value: Any) -> list[ModelContent]:
    """The pieces that a value stands for; one of text for what is not made of pieces."""
    if isinstance(value, TextPart | FilePart):
        return [value]
    if isinstance(value, str):
        return [TextPart(text=value)]
    if isinstance(value, list | tuple) and any(isinstance(v, TextPart | FilePart) for v in value):
        return [piece for item in value for piece in model_content(item)]
    return [TextPart(text=json_codec.encode(value).decode())]
