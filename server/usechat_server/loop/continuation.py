"""Continue a message: give its open tool calls their outputs before the next model call."""

from __future__ import annotations

from ui_message_stream.chunks import FinishReason, ResetStep, ToolInputAvailable
from ui_message_stream.messages import ToolPart, UIMessage
from ui_message_stream.schema import UNSET

from usechat_server.approvals import (
    acknowledgement_chunks,
    automatic_denial_chunks,
    denial_chunks,
)
from usechat_server.loop.interrupted_calls import INTERRUPTED
from usechat_server.loop.run_writer import RunWriter
from usechat_server.loop.tool_calls import ToolCalls
from usechat_server.tools import FunctionTool, Tool
from usechat_server.turn import Decision

__all__ = ["continue_message", "open_calls"]

_OPEN_STATES = ("input-streaming", "input-available", "approval-requested", "approval-responded")


def open_calls(message: UIMessage) -> list[ToolPart]:
    """Return the calls of the message's last step that have no result, without those that the
    provider runs."""
    return [
        part
        for part in message.last_step_calls()
        if part.state in _OPEN_STATES and not part.provider_executed
    ]


async def continue_message(
    calls: ToolCalls, writer: RunWriter, *, has_step_tools: bool
) -> FinishReason | None:
    """Run or deny the open calls of the message's last step, as far as they are decided.

    A call runs only if `turn.decisions` allows it. That it is in the message proves nothing: the
    client may have written it.

    In a run that was taken over, a call that may have run before runs again only if its tool is
    idempotent. Otherwise the run ends, since the model would call the tool once more. A step starts
    again if the model's response to it may have been incomplete: none of its calls had begun.

    Args:
        calls: Runs the calls. It has the agent's tools, and those of `on_step` for its first step.
        writer: The writer of the run.
        has_step_tools: Whether `on_step` may have had other tools: a call of an unknown tool may
            then be the client's.

    Returns:
        The finish reason if the run is over; None if the model is called next.
    """
    turn = writer.turn
    message = writer.message()
    # The provider runs the other calls.
    calls_of_step = [part for part in message.last_step_calls() if not part.provider_executed]
    if writer.in_step and writer.may_be_incomplete(calls_of_step):
        writer.append([ResetStep()])
        return None
    writer.append(acknowledgement_chunks(turn))
    interrupted = False
    for part in open_calls(message):
        call_id, tool = part.tool_call_id, calls.tools.get(part.tool_name)
        decision = _decision(part, writer)
        if decision is None and _waits_for_client(part, tool):
            calls.waits_for_client = True
        elif not writer.claims_call(call_id, known=tool is not None):
            continue
        elif (
            decision is None and tool is None and _may_be_the_clients(part, writer, has_step_tools)
        ):
            calls.waits_for_client = True
        elif decision is not None and not decision.approved:
            writer.append(
                denial_chunks(turn, call_id, decision.reason)
                if call_id in turn.decisions
                else automatic_denial_chunks(call_id, decision.reason)
            )
        elif part.state == "input-streaming" or (decision is None and not writer.in_step):
            calls.write_error(call_id, INTERRUPTED)
        elif writer.may_have_begun(call_id) and not _may_run_again(tool):
            calls.write_error(call_id, INTERRUPTED)
            interrupted = True
        else:
            calls.add_call(_call_chunk(part), approved=decision is not None)
    await calls.run()
    if interrupted:
        return "interrupted"
    if calls.waits_for_client:
        return "tool-calls"
    writer.end_step()
    return None


def _decision(part: ToolPart, writer: RunWriter) -> Decision | None:
    """Return the decision on a call. An automatic one counts only in a step that this run wrote:
    elsewhere the client may have written it."""
    approval = part.approval
    if writer.in_step and approval is not None and approval.is_automatic:
        return Decision(approval.approved is True, approval.reason)
    return writer.turn.decisions.get(part.tool_call_id)


def _waits_for_client(part: ToolPart, tool: Tool | None) -> bool:
    """Whether the call waits for the user's decision, or for the client to run it."""
    is_client_tool = tool is not None and not isinstance(tool, FunctionTool)
    return part.state == "approval-requested" or (
        is_client_tool and part.state == "input-available"
    )


def _may_be_the_clients(part: ToolPart, writer: RunWriter, has_step_tools: bool) -> bool:
    """Whether an open call of an unknown tool may be one that the client runs: a run that has ended
    left no call of the server's own open."""
    return has_step_tools and part.state == "input-available" and not writer.in_step


def _may_run_again(tool: Tool | None) -> bool:
    return isinstance(tool, FunctionTool) and tool.idempotent


def _call_chunk(part: ToolPart) -> ToolInputAvailable:
    return ToolInputAvailable(
        tool_call_id=part.tool_call_id,
        tool_name=part.tool_name,
        input=None if part.input is UNSET else part.input,
        dynamic=part.dynamic or None,
    )
