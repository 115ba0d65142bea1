"""Turns that the model declined: the user is told why, and the model is not sent them again.

Providers ask for the latter: a conversation that still has what was declined is declined again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ui_message_stream.chunks import Chunk, TextDelta, TextEnd, TextStart
from ui_message_stream.messages import TextPart, UIMessage
from ui_message_stream.schema import ProviderMetadata

__all__ = ["refusal_chunks", "without_refused_turns"]

_TEXT = "The model declined to respond to this. Please rephrase it, or ask something else."
#: Marks the text part. Every client sends it back.
_METADATA: ProviderMetadata = {"usechat": {"type": "refusal"}}


def refusal_chunks(explanation: str) -> list[Chunk]:
    """Return the chunks of the text that tells the user.

    Args:
        explanation: The provider's reason; empty if it gives none.
    """
    text = f"{_TEXT}\n\n{explanation}" if explanation else _TEXT
    return [
        TextStart(id="refusal", provider_metadata=_METADATA),
        TextDelta(id="refusal", delta=text),
        TextEnd(id="refusal"),
    ]


def without_refused_turns(messages: Sequence[UIMessage]) -> list[UIMessage]:
    """Return a history without the responses that the model declined, and without the messages of
    the user that they respond to. The last message always stays."""
    kept: list[UIMessage] = []
    for message in messages:
        if message is not messages[-1] and any(map(_is_refusal, message.parts)):
            while kept and kept[-1].role == "user":
                kept.pop()
        else:
            kept.append(message)
    return kept


def _is_refusal(part: object) -> bool:
    if not isinstance(part, TextPart):
        return False
    return (part.provider_metadata or {}).get("usechat", {}).get("type") == "refusal"
