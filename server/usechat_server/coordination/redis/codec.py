"""Chunks as stored in Redis: in every version, since any client may read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ui_message_stream import json_codec
from ui_message_stream.chunks import encode_chunk, parse_chunk
from ui_message_stream.versions import ChunkVariant, ClientVersion, VersionedChunk

from usechat_server.turn import WRAPPERS

__all__ = ["decode", "encode"]


def encode(chunks: Sequence[ChunkVariant]) -> bytes:
    """Encode chunks as a JSON array.

    A chunk is the object that a client reads; one for some client versions only is
    `[since, until, chunk]`.

    Raises:
        TypeError: If a value in a chunk has no JSON form.
    """
    return b"[%b]" % b",".join(map(_encode_variant, chunks))


def decode(data: bytes) -> list[ChunkVariant]:
    """Decode what `encode` returned.

    Raises:
        WireError: For a chunk that this release does not know.
    """
    values = json_codec.decode_pruned(data, wrappers=WRAPPERS)
    return [_decode_variant(value) for value in values]


def _encode_variant(variant: ChunkVariant) -> bytes:
    if not isinstance(variant, VersionedChunk):
        return encode_chunk(variant)
    since, until = (
        None if version is None else str(version) for version in (variant.since, variant.until)
    )
    return b"[%b,%b,%b]" % (
        json_codec.encode(since),
        json_codec.encode(until),
        encode_chunk(variant.chunk),
    )


def _decode_variant(value: Any) -> ChunkVariant:
    if isinstance(value, dict):
        return parse_chunk(value)
    since, until, chunk = value
    return VersionedChunk(parse_chunk(chunk), _client_version(since), _client_version(until))


def _client_version(text: str | None) -> ClientVersion | None:
    return None if text is None else ClientVersion.parse(text)
