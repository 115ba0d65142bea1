"""The chunks of a Chat Completions stream, as msgspec structs.

Source: `types/chat/chat_completion_chunk.py` of the `openai` SDK, and what other servers add to it.
Values are of any type: servers send null, and lists and objects where OpenAI has strings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from ui_message_stream import json_codec

__all__ = [
    "DONE",
    "Choice",
    "Chunk",
    "Delta",
    "Function",
    "MalformedEvent",
    "ToolCall",
    "decode_all",
]


class MalformedEvent(ValueError):
    """A payload that no server sends. The text says what was expected, and where."""


class Function(msgspec.Struct):
    name: Any = None
    arguments: Any = None


class ToolCall(msgspec.Struct):
    index: Any = None
    id: Any = None
    function: Function | None = None
    extra_content: Any = None


class Delta(msgspec.Struct):
    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    refusal: Any = None
    tool_calls: list[ToolCall] | None = None
    #: the one call of an old server
    function_call: Function | None = None
    annotations: Any = None


class Choice(msgspec.Struct):
    delta: Delta | None = None
    finish_reason: Any = None
    usage: Any = None


class Chunk(msgspec.Struct):
    choices: list[Choice] | None = None
    usage: Any = None
    id: Any = None
    model: Any = None
    error: Any = None
    #: `error` if the chunk itself is an error
    object: Any = None
    message: Any = None
    code: Any = None
    #: of Groq
    x_groq: Any = None


#: The payload after the last chunk.
DONE: Final = b"[DONE]"

_decoder: msgspec.json.Decoder[Chunk] = msgspec.json.Decoder(Chunk)
_list_decoder: msgspec.json.Decoder[list[Chunk]] = msgspec.json.Decoder(list[Chunk])


def decode_all(payloads: Iterable[bytes]) -> Iterable[Chunk | None]:
    """Return the chunks of one read; None for the end of the stream, after which there is nothing.

    They are usually decoded at once. Otherwise each is decoded when it is iterated to.

    Raises:
        MalformedEvent: No server sends such a payload.
    """
    payloads = list(payloads)
    if DONE in payloads:
        payloads = payloads[: payloads.index(DONE) + 1]
        return map(_decode, payloads)
    return _decode_at_once(payloads) or map(_decode, payloads)


def _decode_at_once(payloads: Sequence[bytes]) -> list[Chunk] | None:
    """Decode valid chunks; None if there is any other."""
    if len(payloads) < 2:
        return None
    body = b"[%b]" % b",".join(payloads)
    try:
        if body.count(b"[") + body.count(b"{") > json_codec.MAX_DEPTH:
            for payload in payloads:
                json_codec.check_depth(payload)
        chunks = _list_decoder.decode(body)
    except (json_codec.NestedTooDeeply, msgspec.DecodeError, UnicodeDecodeError):
        return None
    # A payload that holds several values, or a part of one, is none that a server sends.
    return chunks if len(chunks) == len(payloads) else None


def _decode(payload: bytes) -> Chunk | None:
    if len(payload) > json_codec.MAX_DEPTH:
        try:
            json_codec.check_depth(payload)
        except json_codec.NestedTooDeeply as error:
            raise MalformedEvent(str(error)) from None
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # JSON that msgspec refuses: half a surrogate pair, invalid UTF-8.
        return _decode_leniently(payload)


def _decode_leniently(payload: bytes) -> Chunk | None:
    if payload.strip() == DONE:
        return None
    try:
        return msgspec.convert(json_codec.decode(payload), Chunk)
    except msgspec.ValidationError as error:
        raise MalformedEvent(f"not a chunk: {error}") from None
    except ValueError as error:
        raise MalformedEvent(f"not JSON: {error}") from None
