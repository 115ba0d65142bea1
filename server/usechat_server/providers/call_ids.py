"""The ids of tool calls, made unique: clients know a call by its id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ui_message_stream.messages import ToolPart, UIMessage

__all__ = ["CallIds", "call_ids"]

#: Characters of an id, which databases index.
_MAX_LENGTH = 200
_CONTROL_CHARACTERS = re.compile(r"[\0-\x1f\x7f-\x9f\ud800-\udfff]")


def call_ids(messages: Sequence[UIMessage]) -> set[str]:
    """Return the ids of the tool calls in some messages."""
    parts = (part for message in messages for part in message.parts)
    return {part.tool_call_id for part in parts if isinstance(part, ToolPart)}


class CallIds:
    """The ids of the tool calls of one response.

    They are the provider's. Some servers with the API's wire format number the calls of each
    response anew, so an id that was used before gets a number.

    Args:
        used: The ids of earlier calls.
    """

    def __init__(self, used: Iterable[str]) -> None:
        self._used = set(used)
        #: the provider's id → ours, where they differ
        self._renamed: dict[str, str] = {}

    def with_unique_ids(self, block: dict[str, Any]) -> dict[str, Any]:
        """Return a content block with our ids of its calls, at its start."""
        call_id, result_id, caller = (block.get(key) for key in ("id", "tool_use_id", "caller"))
        if isinstance(call_id, str) and str(block.get("type")).endswith("tool_use"):
            unique_id = self.assign(call_id)
            if unique_id != call_id:
                block = {**block, "id": unique_id}
        elif isinstance(result_id, str) and result_id in self._renamed:
            block = {**block, "tool_use_id": self._renamed[result_id]}
        if isinstance(caller, dict) and caller.get("tool_id") in self._renamed:
            block = {**block, "caller": {**caller, "tool_id": self._renamed[caller["tool_id"]]}}
        return block

    def assign(self, call_id: str) -> str:
        """Return our id of a new call."""
        base = unique_id = _CONTROL_CHARACTERS.sub("_", call_id)[:_MAX_LENGTH] or "call"
        number = 1
        while unique_id in self._used:
            number += 1
            unique_id = f"{base}_{number}"
        self._used.add(unique_id)
        self._renamed.pop(call_id, None)
        if unique_id != call_id:
            self._renamed[call_id] = unique_id
        return unique_id
