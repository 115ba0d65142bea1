"""What the message parts of a response hold for the next request.

A server that sends reasoning expects it back under the name that it used; others refuse it. Google
signs calls, also over this API.
"""

from __future__ import annotations

from typing import Any, Literal, TypeGuard, get_args

from ui_message_stream.messages import ReasoningPart, ToolPart
from ui_message_stream.schema import ProviderMetadata

__all__ = [
    "ReasoningField",
    "reasoning_field",
    "reasoning_metadata",
    "signature_metadata",
    "thought_signature",
]

#: Where a server has its reasoning: in a field of the message, or in `thinking` parts of a content
#: list.
ReasoningField = Literal["reasoning_content", "reasoning", "thinking"]

_KEY = "openaiChat"


def reasoning_metadata(field: ReasoningField) -> ProviderMetadata:
    """Return the provider metadata of a reasoning part."""
    return {_KEY: {"field": field}}


def reasoning_field(part: ReasoningPart) -> ReasoningField | None:
    """Return where the server had the reasoning; None: it is another API's."""
    field = _metadata(part.provider_metadata, _KEY).get("field")
    return field if _is_field(field) else None


def signature_metadata(signature: str) -> ProviderMetadata:
    """Return the provider metadata of a call that Google signed."""
    return {"google": {"thoughtSignature": signature}}


def thought_signature(part: ToolPart) -> str | None:
    """Return Google's signature of a call, if it has one."""
    signature = _metadata(part.call_provider_metadata, "google").get("thoughtSignature")
    return signature if isinstance(signature, str) and signature else None


def _metadata(metadata: ProviderMetadata | None, key: str) -> dict[str, Any]:
    values: Any = (metadata or {}).get(key)
    return values if isinstance(values, dict) else {}


def _is_field(value: object) -> TypeGuard[ReasoningField]:
    return value in get_args(ReasoningField)
