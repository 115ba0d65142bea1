"""The open tool calls of a message that is continued: answered, before the model goes on."""

from __future__ import annotations

from ui_message_stream.chunks import FinishReason, ResetStep, ToolInputAvailable
from ui_message_stream.messages import ToolPart
from ui_message_stream.schema import UNSET

from usechat_server.approvals import acknowledgement_chunks, denial_chunks
from usechat_server.loop.run_writer import RunWriter
from usechat_server.loop.tool_calls import ToolCalls
from usechat_server.tools import FunctionTool, Tool
from usechat_server.turn import Decision

__all__ = ["continue_message"]

_INTERRUPTED = "The call was interrupted and has no result."
_OPEN = ("input-streaming", "input-available", "approval-requested", "approval-responded")


async def continue_message(calls: ToolCalls, output: RunWriter) -> FinishReason | None:
    """Gives the open calls of the message's last step their outputs, as far as they are decided.
    Why the answer is over then; None: the model goes on.

    Only what `turn.decisions` allows is run. That a call stands in a message proves nothing: the
    page may have written it.

    Of a run that another process began, what that may have run is run again only if the tool is
    idempotent; else the answer is over, as the model would call the tool once more. A step without
    a complete call of ours begins again.
    """
    turn = output.turn
    # The provider runs the others.
    own = [part for part in output.message().last_step_calls() if not part.provider_executed]
    if output.in_step and all(part.state == "input-streaming" for part in own):
        output.append([ResetStep()])
        return None
    output.append(acknowledgement_chunks(turn))
    interrupted = False
    for part in own:
        call_id, tool = part.tool_call_id, calls.tools.get(part.tool_name)
        decision = _decision(part, output)
        if part.state not in _OPEN:
            continue
        if decision is None and _waits(part, tool):
            calls.waiting = True
        elif not output.claims_call(call_id, known=tool is not None):
            continue
        elif decision is not None and not decision.approved:
            output.append(denial_chunks(turn, call_id, decision.reason))
        elif part.state == "input-streaming" or (decision is None and not output.in_step):
            calls.fail(call_id, _INTERRUPTED)
        elif output.taken_over and not (isinstance(tool, FunctionTool) and tool.idempotent):
            calls.fail(call_id, _INTERRUPTED)
            interrupted = True
        else:
            calls.add(_said(part), approved=decision is not None)
    await calls.run()
    if interrupted:
        return "interrupted"
    if calls.waiting:
        return "tool-calls"
    output.end_step()
    return None


def _decision(part: ToolPart, output: RunWriter) -> Decision | None:
    """What was decided about a call. What the app decides by itself is in this run's own step only:
    elsewhere the page may have written it."""
    approval = part.approval
    if output.in_step and approval is not None and approval.is_automatic:
        return Decision(approval.approved is True, approval.reason)
    return output.turn.decisions.get(part.tool_call_id)


def _waits(part: ToolPart, tool: Tool | None) -> bool:
    """Whether a person has to be waited for, or the page, which runs what is no function here."""
    of_page = tool is not None and not isinstance(tool, FunctionTool)
    return part.state == "approval-requested" or (of_page and part.state == "input-available")


def _said(part: ToolPart) -> ToolInputAvailable:
    return ToolInputAvailable(
        tool_call_id=part.tool_call_id,
        tool_name=part.tool_name,
        input=None if part.input is UNSET else part.input,
        dynamic=part.dynamic or None,
    )
