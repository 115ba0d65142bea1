"""What of an answer no part of the message can hold: it travels in the message's metadata.

That is the order of blocks whose place is not their part's place (a server's result may come blocks
or responses after its call), blocks that are not shown, fields that no part has, and the container
that the model's code runs in. Every client echoes it; an answer that needs none of it has none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from ui_message_stream.messages import UIMessage
from ui_message_stream.schema import JSONObject

__all__ = [
    "KEY",
    "BlockSlot",
    "Container",
    "ResponseRecord",
    "calls_with_results",
    "metadata",
    "read_record",
]

#: The key of the message's metadata.
KEY = "usechat.anthropic"

#: What a place may say besides the part.
_FIELDS_BESIDES = {
    "text": {"encrypted_content", "tool_changes"},
    "result": {"type", "content"},
}
#: Blocks that are always a part's: their calls and results have to match.
_IN_PARTS = ("tool_use", "mcp_tool_use", "tool_result")

_T = TypeVar("_T")


class BlockSlot(msgspec.Struct, omit_defaults=True):
    """Where a block is kept."""

    #: the kind of part that holds it, the next one of its kind or the call's; None: no part does
    part: Literal["text", "reasoning", "call", "result"] | None = None
    #: the tool call
    id: str | None = None
    #: what the part does not hold: fields of the block, or all of it
    block: JSONObject | None = None


class ResponseRecord(msgspec.Struct, omit_defaults=True):
    """The blocks of one response."""

    places: list[BlockSlot]
    #: whether the provider only paused: its turn goes on in the next response
    paused: bool = False


class Container(msgspec.Struct):
    """Where the model's code runs. The next request names it, until it has expired."""

    id: str
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)]

    def lives(self) -> bool:
        return self.expires_at > datetime.now(UTC)


class MessageRecord(msgspec.Struct, omit_defaults=True):
    """What is kept of the answers that a message consists of."""

    #: the provider's id of a response → its blocks, in the order the responses came
    turns: dict[str, ResponseRecord] = msgspec.field(default_factory=dict)
    container: Container | None = None


def metadata(
    response: str,
    places: Sequence[BlockSlot],
    server_calls: Collection[str],
    *,
    paused: bool,
    container: JSONObject | None,
) -> JSONObject | None:
    """What is to be merged into the message's metadata; None if the parts say it all."""
    made: JSONObject = {}
    if paused or not _told_by_parts(places, server_calls):
        turn = ResponseRecord(places=list(places), paused=paused)
        made["turns"] = {response: msgspec.to_builtins(turn)}
    if container is not None and {"id", "expires_at"} <= container.keys():
        made["container"] = {key: container[key] for key in ("id", "expires_at")}
    return {KEY: made} if made else None


def read_record(message: UIMessage) -> MessageRecord:
    """What was kept of a message's answers. It comes from the page: what cannot be read, or could
    not have been kept, counts as nothing."""
    value = message.metadata.get(KEY) if isinstance(message.metadata, dict) else None
    kept = value if isinstance(value, dict) else {}
    turns = _read(kept.get("turns"), dict[str, ResponseRecord]) or {}
    if not all(_is_ours(place) for turn in turns.values() for place in turn.places):
        turns = {}
    return MessageRecord(turns, _read(kept.get("container"), Container))


def _read(value: Any, kind: type[_T]) -> _T | None:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None


def _is_ours(place: BlockSlot) -> bool:
    """Whether `metadata` could have kept this."""
    block = place.block or {}
    if place.part is None:
        needed = ["type"]
        if block.get("type") == "server_tool_use":
            needed += ["id", "name"]
        if "tool_use_id" in block:
            needed.append("tool_use_id")
        told = all(isinstance(block.get(key), str) for key in needed)
        return told and block["type"] not in _IN_PARTS
    kind = block.get("type", "_tool_result")
    result = isinstance(kind, str) and kind.endswith("_tool_result")
    return result and block.keys() <= _FIELDS_BESIDES.get(place.part, set())


def _told_by_parts(places: Sequence[BlockSlot], server_calls: Collection[str]) -> bool:
    """Whether the parts in their order, each server's result right after its call, are it."""
    pending: str | None = None
    for place in places:
        answers = place.id if place.part == "result" else None
        if place.block is not None or answers != pending:
            return False
        pending = place.id if place.part == "call" and place.id in server_calls else None
    return pending is None


def calls_with_results(turns: Iterable[ResponseRecord]) -> set[str]:
    """The calls whose results have a place."""
    return {
        place.id
        for turn in turns
        for place in turn.places
        if place.part == "result" and place.id is not None
    }
