"""The end of tool calls that nothing resolves any more, since their run is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ui_message_stream.chunks import ToolOutputError
from ui_message_stream.messages import ToolPart, UIMessage
from ui_message_stream.versions import ChunkVariant

from usechat_server.approvals import automatic_denial_chunks, denial_chunks
from usechat_server.turn import Turn

__all__ = ["INTERRUPTED", "interrupted_call_chunks"]

#: Error text of a call that was cut off.
INTERRUPTED = "The call was interrupted and has no result."


def interrupted_call_chunks(
    turn: Turn, message: UIMessage, is_server_call: Callable[[ToolPart], bool]
) -> Iterator[ChunkVariant]:
    """Yield the chunks that end each open call which only the server or the provider could resolve.

    Calls of the client's tools and approval requests stay open: the user may still act on them.

    Args:
        turn: The turn.
        message: The message as it is.
        is_server_call: Returns whether this server would run an open call.
    """
    last_step = {part.tool_call_id for part in message.last_step_calls()}
    for part in message.parts:
        if not isinstance(part, ToolPart):
            continue
        is_running = part.state == "input-available" or part.preliminary is True
        if part.provider_executed:
            if is_running:
                yield ToolOutputError(
                    tool_call_id=part.tool_call_id, error_text=INTERRUPTED, provider_executed=True
                )
        elif part.tool_call_id not in last_step:
            continue
        elif part.state == "approval-responded":
            approval = part.approval
            if approval is not None and approval.approved is False and approval.is_automatic:
                yield from automatic_denial_chunks(part.tool_call_id, approval.reason)
            elif approval is not None and approval.approved is False:
                yield from denial_chunks(turn, part.tool_call_id, approval.reason)
            else:
                yield ToolOutputError(tool_call_id=part.tool_call_id, error_text=INTERRUPTED)
        elif is_running and is_server_call(part):
            yield ToolOutputError(tool_call_id=part.tool_call_id, error_text=INTERRUPTED)
