"""What each release of AI SDK 5, 6 and 7 accepts, and how to downgrade a chunk for older ones.

An unknown chunk type or finish reason throws in every release; an unknown field throws before
`IGNORES_UNKNOWN_FIELDS_SINCE`. Releases are not linear: a field can be known to 6.0.324 and
rejected by 7.0.31. So a type or field may be sent to a client version only if that release accepts
it *and* the first release of every later major does.

Source: the chunk schemas of the published packages, which the tests run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
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
    "KNOWN_EVERYWHERE",
    "NEWEST_CLIENT_VERSION",
    "OLDEST_CLIENT_VERSION",
    "TYPE_KNOWN_SINCE",
    "ChunkVariant",
    "ClientVersion",
    "FirstReleases",
    "VersionedChunk",
    "accepts",
    "downgrade",
    "missing",
]


class ClientVersion(NamedTuple):
    """A release of the npm package `ai`: that of the client, or the oldest one of several clients.

    Versions compare as releases do: `ClientVersion(5, 0, 92) < ClientVersion(6)`.

    Attributes:
        major: The first number.
        minor: The second number.
        patch: The third number.
        extra_chunk_types: Chunk types to send although the release is too old for them: see
            `with_chunk_types`.
    """

    major: int
    minor: int = 0
    patch: int = 0
    extra_chunk_types: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse "ai/6.0.120" or "6.0.120". "6" and "6.0" are the first release of each.

        Args:
            text: The version, as npm has it.

        Returns:
            The client version.

        Raises:
            ValueError: The text is not a release with this protocol.
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
        """Return this version plus chunk types that a feature of the app requires.

        A client that is too old for them can read every response in which they do not occur.

        Args:
            types: Chunk types, such as "tool-approval-request".

        Returns:
            A new client version.
        """
        return self._replace(extra_chunk_types=self.extra_chunk_types | frozenset(types))

    def without_chunk_types(self) -> Self:
        """Return this version without the chunk types of `with_chunk_types`."""
        return self._replace(extra_chunk_types=frozenset())

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


#: The first release of this protocol.
OLDEST_CLIENT_VERSION = ClientVersion(5, 0, 0)
#: What `check` assumes of the clients. Six finish reasons, `tool-input-error` and `preliminary` are
#: known from here on.
DEFAULT_CLIENT_VERSION = ClientVersion(5, 0, 92)
#: The newest release: this library knows all of its chunks.
NEWEST_CLIENT_VERSION = ClientVersion(7, 0, 173)


class VersionedChunk(msgspec.Struct, frozen=True):
    """A chunk sent only to client versions in [since, until).

    A model backend can write an older and a newer form of the same thing side by side; `downgrade`
    picks one. Both forms must have the same effect on the state of the stream: outputs of the same
    call, or complete parts.

    Attributes:
        chunk: The chunk.
        since: The first client version to send it to; None: the oldest one.
        until: The first client version not to send it to; None: there is none.
    """

    chunk: Chunk
    since: ClientVersion | None = None
    until: ClientVersion | None = None

    def includes(self, client_version: ClientVersion) -> bool:
        """Whether the chunk is sent to a client version.

        Args:
            client_version: The oldest client that reads the stream.
        """
        if self.since is not None and client_version < self.since:
            return False
        return self.until is None or client_version < self.until


#: A chunk for every client version, or for some of them.
ChunkVariant = Chunk | VersionedChunk


class FirstReleases(NamedTuple):
    """The first release of each major that knows a type, a field or a value; None: no release."""

    v5: ClientVersion | None
    v6: ClientVersion | None
    v7: ClientVersion | None

    def includes(self, client_version: ClientVersion) -> bool:
        """Whether the release `client_version` knows it."""
        first = self[client_version.major - 5]
        return first is not None and first <= client_version


def _first_releases(v5: str | None, v6: str | None, v7: str | None) -> FirstReleases:
    return FirstReleases(*(ClientVersion.parse(text) if text else None for text in (v5, v6, v7)))


IGNORES_UNKNOWN_FIELDS_SINCE = _first_releases("5.0.217", "6.0.231", "7.0.32")

_ALWAYS = _first_releases("5", "6", "7")
_SINCE_V6 = _first_releases(None, "6", "7")
_SINCE_V7 = _first_releases(None, None, "7")

#: Chunk types that some release throws on. Every other type is known everywhere.
TYPE_KNOWN_SINCE: Mapping[str, FirstReleases] = {
    "tool-input-error": _first_releases("5.0.7", "6", "7"),
    "tool-output-denied": _SINCE_V6,
    "tool-approval-request": _SINCE_V6,
    "tool-approval-response": _SINCE_V7,
    "reasoning-file": _SINCE_V7,
    "custom": _SINCE_V7,
    "reset-step": _first_releases(None, None, "7.0.70"),
    "steering-message": _first_releases(None, None, "7.0.163"),
}

_TOOL_METADATA = _first_releases(None, "6.0.176", "7")
_OUTPUT_PROVIDER_METADATA = _first_releases(None, "6.0.120", "7")

#: Chunk type -> JSON keys that are newer than the type. Every other field is as old as its type.
FIELD_KNOWN_SINCE: Mapping[str, Mapping[str, FirstReleases]] = {
    "text-end": {"citations": _first_releases(None, None, "7.0.138")},
    "tool-input-start": {
        "title": _SINCE_V6,
        "providerMetadata": _first_releases(None, "6.0.39", "7"),
        "toolMetadata": _TOOL_METADATA,
        "inputEncoding": _first_releases(None, "6.0.308", "7.0.142"),
    },
    "tool-input-available": {"title": _SINCE_V6, "toolMetadata": _TOOL_METADATA},
    "tool-input-error": {"title": _SINCE_V6, "toolMetadata": _TOOL_METADATA},
    "tool-output-available": {
        "preliminary": _first_releases("5.0.11", "6", "7"),
        "providerMetadata": _OUTPUT_PROVIDER_METADATA,
        "toolMetadata": _TOOL_METADATA,
    },
    "tool-output-error": {
        "providerMetadata": _OUTPUT_PROVIDER_METADATA,
        "toolMetadata": _TOOL_METADATA,
    },
    "tool-approval-request": {
        "signature": _first_releases(None, "6.0.202", "7"),
        "isAutomatic": _SINCE_V7,
        "approvalDescriptor": _first_releases(None, "6.0.274", "7.0.87"),
        "inputSchemaInput": _first_releases(None, "6.0.290", "7.0.113"),
        "reason": _first_releases(None, None, "7.0.82"),
    },
    "finish": {"finishReason": _first_releases("5.0.92", "6", "7")},
    "abort": {"reason": _first_releases(None, "6.0.15", "7")},
}

#: Finish reasons that some release throws on. All others are as old as the field.
FINISH_REASON_KNOWN_SINCE: Mapping[str, FirstReleases] = {
    "interrupted": _first_releases(None, None, "7.0.149"),
    "unknown": _first_releases("5.0.92", None, None),
}


# Clients can name any client version in a request, so the cache is bounded.
_cached = lru_cache(maxsize=4096)


@_cached
def _is_known_from(client_version: ClientVersion, *ways: FirstReleases) -> bool:
    """Whether a release and the first release of every later major know something.

    Each release may know it by any one of `ways`.
    """
    releases = [
        client_version,
        *(
            ClientVersion(major)
            for major in range(client_version.major + 1, NEWEST_CLIENT_VERSION.major + 1)
        ),
    ]
    return all(any(since.includes(release) for since in ways) for release in releases)


@_cached
def accepts(client_version: ClientVersion, chunk_type: str, field: str | None = None) -> bool:
    """Whether a chunk type, or a field of it, may be sent to a client version.

    Args:
        client_version: The oldest client that reads the stream.
        chunk_type: The type on the wire; "data" stands for every `data-NAME`.
        field: The JSON key of a field, or None. A key that the type does not have counts as an
            unknown field.
    """
    if chunk_type in client_version.extra_chunk_types:
        first = next(filter(None, TYPE_KNOWN_SINCE.get(chunk_type, _ALWAYS)))
        client_version = max(client_version, first)
    if not _is_known_from(client_version, TYPE_KNOWN_SINCE.get(chunk_type, _ALWAYS)):
        return False
    if field is None:
        return True
    cls = c.CHUNK_TYPES.get(chunk_type, c.Data)
    if field not in cls.known_keys():
        return _is_known_from(client_version, IGNORES_UNKNOWN_FIELDS_SINCE)
    known = FIELD_KNOWN_SINCE.get(chunk_type, {}).get(field, _ALWAYS)
    return _is_known_from(client_version, known, IGNORES_UNKNOWN_FIELDS_SINCE)


def missing(types: Iterable[str], client_version: ClientVersion) -> list[str]:
    """Return those of the chunk types that may not be sent to a client version.

    A feature that is built on one of them does not work with such clients.

    Args:
        types: Chunk types on the wire.
        client_version: The oldest client that reads the stream.
    """
    return [name for name in types if not accepts(client_version, name)]


#: Error text that stands for a denial in clients without `tool-output-denied`.
DENIED_TEXT = "The user did not allow this tool call."


def _replace_automatic_approval(
    chunk: c.ToolApprovalRequest, client_version: ClientVersion
) -> Chunk | None:
    # Without its automatic response, the request would wait for the user.
    has_response = accepts(client_version, "tool-approval-response")
    return None if chunk.is_automatic and not has_response else chunk


def _replace_preliminary_output(
    chunk: c.ToolOutputAvailable, client_version: ClientVersion
) -> Chunk | None:
    # Without the flag, the client would take it for the final output.
    has_flag = accepts(client_version, "tool-output-available", "preliminary")
    return None if chunk.preliminary and not has_flag else chunk


def _replace_input_error(chunk: c.ToolInputError, client_version: ClientVersion) -> Chunk:
    # The call must have started before: `Writer` ensures that.
    if accepts(client_version, "tool-input-error"):
        return chunk
    return c.ToolOutputError(
        tool_call_id=chunk.tool_call_id, error_text=chunk.error_text, dynamic=chunk.dynamic
    )


def _replace_denial(chunk: c.ToolOutputDenied, client_version: ClientVersion) -> Chunk:
    if accepts(client_version, "tool-output-denied"):
        return chunk
    # AI SDK 5 needs the `dynamic` flag, which the chunk lacks; but it has no approvals either.
    return c.ToolOutputError(tool_call_id=chunk.tool_call_id, error_text=DENIED_TEXT)


def _replace_finish_reason(chunk: c.Finish, client_version: ClientVersion) -> Chunk:
    since = FINISH_REASON_KNOWN_SINCE.get(chunk.finish_reason or "", _ALWAYS)
    if _is_known_from(client_version, since):
        return chunk
    return msgspec.structs.replace(chunk, finish_reason="other")


#: Chunk class -> the function that replaces the whole chunk; it returns None to leave it out.
_SUBSTITUTES: Mapping[type[Chunk], Callable[[Any, ClientVersion], Chunk | None]] = {
    c.ToolApprovalRequest: _replace_automatic_approval,
    c.ToolOutputAvailable: _replace_preliminary_output,
    c.ToolInputError: _replace_input_error,
    c.ToolOutputDenied: _replace_denial,
    c.Finish: _replace_finish_reason,
}

#: Classes with only types and fields that every release knows: their chunks are sent as they are,
#: unless they have `extra`.
KNOWN_EVERYWHERE: Collection[object] = frozenset(
    cls
    for name, cls in [*c.CHUNK_TYPES.items(), ("data", c.Data)]
    if name not in TYPE_KNOWN_SINCE and name not in FIELD_KNOWN_SINCE and cls not in _SUBSTITUTES
)


@_cached
def _unset_fields(cls: type[Chunk], client_version: ClientVersion) -> dict[str, Any]:
    """Return the attributes not to send to a client version, each with its absent value."""
    name = "data" if cls is c.Data else str(cls.type)
    keep = {"name"} if cls is c.Data else set()
    return {
        field.name: field.default
        for field in msgspec.structs.fields(cls)
        if field.name not in keep and not accepts(client_version, name, field.encode_name)
    }


def downgrade(chunk: ChunkVariant, client_version: ClientVersion) -> Chunk | None:
    """Downgrade a chunk so that a client version and every later release can read it.

    Fields on which one of these releases throws are removed, and unknown keys unless all of them
    ignore those. A denial becomes a tool error and a finish reason "other" where necessary.

    Args:
        chunk: The chunk, or one for some client versions only.
        client_version: The oldest client that reads the stream.

    Returns:
        The chunk to send, or None if it must not be sent.
    """
    if isinstance(chunk, VersionedChunk):
        return downgrade(chunk.chunk, client_version) if chunk.includes(client_version) else None
    if type(chunk) in KNOWN_EVERYWHERE and chunk.extra is None:
        return chunk
    if substitute := _SUBSTITUTES.get(type(chunk)):
        replaced = substitute(chunk, client_version)
        if replaced is None:
            return None
        chunk = replaced
    if not accepts(client_version, chunk.type):
        return None
    unset = {
        name: absent
        for name, absent in _unset_fields(type(chunk), client_version).items()
        if getattr(chunk, name) is not absent
    }
    return msgspec.structs.replace(chunk, **unset) if unset else chunk
