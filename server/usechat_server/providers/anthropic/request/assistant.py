"""An assistant message → the content blocks of each model call that it consists of."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from ui_message_stream.messages import (
    CustomPart,
    Part,
    ReasoningPart,
    SteeringMessagePart,
    TextPart,
    ToolPart,
    UIMessage,
)
from ui_message_stream.schema import UNSET

from usechat_server.providers.anthropic.message_record import (
    ResponseRecord,
    ids_with_result_slot,
    read_record,
)
from usechat_server.providers.anthropic.provider_metadata import read_anthropic_metadata
from usechat_server.providers.anthropic.request.provider_tool_blocks import (
    provider_tool_result,
    provider_tool_use,
)
from usechat_server.providers.anthropic.request.tool_blocks import tool_result, tool_use
from usechat_server.providers.history.reductions import Reduction
from usechat_server.providers.history.steps import split_into_steps
from usechat_server.providers.history.tool_calls import ToolCallIds
from usechat_server.tools import DeclaredTool

__all__ = ["ContentBlocks", "assistant_steps"]

#: Content blocks, as JSON objects.
ContentBlocks = list[dict[str, Any]]


def assistant_steps(
    message: UIMessage,
    ids: ToolCallIds,
    tools: Mapping[str, DeclaredTool],
    *,
    newest: bool,
    reduction: Reduction,
) -> Iterator[AssistantStep]:
    """Yield the model calls that a message consists of.

    Args:
        message: The assistant message.
        ids: The ids of the request's tool calls.
        tools: The declared tools by name; they decide what the model sees of their outputs.
        newest: Whether this is the last message: the provider may still be executing calls of it.
        reduction: What is left out of the history.
    """
    part_groups = list(split_into_steps(message.parts))
    if reduction.all_but_text:
        part_groups = [[_plain(part) for part in group] for group in part_groups]
        response_records: list[ResponseRecord] = []
    else:
        response_records = list(read_record(message).responses.values())
    records = _match_records(part_groups, response_records)
    calls = _ToolCalls(
        ids,
        tools,
        ids_with_result_slot(record for record in records if record),
        newest=newest,
        files=not reduction.files,
    )
    for parts, record in zip(part_groups, records, strict=True):
        yield AssistantStep(parts, record, calls)


def _plain(part: Part) -> Part:
    """Return the part without what only the provider can judge, such as signatures. Without those,
    no thinking is sent, and without an input no call of the provider's tools."""
    if isinstance(part, ToolPart):
        return msgspec.structs.replace(
            part,
            call_provider_metadata=None,
            result_provider_metadata=None,
            input=UNSET if part.provider_executed else part.input,
        )
    if isinstance(part, TextPart | ReasoningPart | CustomPart):
        return msgspec.structs.replace(part, provider_metadata=None)
    return part


def _match_records(
    part_groups: list[list[Part]], records: list[ResponseRecord]
) -> list[ResponseRecord | None]:
    """Return the record of each step: the one whose slots name the same parts.

    Records with equal parts are used in their order. Nothing else depends on the order of records,
    since databases sort the keys of an object. A step that was cut off has no record, and an app
    may have changed any message.
    """
    records_by_parts: dict[tuple[_PartKey, ...], deque[ResponseRecord]] = {}
    for record in records:
        records_by_parts.setdefault(_part_keys(record), deque()).append(record)
    matches: list[ResponseRecord | None] = []
    for parts in part_groups:
        keys = tuple(_part_key(part) for part in parts if isinstance(part, _SLOT_PARTS))
        candidates = records_by_parts.get(keys)
        matches.append(candidates.popleft() if candidates else None)
    return matches


#: The parts that slots refer to.
_SLOT_PARTS = (TextPart, ReasoningPart, ToolPart)
#: The kind of a part, and the id of a tool call.
_PartKey = tuple[str | None, str | None]


def _part_key(part: Part) -> _PartKey:
    if isinstance(part, ToolPart):
        return "call", part.tool_call_id
    return "text" if isinstance(part, TextPart) else "reasoning", None


def _part_keys(record: ResponseRecord) -> tuple[_PartKey, ...]:
    return tuple(
        (slot.part, slot.id) for slot in record.slots if slot.part in ("text", "reasoning", "call")
    )


class _ToolCalls:
    """Translates the tool calls of a message."""

    def __init__(
        self,
        ids: ToolCallIds,
        tools: Mapping[str, DeclaredTool],
        ids_with_result_slot: set[str],
        *,
        newest: bool,
        files: bool,
    ) -> None:
        self._ids = ids
        self._tools = tools
        self._ids_with_result_slot = ids_with_result_slot
        self._newest = newest
        self._files = files
        #: results of provider-executed calls that are in the request, where the call is not the
        #: block before; by the call's id in the message
        self._awaited_results: dict[str, dict[str, Any]] = {}

    def app_call(self, part: ToolPart) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the call of a tool that the app or the client executes, and its result."""
        call_id = self._ids.assign(part.tool_call_id)
        return (
            tool_use(part, call_id),
            tool_result(part, call_id, self._tools.get(part.tool_name), files=self._files),
        )

    def provider_call(self, part: ToolPart, record: ResponseRecord | None) -> ContentBlocks:
        """Return a provider-executed call, with its result unless that has a slot of its own."""
        call_id = self._ids.assign(part.tool_call_id)
        call, result = provider_tool_use(part, call_id), provider_tool_result(part, call_id)
        is_pending = result is None and record is not None and self._newest
        if call is None or (result is None and not is_pending):
            # Only the provider could supply the result.
            return []
        if result is not None and part.tool_call_id not in self._ids_with_result_slot:
            return [call, result]
        if result is not None:
            self._awaited_results[part.tool_call_id] = result
        return [call]

    def provider_result(self, call_id: str | None) -> dict[str, Any] | None:
        """Return the result of a provider-executed call before."""
        return self._awaited_results.pop(call_id or "", None)


class AssistantStep:
    """One model call: the assistant's blocks, and the results of its tool calls."""

    def __init__(self, parts: list[Part], record: ResponseRecord | None, calls: _ToolCalls) -> None:
        #: a user message that interrupted the assistant; then there is nothing else in this step
        self.steering: SteeringMessagePart | None = next(
            (p for p in parts if isinstance(p, SteeringMessagePart)), None
        )
        #: whether the provider continues this step when it is called again
        self.paused: bool = record is not None and record.paused
        self.content: ContentBlocks = []
        #: results of the tools that the app or the client executes
        self.tool_results: ContentBlocks = []
        self._calls = calls
        self._record = record
        if record is None:
            for part in parts:
                if add_part := _ADD_PART.get(type(part)):
                    add_part(self, part, {})
        else:
            self._add_in_recorded_order(parts, record)
        # The API refuses thinking at the end, where a stop may have left it.
        while not self.paused and self.content and self.content[-1]["type"] in _THINKING:
            self.content.pop()

    def _add_in_recorded_order(self, parts: list[Part], record: ResponseRecord) -> None:
        remaining = iter([part for part in parts if isinstance(part, _SLOT_PARTS)])
        for slot in record.slots:
            fields = slot.block or {}
            if slot.part is None:
                self.content.append(fields)
            elif slot.part == "result":
                if (result := self._calls.provider_result(slot.id)) is not None:
                    self.content.append({**result, **fields})
            else:
                part = next(remaining)
                _ADD_PART[type(part)](self, part, fields)

    def add_text(self, part: TextPart, fields: dict[str, Any]) -> None:
        metadata = read_anthropic_metadata(part.provider_metadata)
        if metadata.get("type") == "compaction":
            signature = metadata.get("signature")
            signed = {"signature": signature} if signature else {}
            block = {"type": "compaction", "content": part.text or None, **signed, **fields}
            self.content.append(block)
        elif part.text.strip():
            citations = metadata.get("citations")
            cited = {"citations": citations} if isinstance(citations, list) and citations else {}
            self.content.append({"type": "text", "text": part.text, **cited, **fields})

    def add_reasoning(self, part: ReasoningPart, _: dict[str, Any]) -> None:
        """Add signed or encrypted thinking; the API refuses any other."""
        metadata = read_anthropic_metadata(part.provider_metadata)
        signature, redacted = metadata.get("signature"), metadata.get("redactedData")
        if isinstance(redacted, str) and redacted:
            self.content.append({"type": "redacted_thinking", "data": redacted})
        elif isinstance(signature, str) and signature:
            block = {"type": "thinking", "thinking": part.text, "signature": signature}
            self.content.append(block)

    def add_tool_call(self, part: ToolPart, _: dict[str, Any]) -> None:
        if part.provider_executed:
            self.content += self._calls.provider_call(part, self._record)
            return
        call, result = self._calls.app_call(part)
        self.content.append(call)
        self.tool_results.append(result)

    def add_custom(self, part: CustomPart, _: dict[str, Any]) -> None:
        """Add where another model took over, as servers of AI SDK 7 record it."""
        metadata = read_anthropic_metadata(part.provider_metadata)
        if part.kind == "anthropic.fallback" and {"from", "to"} <= metadata.keys():
            block = {"type": "fallback", "from": metadata["from"], "to": metadata["to"]}
            self.content.append(block)


_THINKING = ("thinking", "redacted_thinking")

#: Type of a part → what adds it to its step, with the fields of its slot. Parts of other types are
#: never sent to the model.
_ADD_PART: Mapping[type[Part], Callable[[AssistantStep, Any, dict[str, Any]], None]] = {
    TextPart: AssistantStep.add_text,
    ReasoningPart: AssistantStep.add_reasoning,
    ToolPart: AssistantStep.add_tool_call,
    CustomPart: AssistantStep.add_custom,
}
