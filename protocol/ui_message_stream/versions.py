"""What each release of AI SDK 5, 6 and 7 accepts, and a chunk as the oldest client in use reads it.

Two rules of the clients stand behind everything here, both read off their chunk schemas and tried
on the published packages: an unknown chunk type (or finish reason) throws in every release, and an
unknown field throws until `IGNORES_UNKNOWN_FIELDS_SINCE`. Releases are not linear (a field can be
known to 6.0.324 and rejected by 7.0.31), so a type or field may be sent at a client version only if
it is
accepted there *and* at the first release of every later major.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, Self

import msgspec

from ui_message_stream import chunks as c
from ui_message_stream.chunks import Chunk

__all__ = [
    "DEFAULT_CLIENT_VERSION",
    "DENIED_TEXT",
    "FIELD_KNOWN_SINCE",
    "FINISH_REASON_KNOWN_SINCE",
    "IGNORES_UNKNOWN_FIELDS_SINCE",
    "NEWEST_CLIENT_VERSION",
    "OLDEST_CLIENT_VERSION",
    "TYPE_KNOWN_SINCE",
    "ChunkVariant",
    "ClientVersion",
    "Since",
    "VersionedChunk",
    "accepts",
    "downgrade",
    "missing",
]


class ClientVersion(NamedTuple):
    """A release of the npm package `ai`: the one that reads a stream, or the oldest of several."""

    major: int
    minor: int = 0
    patch: int = 0
    #: chunk types that are sent all the same: see `with_chunk_types`
    extra_chunk_types: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse "ai/6.0.120" or "6.0.120"; "6" and "6.0" mean their first release.

        Raises:
            ValueError: It is not a release of this protocol.
        """
        number = text.removeprefix("ai/")
        if not re.fullmatch(r"\d{1,6}(\.\d{1,6}){0,2}", number, re.ASCII):
            raise ValueError(f"{text!r} is not a release of ai such as ai/7.0.173")
        major, minor, patch = map(int, f"{number}.0.0".split(".")[:3])
        client_version = cls(major, minor, patch)
        if 2 <= major < OLDEST_CLIENT_VERSION.major:
            # `@ai-sdk/react` 2, 3 and 4 belong to `ai` 5, 6 and 7.
            raise ValueError(f"{text} looks like the version of @ai-sdk/react; send that of ai")
        if client_version < OLDEST_CLIENT_VERSION:
            raise ValueError(
                f"ai {number} uses a different protocol; the minimum is {OLDEST_CLIENT_VERSION}"
            )
        if client_version.major > NEWEST_CLIENT_VERSION.major:
            raise ValueError(
                f"ai {number} is not supported; the newest supported is {NEWEST_CLIENT_VERSION}"
            )
        return client_version

    def with_chunk_types(self, *types: str) -> Self:
        """Return this version plus chunk types that a feature of the app cannot do without.

        A client that is too old for them reads everything until the feature is used.
        """
        return self._replace(extra_chunk_types=self.extra_chunk_types | frozenset(types))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


#: The first release of this protocol.
OLDEST_CLIENT_VERSION = ClientVersion(5, 0, 0)
#: Six finish reasons, `tool-input-error` and `preliminary` are known from here on.
DEFAULT_CLIENT_VERSION = ClientVersion(5, 0, 92)
#: The release whose chunks this library knows, all of them.
NEWEST_CLIENT_VERSION = ClientVersion(7, 0, 173)


class VersionedChunk(msgspec.Struct, frozen=True):
    """A chunk that only some client versions are sent: what newer clients are told in another form.

    A translator says both forms, side by side, and `downgrade` picks. Both do the same to the state
    of the stream (they answer the same call, or are whole parts), so that it is legal either way.
    """

    chunk: Chunk
    #: the first client version that is sent it; None: the oldest there is
    since: ClientVersion | None = None
    #: the first client version that is no longer sent it; None: every newer one is
    until: ClientVersion | None = None

    def includes(self, client_version: ClientVersion) -> bool:
        """Whether it is for this client version."""
        old = self.since is not None and client_version < self.since
        return not old and (self.until is None or client_version < self.until)


#: What a model backend says: a chunk for every client version, or one for some.
ChunkVariant = Chunk | VersionedChunk


class Since(NamedTuple):
    """The first release of each major that knows something; None: no release of that major."""

    v5: ClientVersion | None
    v6: ClientVersion | None
    v7: ClientVersion | None

    def includes(self, client_version: ClientVersion) -> bool:
        """Whether the release at `client_version` itself knows it."""
        first = self[client_version.major - 5]
        return first is not None and first <= client_version


def _since(v5: str | None, v6: str | None, v7: str | None) -> Since:
    return Since(*(ClientVersion.parse(text) if text else None for text in (v5, v6, v7)))


IGNORES_UNKNOWN_FIELDS_SINCE = _since("5.0.217", "6.0.231", "7.0.32")

_ALWAYS = _since("5", "6", "7")
_SINCE_V6 = _since(None, "6", "7")
_SINCE_V7 = _since(None, None, "7")

#: Chunk types that some release throws on. Every other type is known everywhere.
TYPE_KNOWN_SINCE: Mapping[str, Since] = {
    "tool-input-error": _since("5.0.7", "6", "7"),
    "tool-output-denied": _SINCE_V6,
    "tool-approval-request": _SINCE_V6,
    "tool-approval-response": _SINCE_V7,
    "reasoning-file": _SINCE_V7,
    "custom": _SINCE_V7,
    "reset-step": _since(None, None, "7.0.70"),
    "steering-message": _since(None, None, "7.0.163"),
}

_TOOL_METADATA = _since(None, "6.0.176", "7")
_OUTPUT_PROVIDER_METADATA = _since(None, "6.0.120", "7")

#: The JSON keys of each type that came after the type. Every other field is as old as its type.
FIELD_KNOWN_SINCE: Mapping[str, Mapping[str, Since]] = {
    "text-end": {"citations": _since(None, None, "7.0.138")},
    "tool-input-start": {
        "title": _SINCE_V6,
        "providerMetadata": _since(None, "6.0.39", "7"),
        "toolMetadata": _TOOL_METADATA,
        "inputEncoding": _since(None, "6.0.308", "7.0.142"),
    },
    "tool-input-available": {"title": _SINCE_V6, "toolMetadata": _TOOL_METADATA},
    "tool-input-error": {"title": _SINCE_V6, "toolMetadata": _TOOL_METADATA},
    "tool-output-available": {
        "preliminary": _since("5.0.11", "6", "7"),
        "providerMetadata": _OUTPUT_PROVIDER_METADATA,
        "toolMetadata": _TOOL_METADATA,
    },
    "tool-output-error": {
        "providerMetadata": _OUTPUT_PROVIDER_METADATA,
        "toolMetadata": _TOOL_METADATA,
    },
    "tool-approval-request": {
        "signature": _since(None, "6.0.202", "7"),
        "isAutomatic": _SINCE_V7,
        "approvalDescriptor": _since(None, "6.0.274", "7.0.87"),
        "inputSchemaInput": _since(None, "6.0.290", "7.0.113"),
        "reason": _since(None, None, "7.0.82"),
    },
    "finish": {"finishReason": _since("5.0.92", "6", "7")},
    "abort": {"reason": _since(None, "6.0.15", "7")},
}

#: Finish reasons that some release throws on. The other five and "other" are as old as the field.
FINISH_REASON_KNOWN_SINCE: Mapping[str, Since] = {
    "interrupted": _since(None, None, "7.0.149"),
    "unknown": _since("5.0.92", None, None),
}


# Requests may name any client version: what is remembered about client versions is bounded.
_remembered = lru_cache(maxsize=4096)


@_remembered
def _everywhere_from(client_version: ClientVersion, *ways: Since) -> bool:
    """Whether the release at `client_version` and the first of every later major are in one of
    `ways`."""
    releases = [
        client_version,
        *(
            ClientVersion(major)
            for major in range(client_version.major + 1, NEWEST_CLIENT_VERSION.major + 1)
        ),
    ]
    return all(any(since.includes(release) for since in ways) for release in releases)


@_remembered
def accepts(client_version: ClientVersion, chunk_type: str, field: str | None = None) -> bool:
    """Whether a chunk type, or a field of it (its JSON key), may be sent at a client version.

    `data-NAME` is spelled "data". A key that is no field of the type counts as an unknown field.
    """
    if chunk_type in client_version.extra_chunk_types:
        first = next(filter(None, TYPE_KNOWN_SINCE.get(chunk_type, _ALWAYS)))
        client_version = max(client_version, first)
    if not _everywhere_from(client_version, TYPE_KNOWN_SINCE.get(chunk_type, _ALWAYS)):
        return False
    if field is None:
        return True
    cls = c.CHUNK_TYPES.get(chunk_type, c.Data)
    if field not in cls.known_keys():
        return _everywhere_from(client_version, IGNORES_UNKNOWN_FIELDS_SINCE)
    known = FIELD_KNOWN_SINCE.get(chunk_type, {}).get(field, _ALWAYS)
    return _everywhere_from(client_version, known, IGNORES_UNKNOWN_FIELDS_SINCE)


def missing(types: Iterable[str], client_version: ClientVersion) -> list[str]:
    """Those of the chunk types that cannot be sent at a client version: a feature built on them is
    lost."""
    return [name for name in types if not accepts(client_version, name)]


#: What an older client shows in place of a denial, which it has no chunk for.
DENIED_TEXT = "The user did not allow this tool call."


def _automatic_approval(
    chunk: c.ToolApprovalRequest, client_version: ClientVersion
) -> Chunk | None:
    # Where the automatic answer cannot be told, the request would wait for the user.
    answered = accepts(client_version, "tool-approval-response")
    return None if chunk.is_automatic and not answered else chunk


def _preliminary(chunk: c.ToolOutputAvailable, client_version: ClientVersion) -> Chunk | None:
    # Without the flag it would be taken for the final output.
    flagged = accepts(client_version, "tool-output-available", "preliminary")
    return None if chunk.preliminary and not flagged else chunk


def _input_error(chunk: c.ToolInputError, client_version: ClientVersion) -> Chunk:
    # Right if the call was started before, as every streamed call is.
    if accepts(client_version, "tool-input-error"):
        return chunk
    return c.ToolOutputError(
        tool_call_id=chunk.tool_call_id, error_text=chunk.error_text, dynamic=chunk.dynamic
    )


def _denied(chunk: c.ToolOutputDenied, client_version: ClientVersion) -> Chunk:
    if accepts(client_version, "tool-output-denied"):
        return chunk
    # It does not say whether the call is dynamic, which AI SDK 5 needs. But that has no approvals.
    return c.ToolOutputError(tool_call_id=chunk.tool_call_id, error_text=DENIED_TEXT)


def _finish_reason(chunk: c.Finish, client_version: ClientVersion) -> Chunk:
    since = FINISH_REASON_KNOWN_SINCE.get(chunk.finish_reason or "", _ALWAYS)
    if _everywhere_from(client_version, since):
        return chunk
    return msgspec.structs.replace(chunk, finish_reason="other")


#: What a chunk becomes before its fields are looked at; None: it is left out.
_SUBSTITUTES: Mapping[type[Chunk], Callable[[Any, ClientVersion], Chunk | None]] = {
    c.ToolApprovalRequest: _automatic_approval,
    c.ToolOutputAvailable: _preliminary,
    c.ToolInputError: _input_error,
    c.ToolOutputDenied: _denied,
    c.Finish: _finish_reason,
}

#: Classes that every release knows whole: of these only `extra` can be too much.
_PLAIN = frozenset(
    cls
    for name, cls in [*c.CHUNK_TYPES.items(), ("data", c.Data)]
    if name not in TYPE_KNOWN_SINCE and name not in FIELD_KNOWN_SINCE and cls not in _SUBSTITUTES
)


@_remembered
def _unset_fields(cls: type[Chunk], client_version: ClientVersion) -> dict[str, Any]:
    """The attributes that a client version must not be sent, each with the value that leaves it
    out."""
    name = "data" if cls is c.Data else str(cls.type)
    keep = {"name"} if cls is c.Data else set()
    return {
        field.name: field.default
        for field in msgspec.structs.fields(cls)
        if field.name not in keep and not accepts(client_version, name, field.encode_name)
    }


def downgrade(chunk: ChunkVariant, client_version: ClientVersion) -> Chunk | None:
    """The chunk as every release from `client_version` on reads it; None: it must not be sent.

    Fields that some of them throw on are gone, unknown keys are kept only where all of them ignore
    those. What an older client can be told in another way is (a denial as a tool error, a finish
    reason as "other").
    """
    if isinstance(chunk, VersionedChunk):
        return downgrade(chunk.chunk, client_version) if chunk.includes(client_version) else None
    if type(chunk) in _PLAIN and chunk.extra is None:
        return chunk
    if substitute := _SUBSTITUTES.get(type(chunk)):
        replaced = substitute(chunk, client_version)
        if replaced is None:
            return None
        chunk = replaced
    if not accepts(client_version, chunk.type):
        return None
    unset = {
        name: nothing
        for name, nothing in _unset_fields(type(chunk), client_version).items()
        if getattr(chunk, name) is not nothing
    }
    return msgspec.structs.replace(chunk, **unset) if unset else chunk
