"""What each release of AI SDK 5, 6 and 7 accepts, and a chunk as the oldest client in use reads it.

Two rules of the clients stand behind everything here, both read off their chunk schemas and tried
on the published packages: an unknown chunk type (or finish reason) throws in every release, and an
unknown field throws until `IGNORES_UNKNOWN_FIELDS_SINCE`. Releases are not linear (a field can be
known to 6.0.324 and rejected by 7.0.31), so a type or field may be sent at a floor only if it is
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
    "DEFAULT_FLOOR",
    "DENIED_TEXT",
    "FIELD_KNOWN_SINCE",
    "FINISH_REASON_KNOWN_SINCE",
    "IGNORES_UNKNOWN_FIELDS_SINCE",
    "NEWEST_FLOOR",
    "OLDEST_FLOOR",
    "TYPE_KNOWN_SINCE",
    "Floor",
    "Form",
    "Ranged",
    "Since",
    "accepts",
    "missing",
    "project",
]


class Floor(NamedTuple):
    """A release of the npm package `ai`: the oldest that must be able to read a stream."""

    major: int
    minor: int = 0
    patch: int = 0
    #: chunk types that are sent all the same: see `allowing`
    besides: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads "6.0.120"; "6" and "6.0" mean the first release of them. Raises ValueError."""
        if not re.fullmatch(r"\d{1,6}(\.\d{1,6}){0,2}", text, re.ASCII):
            raise ValueError(f"{text!r} is not a release of ai such as 5.0.92")
        major, minor, patch = map(int, f"{text}.0.0".split(".")[:3])
        floor = cls(major, minor, patch)
        if floor < OLDEST_FLOOR:
            oldest = f"the oldest possible floor is {OLDEST_FLOOR}"
            raise ValueError(f"ai {text} has another protocol: {oldest}")
        if floor.major > NEWEST_FLOOR.major:
            raise ValueError(f"ai {text} is not known: the newest possible floor is {NEWEST_FLOOR}")
        return floor

    def allowing(self, *types: str) -> Self:
        """This floor, and besides it chunk types without which a feature of the app cannot exist.

        A client that is too old reads everything until the feature is used.
        """
        return self._replace(besides=self.besides | frozenset(types))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


#: The first release of this protocol.
OLDEST_FLOOR = Floor(5, 0, 0)
#: Six finish reasons, `tool-input-error` and `preliminary` are known from here on.
DEFAULT_FLOOR = Floor(5, 0, 92)
#: The release whose chunks this library knows, all of them.
NEWEST_FLOOR = Floor(7, 0, 173)


class Ranged(msgspec.Struct, frozen=True):
    """A chunk that only some floors are sent: what newer clients are told in another form.

    A translator says both forms, side by side, and `project` picks. Both do the same to the state
    of the stream (they answer the same call, or are whole parts), so that it is legal either way.
    """

    chunk: Chunk
    #: the first floor that is sent it; None: the oldest there is
    since: Floor | None = None
    #: the first floor that is no longer sent it; None: every newer one is
    until: Floor | None = None

    def includes(self, floor: Floor) -> bool:
        """Whether it is for this floor."""
        old = self.since is not None and floor < self.since
        return not old and (self.until is None or floor < self.until)


#: What a model backend says: a chunk for every floor, or one for some.
Form = Chunk | Ranged


class Since(NamedTuple):
    """The first release of each major that knows something; None: no release of that major."""

    v5: Floor | None
    v6: Floor | None
    v7: Floor | None

    def includes(self, floor: Floor) -> bool:
        """Whether the release at `floor` itself knows it."""
        first = self[floor.major - 5]
        return first is not None and first <= floor


def _since(v5: str | None, v6: str | None, v7: str | None) -> Since:
    return Since(*(Floor.parse(text) if text else None for text in (v5, v6, v7)))


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


# Requests may name any floor: what is remembered about floors is bounded.
_remembered = lru_cache(maxsize=4096)


@_remembered
def _everywhere_from(floor: Floor, *ways: Since) -> bool:
    """Whether the release at `floor` and the first of every later major are in one of `ways`."""
    releases = [floor, *(Floor(major) for major in range(floor.major + 1, NEWEST_FLOOR.major + 1))]
    return all(any(since.includes(release) for since in ways) for release in releases)


@_remembered
def accepts(floor: Floor, chunk_type: str, field: str | None = None) -> bool:
    """Whether a chunk type, or a field of it (its JSON key), may be sent at a floor.

    `data-NAME` is spelled "data". A key that is no field of the type counts as an unknown field.
    """
    if chunk_type in floor.besides:
        first = next(filter(None, TYPE_KNOWN_SINCE.get(chunk_type, _ALWAYS)))
        floor = max(floor, first)
    if not _everywhere_from(floor, TYPE_KNOWN_SINCE.get(chunk_type, _ALWAYS)):
        return False
    if field is None:
        return True
    cls = c.CHUNK_TYPES.get(chunk_type, c.Data)
    if field not in cls.known_keys():
        return _everywhere_from(floor, IGNORES_UNKNOWN_FIELDS_SINCE)
    known = FIELD_KNOWN_SINCE.get(chunk_type, {}).get(field, _ALWAYS)
    return _everywhere_from(floor, known, IGNORES_UNKNOWN_FIELDS_SINCE)


def missing(types: Iterable[str], floor: Floor) -> list[str]:
    """Those of the chunk types that cannot be sent at a floor: a feature built on them is lost."""
    return [name for name in types if not accepts(floor, name)]


#: What an older client shows in place of a denial, which it has no chunk for.
DENIED_TEXT = "The user did not allow this tool call."


def _automatic_approval(chunk: c.ToolApprovalRequest, floor: Floor) -> Chunk | None:
    # Where the automatic answer cannot be told, the request would wait for the user.
    answered = accepts(floor, "tool-approval-response")
    return None if chunk.is_automatic and not answered else chunk


def _preliminary(chunk: c.ToolOutputAvailable, floor: Floor) -> Chunk | None:
    # Without the flag it would be taken for the final output.
    flagged = accepts(floor, "tool-output-available", "preliminary")
    return None if chunk.preliminary and not flagged else chunk


def _input_error(chunk: c.ToolInputError, floor: Floor) -> Chunk:
    # Right if the call was started before, as every streamed call is.
    if accepts(floor, "tool-input-error"):
        return chunk
    return c.ToolOutputError(
        tool_call_id=chunk.tool_call_id, error_text=chunk.error_text, dynamic=chunk.dynamic
    )


def _denied(chunk: c.ToolOutputDenied, floor: Floor) -> Chunk:
    if accepts(floor, "tool-output-denied"):
        return chunk
    # It does not say whether the call is dynamic, which AI SDK 5 needs. But that has no approvals.
    return c.ToolOutputError(tool_call_id=chunk.tool_call_id, error_text=DENIED_TEXT)


def _finish_reason(chunk: c.Finish, floor: Floor) -> Chunk:
    since = FINISH_REASON_KNOWN_SINCE.get(chunk.finish_reason or "", _ALWAYS)
    if _everywhere_from(floor, since):
        return chunk
    return msgspec.structs.replace(chunk, finish_reason="other")


#: What a chunk becomes before its fields are looked at; None: it is left out.
_SUBSTITUTES: Mapping[type[Chunk], Callable[[Any, Floor], Chunk | None]] = {
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
def _unset_fields(cls: type[Chunk], floor: Floor) -> dict[str, Any]:
    """The attributes that a floor must not be sent, each with the value that leaves it out."""
    name = "data" if cls is c.Data else str(cls.type)
    keep = {"name"} if cls is c.Data else set()
    return {
        field.name: field.default
        for field in msgspec.structs.fields(cls)
        if field.name not in keep and not accepts(floor, name, field.encode_name)
    }


def project(chunk: Form, floor: Floor) -> Chunk | None:
    """The chunk as every release from `floor` on reads it; None: it must not be sent.

    Fields that some of them throw on are gone, unknown keys are kept only where all of them ignore
    those. What an older client can be told in another way is (a denial as a tool error, a finish
    reason as "other").
    """
    if isinstance(chunk, Ranged):
        return project(chunk.chunk, floor) if chunk.includes(floor) else None
    if type(chunk) in _PLAIN and chunk.extra is None:
        return chunk
    if substitute := _SUBSTITUTES.get(type(chunk)):
        replaced = substitute(chunk, floor)
        if replaced is None:
            return None
        chunk = replaced
    if not accepts(floor, chunk.type):
        return None
    unset = {
        name: nothing
        for name, nothing in _unset_fields(type(chunk), floor).items()
        if getattr(chunk, name) is not nothing
    }
    return msgspec.structs.replace(chunk, **unset) if unset else chunk
