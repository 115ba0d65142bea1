"""A message as a page of any release would have it, had it read its stream."""

from __future__ import annotations

from ui_message_stream.messages import ToolPart, UIMessage
from ui_message_stream.reduce import reduce
from ui_message_stream.replay import expand
from ui_message_stream.versions import NEWEST_FLOOR, Floor

__all__ = ["shown"]


def shown(message: UIMessage, floor: Floor) -> UIMessage:
    """The message without what clients of this floor have no part, state or field for.

    A denied call is a failed one before AI SDK 6, and a call that waits for approval is an open
    one. At the newest floor it is the message itself, below it one as `expand` describes, which
    also says what else is lost; a person's messages are never changed.
    """
    if message.role != "assistant" or floor >= NEWEST_FLOOR:
        return message
    made = reduce(expand(message, floor))
    made.extra = message.extra
    calls = {part.tool_call_id: part for part in message.parts if isinstance(part, ToolPart)}
    for part in made.parts:
        if isinstance(part, ToolPart):
            _tell_as_stored(part, calls[part.tool_call_id])
    return made


def _tell_as_stored(part: ToolPart, stored: ToolPart) -> None:
    """What a page can hold, though no chunk could tell it."""
    part.provider_executed = stored.provider_executed
    if part.approval is None or stored.approval is None or stored.approval.approved is None:
        return
    part.approval.approved = stored.approval.approved
    part.approval.reason = stored.approval.reason
    if part.state == "approval-requested":
        part.state = "approval-responded"
