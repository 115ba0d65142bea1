"""What a server believes of a message that a client continues.

A client has the whole message and sends it back; what it may add is the output of a call that is
open, and the answer to an approval. Everything else it could have made up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
from ui_message_stream.messages import Part, ToolPart, UIMessage

from usechat_server.approvals.chunks import normalize_legacy_approvals
from usechat_server.errors import ChatConflict, ChatError, Forbidden, InvalidRequest
from usechat_server.tools import ClientTool, FunctionTool, ProviderTool, Tool, ToolSource
from usechat_server.turn import Turn

__all__ = ["check", "merge"]

_OUTPUT = ("output-available", "output-error")


def merge(stored: UIMessage, sent: UIMessage) -> tuple[UIMessage, frozenset[str]]:
    """The stored message with what the client may add to it, and the calls whose output it brought.

    Nothing else of what was sent is looked at. Raises ChatError for an answer to a call that is
    not open. Whose call it may answer is for `check` to say.
    """
    brought = {part.tool_call_id: part for part in _calls(normalize_legacy_approvals(sent))}
    answered: set[str] = set()
    parts: list[Part] = []
    for part in stored.parts:
        said = brought.pop(part.tool_call_id, None) if isinstance(part, ToolPart) else None
        if not isinstance(part, ToolPart) or said is None:
            parts.append(part)
            continue
        merged = _merged(part, said)
        if merged.state != part.state and merged.state in _OUTPUT:
            answered.add(part.tool_call_id)
        parts.append(merged)
    for said in brought.values():
        if said.state in _OUTPUT or said.state == "approval-responded":
            raise _refused(said, "this server has no such call: reload the chat", ChatConflict)
    return msgspec.structs.replace(stored, parts=parts), frozenset(answered)


def _merged(part: ToolPart, said: ToolPart) -> ToolPart:
    if said.state in _OUTPUT:
        if part.state == "input-available" and not part.provider_executed:
            return msgspec.structs.replace(
                part, state=said.state, output=said.output, error_text=said.error_text
            )
        if part.state in ("approval-requested", "approval-responded"):
            raise _refused(said, "it waits for an approval, not for an output")
        return part
    if said.state != "approval-responded" or part.state == "approval-responded":
        return part
    if part.state != "approval-requested" or part.approval is None:
        raise _refused(said, "it was answered before: reload the chat", ChatConflict)
    if said.approval is None or said.approval.id != part.approval.id:
        raise _refused(said, "the approval is another call's", Forbidden)
    approval = msgspec.structs.replace(
        part.approval, approved=said.approval.approved, reason=said.approval.reason
    )
    return msgspec.structs.replace(part, state="approval-responded", approval=approval)


async def check(
    turn: Turn,
    tools: Sequence[Tool],
    sources: Sequence[ToolSource],
    *,
    has_step_tools: bool,
) -> None:
    """Refuses outputs in the continued message that the page had no business to give. `tools` and
    `sources` are the agent's; with `has_step_tools`, a step may have had others.

    With a store the page may answer calls of the agent's client tools, and nothing else. Without
    one, the outputs of this server's own tools in the same step come back from the page too, and
    nobody can tell whether they are the same: only calls of tools that the agent does not have are
    refused. Earlier steps and messages may be of tools that are long gone.

    Raises ChatError.
    """
    if turn.continued is None:
        return
    calls = turn.continued.last_step_calls()
    known = _named(tools)
    if sources and any(part.tool_name not in known for part in calls):
        for source in sources:
            known = _named(await source.tools(turn)) | known
    for part in calls:
        tool = known.get(part.tool_name)
        if part.provider_executed:
            if isinstance(tool, ClientTool | FunctionTool):
                raise _refused(part, "the model's provider does not run this tool")
        elif turn.answered is None:
            # A call of a tool that the model made up has an error, which this server wrote. A tool
            # that was found at run time may be gone by now.
            was_known = part.dynamic and (part.state == "output-error" or bool(sources))
            unknown = tool is None and not has_step_tools and not was_known
            if part.state in _OUTPUT and (unknown or isinstance(tool, ProviderTool)):
                raise _refused(part, "this server has no such tool")
        elif part.tool_call_id in turn.answered:
            if tool is None and not has_step_tools:
                raise _refused(part, "this server has no such tool")
            if not isinstance(tool, ClientTool | None):
                raise _refused(part, "the page does not run this tool")


def _calls(message: UIMessage) -> Iterable[ToolPart]:
    return (part for part in message.parts if isinstance(part, ToolPart))


def _named(tools: Iterable[Tool]) -> dict[str, Tool]:
    return {tool.name: tool for tool in tools}


def _refused(
    part: ToolPart, why: str, error: Callable[[str], ChatError] = InvalidRequest
) -> ChatError:
    return error(f"The answer to the call of {part.tool_name[:64]!r} is refused: {why}.")
