"""What the model is shown of a tool's output, when that is not the output's JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ui_message_stream import json_codec as jsontext
from ui_message_stream.messages import FilePart, TextPart

__all__ = ["ModelContent", "ToModelOutput", "model_content"]

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
    return [TextPart(text=jsontext.encode(value).decode())]
