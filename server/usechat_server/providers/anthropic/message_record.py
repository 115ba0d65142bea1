"""What the message parts cannot hold of the provider's responses; kept in the message's metadata.

That is the order of blocks that are not where their parts are (the result of a provider's tool may
come blocks or responses after its call), blocks that are not shown, fields that no part has, and
the container that the model's code runs in. Every client sends the metadata back. A message that
needs none of this has no record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from ui_message_stream.messages import UIMessage
from ui_message_stream.schema import JSONObject

__all__ = [
    "METADATA_KEY",
    "BlockSlot",
    "ResponseRecord",
    "ids_with_result_slot",
    "read_record",
    "record_metadata",
]

#: The key of the message's metadata.
METADATA_KEY = "usechat.anthropic"

#: Kind of part → the fields of its block that a slot may hold.
_EXTRA_FIELDS = {
    "text": {"encrypted_content", "tool_changes"},
    "result": {"type", "content"},
}
#: Blocks that only parts may hold: their calls and results have to match.
_IN_PARTS_ONLY = ("tool_use", "mcp_tool_use", "tool_result")

#: How long the provider can restore a container that it has put aside.
#: Source: the API's page on the code execution tool.
_RESTORABLE = timedelta(days=30)

_T = TypeVar("_T")


class BlockSlot(msgspec.Struct, omit_defaults=True):
    """Where one block of a response is kept."""

    #: the kind of part that holds it: the next one of that kind, or the one of the tool call `id`;
    #: None: no part, all of the block is here
    part: Literal["text", "reasoning", "call", "result"] | None = None
    #: id of the tool call
    id: str | None = None
    #: what the part does not hold: some fields of the block, or all of it
    block: JSONObject | None = None


class ResponseRecord(msgspec.Struct, omit_defaults=True):
    """The blocks of one response, in order."""

    slots: list[BlockSlot] = msgspec.field(name="places")
    #: whether the provider only paused: the next response continues this one
    paused: bool = False


class Container(msgspec.Struct):
    """Where the model's code runs. The next request names it."""

    id: str
    #: when the provider puts it aside, which every request postpones
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)]
    #: proof that it is this chat's, if the client keeps the history
    proof: str = ""

    def may_be_restored(self) -> bool:
        """Whether the provider may still have it."""
        return datetime.now(UTC) - _RESTORABLE < self.expires_at


class MessageRecord(msgspec.Struct, omit_defaults=True):
    """What is kept of the responses that one message consists of."""

    #: the provider's id of a response → its blocks, in the order of the responses
    responses: dict[str, ResponseRecord] = msgspec.field(name="turns", default_factory=dict)
    container: Container | None = None


def record_metadata(
    response_id: str,
    slots: Sequence[BlockSlot],
    provider_call_ids: Collection[str],
    *,
    paused: bool,
    container: JSONObject | None,
    prove: Callable[[str], str] | None = None,
) -> JSONObject | None:
    """Return the metadata to merge into the message; None if the parts hold everything.

    Args:
        response_id: The provider's id of the response.
        slots: Where each block of the response is kept, in order.
        provider_call_ids: Ids of the tool calls that the provider executes.
        paused: Whether the provider only paused.
        container: The response's container, as the API describes it.
        prove: See `ModelCall`.
    """
    record: JSONObject = {}
    if paused or not _are_parts_enough(slots, provider_call_ids):
        response = ResponseRecord(slots=list(slots), paused=paused)
        record["turns"] = {response_id: msgspec.to_builtins(response)}
    if container is not None and {"id", "expires_at"} <= container.keys():
        record["container"] = {key: container[key] for key in ("id", "expires_at")}
        if prove is not None:
            record["container"]["proof"] = prove(str(container["id"]))
    return {METADATA_KEY: record} if record else None


def read_record(message: UIMessage) -> MessageRecord:
    """Return the record of a message.

    The client may have sent it: what is malformed, or could not have been recorded, is ignored.
    """
    value = message.metadata.get(METADATA_KEY) if isinstance(message.metadata, dict) else None
    record = value if isinstance(value, dict) else {}
    responses = _convert(record.get("turns"), dict[str, ResponseRecord]) or {}
    if not all(_is_valid(slot) for response in responses.values() for slot in response.slots):
        responses = {}
    return MessageRecord(responses, _convert(record.get("container"), Container))


def _convert(value: Any, kind: type[_T]) -> _T | None:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None


def _is_valid(slot: BlockSlot) -> bool:
    """Whether `record_metadata` could have written this slot."""
    block = slot.block or {}
    if slot.part is None:
        required = ["type"]
        if block.get("type") == "server_tool_use":
            required += ["id", "name"]
        if "tool_use_id" in block:
            required.append("tool_use_id")
        is_complete = all(isinstance(block.get(key), str) for key in required)
        return is_complete and block["type"] not in _IN_PARTS_ONLY
    kind = block.get("type", "_tool_result")
    is_result = isinstance(kind, str) and kind.endswith("_tool_result")
    return is_result and block.keys() <= _EXTRA_FIELDS.get(slot.part, set())


def _are_parts_enough(slots: Sequence[BlockSlot], provider_call_ids: Collection[str]) -> bool:
    """Whether the parts alone, each provider's result right after its call, give these blocks."""
    pending_id: str | None = None
    for slot in slots:
        result_id = slot.id if slot.part == "result" else None
        if slot.block is not None or result_id != pending_id:
            return False
        is_provider_call = slot.part == "call" and slot.id in provider_call_ids
        pending_id = slot.id if is_provider_call else None
    return pending_id is None


def ids_with_result_slot(responses: Iterable[ResponseRecord]) -> set[str]:
    """Return the ids of the tool calls whose results have a slot of their own."""
    return {
        slot.id
        for response in responses
        for slot in response.slots
        if slot.part == "result" and slot.id is not None
    }
