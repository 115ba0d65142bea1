"""What the server accepts of the client's messages.

Of a message that it continues, the client has all and sends it back. It may add the output of an
open call and the decision about an approval; it could have made up everything else. What of a
history is accepted that only the client knows is in `client_history`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
from ui_message_stream.messages import Part, ToolPart, UIMessage

from usechat_server.approvals.chunks import normalize_legacy_approvals
from usechat_server.errors import ChatConflict, ChatError, Forbidden, InvalidRequest
from usechat_server.tools import ClientTool, FunctionTool, ProviderTool, Tool, ToolSource
from usechat_server.turn import Turn

__all__ = ["check_client_outputs", "merge_client_message", "merge_earlier_message"]

_OUTPUT = ("output-available", "output-error")


def merge_client_message(stored: UIMessage, sent: UIMessage) -> tuple[UIMessage, frozenset[str]]:
    """Merge into a stored message what the client may add to it.

    Nothing else of the sent message is used. Which tools' calls the client may resolve is checked
    by `check_client_outputs`.

    Args:
        stored: The message as the server has it.
        sent: The message as the client sent it.

    Returns:
        The merged message, and the ids of the calls whose output the client brought.

    Raises:
        ChatError: An output or a decision is for a call that is not open.
    """
    normalized = normalize_legacy_approvals(sent)
    client_parts = {part.tool_call_id: part for part in _tool_parts(normalized)}
    client_outputs: set[str] = set()
    parts: list[Part] = []
    for part in stored.parts:
        client_part = (
            client_parts.pop(part.tool_call_id, None) if isinstance(part, ToolPart) else None
        )
        if not isinstance(part, ToolPart) or client_part is None:
            parts.append(part)
            continue
        merged = _merge_part(part, client_part)
        if merged.state != part.state and merged.state in _OUTPUT:
            client_outputs.add(part.tool_call_id)
        parts.append(merged)
    for client_part in client_parts.values():
        if client_part.state in _OUTPUT or client_part.state == "approval-responded":
            raise _error(client_part, "this server has no such call: reload the chat", ChatConflict)
    return msgspec.structs.replace(stored, parts=parts), frozenset(client_outputs)


def merge_earlier_message(stored: UIMessage, sent: UIMessage) -> tuple[UIMessage, frozenset[str]]:
    """Merge into a stored message what the client resolved before the chat went on without it:
    outputs and denials. Unlike in a continued message, nothing is refused, and no call is run.

    Args:
        stored: The message as the server has it.
        sent: The message as the client sent it.

    Returns:
        The merged message, the same object if nothing changed, and the ids of the calls whose
        output the client brought.
    """
    client_parts = {
        part.tool_call_id: part for part in _tool_parts(normalize_legacy_approvals(sent))
    }
    client_outputs: set[str] = set()
    parts: list[Part] = []
    for part in stored.parts:
        merged = part
        if isinstance(part, ToolPart) and (sent_part := client_parts.get(part.tool_call_id)):
            merged = _merge_earlier_part(part, sent_part)
            if merged is not part and merged.state in _OUTPUT:
                client_outputs.add(part.tool_call_id)
        parts.append(merged)
    if all(merged is part for merged, part in zip(parts, stored.parts, strict=True)):
        return stored, frozenset()
    return msgspec.structs.replace(stored, parts=parts), frozenset(client_outputs)


def _merge_earlier_part(part: ToolPart, client_part: ToolPart) -> ToolPart:
    try:
        merged = _merge_part(part, client_part)
    except ChatError:
        return part
    if merged is part or merged.state != "approval-responded":
        return merged
    # An approved call can only run in the message that it belongs to, when that is continued.
    is_denied = merged.approval is not None and merged.approval.approved is False
    return msgspec.structs.replace(merged, state="output-denied") if is_denied else part


def _merge_part(part: ToolPart, client_part: ToolPart) -> ToolPart:
    if client_part.state in _OUTPUT:
        if part.state == "input-available" and not part.provider_executed:
            return msgspec.structs.replace(
                part,
                state=client_part.state,
                output=client_part.output,
                error_text=client_part.error_text,
            )
        if part.state in ("approval-requested", "approval-responded"):
            raise _error(client_part, "it waits for an approval, not for an output")
        return part
    if client_part.state != "approval-responded" or part.state == "approval-responded":
        return part
    if part.state != "approval-requested" or part.approval is None:
        raise _error(client_part, "its approval was already used: reload the chat", ChatConflict)
    if client_part.approval is None or client_part.approval.id != part.approval.id:
        raise _error(client_part, "the approval is another call's", Forbidden)
    approval = msgspec.structs.replace(
        part.approval, approved=client_part.approval.approved, reason=client_part.approval.reason
    )
    return msgspec.structs.replace(part, state="approval-responded", approval=approval)


async def check_client_outputs(
    turn: Turn,
    tools: Sequence[Tool],
    sources: Sequence[ToolSource],
    *,
    has_step_tools: bool,
) -> None:
    """Check that the client may bring the outputs in the continued message's last step, and those
    in earlier messages.

    With a store the client may resolve calls of the agent's client tools, and nothing else. Without
    one, the outputs of this server's own tools in the same step come back from the client too, and
    the server cannot tell whether they are unchanged: only outputs of tools that the agent does not
    have are refused. Earlier steps and messages may be of tools that the agent no longer has.

    Args:
        turn: The turn to check.
        tools: The agent's tools.
        sources: The agent's tool sources, asked only for a tool that is not among `tools`.
        has_step_tools: Whether a step may have had other tools.

    Raises:
        ChatError: An output is not the client's to bring.
    """
    parts = [] if turn.continued is None else turn.continued.last_step_calls()
    client_outputs = turn.client_outputs or frozenset()
    earlier_parts = [
        part
        for message in turn.messages
        if message.id in turn.resolved_messages
        for part in _tool_parts(message)
        if part.tool_call_id in client_outputs
    ]
    known = _by_name(tools)
    if sources and any(part.tool_name not in known for part in (*parts, *earlier_parts)):
        for source in sources:
            known = _by_name(await source.tools(turn)) | known
    for part in parts:
        tool = known.get(part.tool_name)
        if part.provider_executed:
            if isinstance(tool, ClientTool | FunctionTool):
                raise _error(part, "the model's provider does not run this tool")
        elif turn.client_outputs is None:
            # A call of a tool that the model made up has an error, which this server wrote. A tool
            # of a source may no longer exist.
            was_known = part.dynamic and (part.state == "output-error" or bool(sources))
            unknown = tool is None and not has_step_tools and not was_known
            if part.state in _OUTPUT and (unknown or isinstance(tool, ProviderTool)):
                raise _error(part, "this server has no such tool")
        elif part.tool_call_id in turn.client_outputs:
            if tool is None and not has_step_tools:
                raise _error(part, "this server has no such tool")
            _check_client_tool(part, tool)
    for part in earlier_parts:
        _check_client_tool(part, known.get(part.tool_name))


def _check_client_tool(part: ToolPart, tool: Tool | None) -> None:
    """Check that the client runs the tool, if the agent has it."""
    if not isinstance(tool, ClientTool | None):
        raise _error(part, "the client does not run this tool")


def _tool_parts(message: UIMessage) -> Iterable[ToolPart]:
    return (part for part in message.parts if isinstance(part, ToolPart))


def _by_name(tools: Iterable[Tool]) -> dict[str, Tool]:
    return {tool.name: tool for tool in tools}


def _error(
    part: ToolPart, why: str, error: Callable[[str], ChatError] = InvalidRequest
) -> ChatError:
    return error(f"The call of {part.tool_name[:64]!r} cannot be updated: {why}.")
