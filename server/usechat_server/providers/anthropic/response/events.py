"""The stream events of the Messages API, as msgspec structs.

Source: `types/raw_message_stream_event.py` of the `anthropic` SDK. Events and deltas of other types
are ignored and decoded to None.

Import the module, not the names: `events.TextDelta` is the provider's, `chunks.TextDelta` the
client's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from ui_message_stream import json_codec

__all__ = [
    "BlockDelta",
    "BlockStart",
    "BlockStop",
    "CitationsDelta",
    "CompactionDelta",
    "Delta",
    "ErrorEvent",
    "Event",
    "InputJSONDelta",
    "MalformedEvent",
    "Message",
    "MessageDelta",
    "MessageStart",
    "MessageStop",
    "SignatureDelta",
    "TextDelta",
    "ThinkingDelta",
    "decode",
    "decode_all",
    "join_deltas",
]


class MalformedEvent(ValueError):
    """A payload that the API does not send. The text says what was expected, and where."""


class TextDelta(msgspec.Struct, tag="text_delta"):
    text: str


class ThinkingDelta(msgspec.Struct, tag="thinking_delta"):
    thinking: str


class SignatureDelta(msgspec.Struct, tag="signature_delta"):
    signature: str


class InputJSONDelta(msgspec.Struct, tag="input_json_delta"):
    partial_json: str


class CitationsDelta(msgspec.Struct, tag="citations_delta"):
    citation: dict[str, Any]


class CompactionDelta(msgspec.Struct, tag="compaction_delta"):
    content: str | None = None
    encrypted_content: str | None = None


Delta = (
    TextDelta | ThinkingDelta | SignatureDelta | InputJSONDelta | CitationsDelta | CompactionDelta
)


class BlockDelta(msgspec.Struct, tag="content_block_delta"):
    index: int
    #: None: of an unknown type
    delta: Delta | None


class BlockStart(msgspec.Struct, tag="content_block_start"):
    index: int
    content_block: dict[str, Any]


class BlockStop(msgspec.Struct, tag="content_block_stop"):
    index: int


class Message(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    content: list[dict[str, Any]] | None = None
    usage: dict[str, Any] | None = None
    stop_reason: str | None = None
    container: dict[str, Any] | None = None


class MessageStart(msgspec.Struct, tag="message_start"):
    message: Message


class MessageEnd(msgspec.Struct):
    """The `delta` of a `message_delta` event."""

    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Any = None
    container: dict[str, Any] | None = None


class MessageDelta(msgspec.Struct, tag="message_delta"):
    delta: MessageEnd
    usage: dict[str, Any] | None = None
    context_management: Any = None


class MessageStop(msgspec.Struct, tag="message_stop"):
    pass


class Ping(msgspec.Struct, tag="ping"):
    pass


class ErrorEvent(msgspec.Struct, tag="error"):
    error: dict[str, Any] | str
    request_id: str | None = None


Event = (
    BlockDelta
    | BlockStart
    | BlockStop
    | MessageStart
    | MessageDelta
    | MessageStop
    | Ping
    | ErrorEvent
)

_EVENT_TYPES = [cls.__struct_config__.tag for cls in Event.__args__]
_DELTA_TYPES = [cls.__struct_config__.tag for cls in Delta.__args__]
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_list_decoder: msgspec.json.Decoder[list[Event]] = msgspec.json.Decoder(list[Event])

#: Deltas whose texts add up → their text.
_JOINABLE: Mapping[Any, Callable[[Any], str]] = {
    TextDelta: attrgetter("text"),
    ThinkingDelta: attrgetter("thinking"),
    InputJSONDelta: attrgetter("partial_json"),
}


def decode_all(payloads: Iterable[bytes]) -> Iterable[Event | None]:
    """Decode the payloads of the events of one read; see `decode`.

    A list is usually decoded at once, and what a read brought of one block is one delta then.
    Otherwise each payload is decoded on its own, when it is iterated to.
    """
    if type(payloads) is list:
        if len(payloads) > 1:
            events = _decode_at_once(payloads)
            if events is not None:
                return join_deltas(events)
        elif payloads and len(payloads[0]) <= json_codec.MAX_DEPTH:
            try:
                return (_decoder.decode(payloads[0]),)
            except (msgspec.DecodeError, UnicodeDecodeError):
                pass
    return map(decode, payloads)


def join_deltas(events: Iterable[Event]) -> Iterator[Event]:
    """Yield the events, with one delta for each sequence of deltas of one block and type."""
    deltas: list[Any] = []
    index, kind = -1, None
    for event in events:
        if type(event) is BlockDelta:
            delta = event.delta
            if type(delta) is kind and event.index == index:
                deltas.append(delta)
                continue
            if deltas:
                yield _joined(index, kind, deltas)
            index, kind = event.index, type(delta)
            if kind in _JOINABLE:
                deltas = [delta]
                continue
        elif deltas:
            yield _joined(index, kind, deltas)
        deltas, kind = [], None
        yield event
    if deltas:
        yield _joined(index, kind, deltas)


def _joined(index: int, kind: Any, deltas: list[Any]) -> BlockDelta:
    """Return deltas of one type as one."""
    if len(deltas) == 1:
        return BlockDelta(index, deltas[0])
    return BlockDelta(index, kind("".join(map(_JOINABLE[kind], deltas))))


def _decode_at_once(payloads: Sequence[bytes]) -> list[Event] | None:
    """Decode valid events of known types; None if there is any other."""
    try:
        if max(map(len, payloads)) > json_codec.MAX_DEPTH:
            for payload in payloads:
                json_codec.check_depth(payload)
        events = _list_decoder.decode(b"[%b]" % b",".join(payloads))
    except (json_codec.NestedTooDeeply, msgspec.DecodeError, UnicodeDecodeError):
        return None
    # A payload that holds several values, or a part of one, is none that the API sends.
    return events if len(events) == len(payloads) else None


def decode(payload: bytes) -> Event | None:
    """Decode the payload of an event; None if its type is unknown.

    Raises:
        MalformedEvent: The API sends no such payload.
    """
    if len(payload) > json_codec.MAX_DEPTH:
        try:
            json_codec.check_depth(payload)
        except json_codec.NestedTooDeeply as error:
            raise MalformedEvent(str(error)) from None
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # An unknown type, or JSON that msgspec refuses: half a surrogate pair, invalid UTF-8.
        return _decode_leniently(payload)


def _decode_leniently(payload: bytes) -> Event | None:
    try:
        value = json_codec.decode(payload)
    except ValueError as error:
        raise MalformedEvent(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedEvent("not a JSON object")
    if "type" not in value and "error" in value:
        # Gateways in front of the API report their own errors like this.
        value = {**value, "type": "error"}
    if _is_unknown(value):
        return None
    if _has_unknown_delta(value):
        value = {**value, "delta": None}
    try:
        event: Event = msgspec.convert(value, Event)
    except msgspec.ValidationError as error:
        raise MalformedEvent(f"{value['type']}: {error}") from None
    return event


def _is_unknown(value: dict[str, Any]) -> bool:
    event_type = value.get("type")
    return not isinstance(event_type, str) or event_type not in _EVENT_TYPES


def _has_unknown_delta(value: dict[str, Any]) -> bool:
    delta = value.get("delta")
    return (
        value["type"] == "content_block_delta"
        and isinstance(delta, dict)
        and delta.get("type") not in _DELTA_TYPES
    )
