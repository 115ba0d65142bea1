"""The outputs of tools as JSON for the client, and as content for the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec
import pydantic_core
from ui_message_stream import json_codec
from ui_message_stream.messages import FilePart, TextPart

from usechat_server.errors import ToolError

__all__ = [
    "MAX_OUTPUT_BYTES",
    "ModelContent",
    "ToModelOutput",
    "ToolOutput",
    "model_content",
    "to_json",
]

#: The largest output of a tool, by default: an image of the size that models read still fits.
MAX_OUTPUT_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """An output of a tool call, as JSON."""

    value: Any
    #: whether another output follows, which replaces this one
    preliminary: bool = False
    #: bytes of the JSON
    size: int = field(default=0, compare=False)

    @classmethod
    def of(cls, value: Any, *, preliminary: bool = False) -> Self:
        """Return a value as an output. For the argument and the errors, see `to_json`."""
        json, size = _convert(value)
        return cls(json, preliminary, size)


def to_json(value: Any) -> Any:
    """Return a value as JSON, exactly as the client will have it.

    What the client could not read (NaN, lone surrogates, keys that make it throw) is removed here,
    so that the model gets the same.

    Args:
        value: Anything that msgspec or pydantic can convert. Bytes become base64.

    Raises:
        ToolError: It is nested more than `MAX_DEPTH` levels deep.
        TypeError: The value has no JSON form.
    """
    return _convert(value)[0]


def _convert(value: Any) -> tuple[Any, int]:
    """Return a value as JSON, and the bytes of its JSON text."""
    try:
        if json_codec.is_nested_deeper(value):
            raise json_codec.NestedTooDeeply
        text = json_codec.encode(msgspec.to_builtins(value, enc_hook=_to_builtins, str_keys=True))
        return json_codec.sanitize(json_codec.decode(text)), len(text)
    except json_codec.NestedTooDeeply:
        raise ToolError(
            f"The output is nested more than {json_codec.MAX_DEPTH} levels deep."
        ) from None


def _to_builtins(value: Any) -> Any:
    """Convert what msgspec does not know: pydantic models, generators, paths…"""
    return pydantic_core.to_jsonable_python(
        value, bytes_mode="base64", inf_nan_mode="null", fallback=msgspec.to_builtins
    )


#: A piece of an output for the model. A file is an image, a PDF or a text, as in a user message;
#: its `url` is a data URL, or one that the provider fetches.
ModelContent = TextPart | FilePart

#: Converts an output, as JSON, to what the model gets: a text, a piece, a sequence of both, or
#: other JSON. It is called each time the history is sent, so its result must depend on nothing
#: else.
ToModelOutput = Callable[
    [Any],
    ModelContent
    | Sequence[str | ModelContent]
    | Mapping[str, Any]
    | list[Any]
    | str
    | int
    | float
    | bool
    | None,
]


def model_content(value: Any) -> list[ModelContent]:
    """Return a value as pieces; other JSON becomes one text piece."""
    if isinstance(value, TextPart | FilePart):
        return [value]
    if isinstance(value, str):
        return [TextPart(text=value)]
    if isinstance(value, list | tuple) and any(isinstance(v, TextPart | FilePart) for v in value):
        return [piece for item in value for piece in model_content(item)]
    return [TextPart(text=json_codec.encode(value).decode())]
