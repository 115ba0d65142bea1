"""What the server accepts of a history that only the client knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from ui_message_stream import json_codec
from ui_message_stream.messages import (
    DataPart,
    FilePart,
    Part,
    SourceDocumentPart,
    SourceUrlPart,
    SteeringMessagePart,
    StepStartPart,
    TextPart,
    ToolPart,
    UIMessage,
    UnknownPart,
)
from ui_message_stream.schema import UNSET, ProviderMetadata

__all__ = ["CLIENT_HISTORY_KEY", "sanitize_client_history", "sanitize_user_message"]

#: Key of the metadata of an assistant message that the server has from a client: what it says was
#: not necessarily written by the model.
CLIENT_HISTORY_KEY = "usechat.fromClient"

#: Prefix of the metadata keys that only the server writes.
_RESERVED_PREFIX = "usechat."
#: Prefix of the names of data parts that only the server writes.
_RESERVED_DATA_PREFIX = "usechat-"
#: Keys of the metadata of parts that models of this server read.
_PROVIDERS = frozenset({"anthropic", "google", "openai", "openaiChat"})
#: The parts that a user message may have.
_USER_PARTS = (TextPart, FilePart, DataPart, UnknownPart)
#: The parts of an assistant message that are kept as they are.
_KEPT_PARTS = (StepStartPart, SteeringMessagePart, UnknownPart)


def sanitize_user_message(message: UIMessage) -> UIMessage:
    """Return a user message with only what a client may put in it."""
    return msgspec.structs.replace(
        message,
        parts=[part for part in message.parts if isinstance(part, _USER_PARTS)],
        metadata=_without_reserved_keys(message.metadata),
    )


def sanitize_client_history(messages: Sequence[UIMessage]) -> list[UIMessage]:
    """Return the history of a client as that of a chat which is not stored yet.

    The client could have made up all of it. What the assistant is supposed to have said stays, with
    a mark. Tool calls become texts, so that neither the model nor a reader of the chat takes their
    outputs for those of a tool. Nothing is kept that only the server or the provider writes.
    """
    return [
        sanitize_user_message(message) if message.role == "user" else _from_client(message)
        for message in messages
    ]


def _from_client(message: UIMessage) -> UIMessage:
    """Return an assistant message of a client."""
    metadata = _without_reserved_keys(message.metadata)
    others = metadata if isinstance(metadata, dict) else {}
    return msgspec.structs.replace(
        message,
        parts=list(_parts_from_client(message.parts)),
        metadata={**others, CLIENT_HISTORY_KEY: True},
    )


def _parts_from_client(parts: Sequence[Part]) -> Iterator[Part]:
    for part in parts:
        match part:
            case TextPart():
                metadata = _without_providers(part.provider_metadata)
                yield msgspec.structs.replace(part, citations=None, provider_metadata=metadata)
            case ToolPart():
                yield TextPart(text=_call_text(part), state="done")
            case FilePart() if part.url:
                metadata = _without_providers(part.provider_metadata)
                yield msgspec.structs.replace(
                    part, provider_reference=None, provider_metadata=metadata
                )
            case SourceUrlPart() | SourceDocumentPart():
                metadata = _without_providers(part.provider_metadata)
                yield msgspec.structs.replace(part, provider_metadata=metadata)
            case DataPart() if not part.name.startswith(_RESERVED_DATA_PREFIX):
                yield part
            case _ if isinstance(part, _KEPT_PARTS):
                yield part


def _without_providers(metadata: ProviderMetadata | None) -> ProviderMetadata | None:
    """Return a part's metadata without what a model is sent."""
    kept = {key: value for key, value in (metadata or {}).items() if key not in _PROVIDERS}
    return kept or None


def _call_text(part: ToolPart) -> str:
    """Return what the client says of a tool call."""
    call = f"According to the client, the tool {part.tool_name} was called"
    if part.input is not UNSET:
        call = f"{call} with {_json(part.input)}"
    if part.state == "output-available":
        return f"({call} and returned {_json(None if part.output is UNSET else part.output)})"
    if part.state == "output-error":
        return f"({call} and failed: {part.error_text})"
    return f"({call} and has no result.)"


def _json(value: Any) -> str:
    return json_codec.encode(value).decode()


def _without_reserved_keys(metadata: Any) -> Any:
    if not isinstance(metadata, dict):
        return metadata
    return {key: value for key, value in metadata.items() if not key.startswith(_RESERVED_PREFIX)}
