"""A strategy for chunks in any order, legal or not, that refer to a few blocks and tool calls."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from ui_message_stream import chunks as c
from ui_message_stream.chunks import CHUNK_TYPES, Chunk
from ui_message_stream.messages import ToolPart, UIMessage

from tests.protocol.strategies import chunks_of

__all__ = ["arbitrary_chunks"]

_BLOCKS = (
    *(c.TextStart, c.TextDelta, c.TextEnd),
    *(c.ReasoningStart, c.ReasoningDelta, c.ReasoningEnd),
)
_CALLS: tuple[type[Chunk], ...] = (
    *(c.ToolInputStart, c.ToolInputDelta, c.ToolInputAvailable, c.ToolOutputAvailable),
    *(c.ToolOutputError, c.ToolApprovalRequest, c.ToolApprovalResponse),
)
#: Weighted by repetition: a uniform choice would hardly ever make a legal tool call.
_CLASSES: list[type[Chunk]] = [
    *CHUNK_TYPES.values(),
    *(_BLOCKS * 2),
    *(_CALLS * 3),
    *(c.StartStep, c.Data),
]


def arbitrary_chunks(message: UIMessage | None = None) -> SearchStrategy[Chunk]:
    """Return a strategy for any chunk; some refer to the tool calls of a continued message."""
    parts = [part for part in message.parts if isinstance(part, ToolPart)] if message else []
    calls = ["c1", "c2", "c3", *(part.tool_call_id for part in parts)]
    approvals = ["a1", "a2", *(part.approval.id for part in parts if part.approval)]
    return st.sampled_from(_CLASSES).flatmap(
        lambda cls: _ids(cls, calls, approvals).flatmap(lambda ids: chunks_of(cls, **ids))
    )


def _ids(
    cls: type[Chunk], calls: list[str], approvals: list[str]
) -> SearchStrategy[dict[str, Any]]:
    choices: dict[str, SearchStrategy[Any]] = {
        "tool_call_id": st.sampled_from(calls),
        "approval_id": st.sampled_from(approvals),
        "tool_name": st.sampled_from(["weather", "weather", "search"]),
        "dynamic": st.sampled_from([None, None, True]),
        "input_text_delta": st.text(st.characters(exclude_categories=()), max_size=3),
        "name": st.just("x"),
        "transient": st.sampled_from([None, True]),
    }
    if cls in _BLOCKS:
        choices["id"] = st.sampled_from(["0", "1"])
    elif cls is c.SteeringMessage:
        choices["id"] = st.just("s")
    if cls in (c.TextDelta, c.ReasoningDelta):
        choices["delta"] = st.text(st.characters(exclude_categories=()), max_size=3)
    if cls is c.MessageMetadata:
        choices["message_metadata"] = st.sampled_from([{"a": 1}, None])
    fields = set(cls.__struct_fields__)
    return st.fixed_dictionaries({k: v for k, v in choices.items() if k in fields})
