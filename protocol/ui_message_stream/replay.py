"""A UI message to the chunks that rebuild it: the inverse of `reduce`.

At a client version that carries everything, `reduce(expand(message, client version))` is the
message again, but for
what no chunk can say:

- parts of types that this release does not know, unknown keys of parts and of the message (those
  of data parts come back), and a file's `filename` and `providerReference` are lost;
- every text and reasoning part is `done`, a reasoning part has an `id`, parts stand after a
  `step-start`, and metadata that is null is gone;
- half a tool input is an error whose `input` is the raw text, as is the `rawInput` of an error;
  any other call without `input` has null;
- of a call without `approval`, the states that tell of one are gone: `input-available` is left;
- a call with an output that was not `providerExecuted` says so (false instead of nothing).

At a lower client version it is what `versions.project` leaves of that. Before v7 an answered
approval shows
as a question until the call's output follows, for no older client can be told of an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ui_message_stream import chunks as c
from ui_message_stream import messages as m
from ui_message_stream.chunks import Chunk
from ui_message_stream.messages import ToolPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.schema import UNSET
from ui_message_stream.versions import (
    DENIED_TEXT,
    NEWEST_CLIENT_VERSION,
    ClientVersion,
    accepts,
    downgrade,
)
from ui_message_stream.writer import TRUNCATED_INPUT

__all__ = ["downgrade_message", "replay_chunks"]


def replay_chunks(message: UIMessage, client_version: ClientVersion) -> list[Chunk]:
    """The chunks of an assistant message, from its `start` on, as a client version can read them.

    They are legal, every part is closed, and no `finish` follows: a continuation may.
    """
    projected = (downgrade(chunk, client_version) for chunk in _chunks(message, client_version))
    return [chunk for chunk in projected if chunk is not None]


def _chunks(message: UIMessage, client_version: ClientVersion) -> Iterator[Chunk]:
    yield c.Start(message_id=message.id, message_metadata=message.metadata)
    in_step = False
    for index, part in enumerate(message.parts):
        is_step = isinstance(part, m.StepStartPart)
        if is_step and in_step:
            yield c.FinishStep()
        if is_step or not (in_step or isinstance(part, _BETWEEN_STEPS)):
            yield c.StartStep()
            in_step = True
        yield from _part(part, str(index), client_version)
    if in_step:
        yield c.FinishStep()


#: Parts that may stand outside of a step.
_BETWEEN_STEPS = (m.DataPart, m.SteeringMessagePart, m.UnknownPart)


def _part(part: m.Part, block: str, client_version: ClientVersion) -> Iterable[Chunk]:
    match part:
        case m.TextPart():
            return _text(part, block)
        case m.ReasoningPart():
            return _reasoning(part, block if part.id is None else part.id)
        case m.ToolPart():
            return _tool(part, client_version)
        case m.DataPart():
            return [c.Data(name=part.name, id=part.id, data=part.data, extra=part.extra)]
        case m.FilePart():
            metadata = part.provider_metadata
            return [c.File(url=part.url, media_type=part.media_type, provider_metadata=metadata)]
        case _ if chunk := _WHOLE_CHUNKS.get(type(part)):
            return [chunk(**{**msgspec.structs.asdict(part), "extra": None})]
        case _:
            return []


#: Parts that are a chunk at once, field by field.
_WHOLE_CHUNKS: dict[type[m.Part], type[Chunk]] = {
    m.CustomPart: c.Custom,
    m.SourceUrlPart: c.SourceUrl,
    m.SourceDocumentPart: c.SourceDocument,
    m.ReasoningFilePart: c.ReasoningFile,
    m.SteeringMessagePart: c.SteeringMessage,
}


def _text(part: m.TextPart, block: str) -> Iterator[Chunk]:
    yield c.TextStart(id=block, provider_metadata=part.provider_metadata)
    if part.text:
        yield c.TextDelta(id=block, delta=part.text)
    yield c.TextEnd(id=block, citations=part.citations)


def _reasoning(part: m.ReasoningPart, block: str) -> Iterator[Chunk]:
    yield c.ReasoningStart(id=block, provider_metadata=part.provider_metadata)
    if part.text:
        yield c.ReasoningDelta(id=block, delta=part.text)
    yield c.ReasoningEnd(id=block)


def _tool(part: m.ToolPart, client_version: ClientVersion) -> Iterator[Chunk]:
    half = part.state == "input-streaming"
    if half or (part.state == "output-error" and part.input is UNSET):
        yield from _input_error(part, TRUNCATED_INPUT if half else part.error_text or "")
        return
    hidden = _is_answered(part, client_version)
    yield c.ToolInputAvailable(
        tool_call_id=part.tool_call_id,
        tool_name=part.tool_name,
        input=None if part.input is UNSET else part.input,
        provider_executed=True if hidden else part.provider_executed,
        provider_metadata=part.call_provider_metadata,
        tool_metadata=part.tool_metadata,
        dynamic=part.dynamic or None,
        title=part.title,
    )
    if part.approval is not None:
        yield from _approval(part, part.approval)
    yield from _outcome(part, client_version)


#: Before, the output of a call could not take back that the provider executed it.
_OUTPUT_SAYS_WHO_EXECUTED_SINCE = ClientVersion(5, 0, 86)


def _is_answered(part: m.ToolPart, client_version: ClientVersion) -> bool:
    """Whether to hide a call from `onToolCall`, which a replay would make run its tool again.

    It is not called for what the provider executed; the output then says how it really was.
    """
    if client_version < _OUTPUT_SAYS_WHO_EXECUTED_SINCE:
        return False
    if part.state == "output-denied":
        # An error, where there is no chunk for a denial: `tool-output-denied` has no such field.
        return not accepts(client_version, "tool-output-denied")
    return part.state in ("output-available", "output-error")


def _input_error(part: m.ToolPart, error_text: str) -> Iterator[Chunk]:
    yield c.ToolInputStart(
        tool_call_id=part.tool_call_id,
        tool_name=part.tool_name,
        provider_executed=part.provider_executed,
        provider_metadata=part.call_provider_metadata,
        tool_metadata=part.tool_metadata,
        dynamic=part.dynamic or None,
        title=part.title,
    )
    raw_input = part.input if part.raw_input is UNSET else part.raw_input
    yield c.ToolInputError(
        tool_call_id=part.tool_call_id,
        tool_name=part.tool_name,
        input=None if raw_input is UNSET else raw_input,
        provider_metadata=part.result_provider_metadata,
        dynamic=part.dynamic or None,
        error_text=error_text,
    )


def _approval(part: m.ToolPart, approval: m.Approval) -> Iterator[Chunk]:
    yield c.ToolApprovalRequest(
        approval_id=approval.id,
        tool_call_id=part.tool_call_id,
        approval_descriptor=approval.descriptor,
        input_schema_input=approval.input_schema_input,
        reason=approval.request_reason,
        is_automatic=approval.is_automatic,
        signature=approval.signature,
    )
    if approval.approved is not None:
        yield c.ToolApprovalResponse(
            approval_id=approval.id, approved=approval.approved, reason=approval.reason
        )


def _outcome(part: m.ToolPart, client_version: ClientVersion) -> Iterator[Chunk]:
    # AI SDK 5 throws if the output of a dynamic call does not say that it is one.
    dynamic = part.dynamic or None
    executed = (
        bool(part.provider_executed)
        if _is_answered(part, client_version)
        else part.provider_executed
    )
    match part.state:
        case "output-available":
            yield c.ToolOutputAvailable(
                tool_call_id=part.tool_call_id,
                output=None if part.output is UNSET else part.output,
                provider_executed=executed,
                provider_metadata=part.result_provider_metadata,
                dynamic=dynamic,
                preliminary=part.preliminary,
            )
        case "output-error":
            yield c.ToolOutputError(
                tool_call_id=part.tool_call_id,
                error_text=part.error_text or "",
                provider_executed=executed,
                provider_metadata=part.result_provider_metadata,
                dynamic=dynamic,
            )
        case "output-denied" if not accepts(client_version, "tool-output-denied"):
            yield c.ToolOutputError(
                tool_call_id=part.tool_call_id,
                error_text=DENIED_TEXT,
                provider_executed=executed,
                dynamic=dynamic,
            )
        case "output-denied":
            yield c.ToolOutputDenied(tool_call_id=part.tool_call_id)


def downgrade_message(message: UIMessage, client_version: ClientVersion) -> UIMessage:
    """The message without what clients of this client version have no part, state or field for.

    A denied call is a failed one before AI SDK 6, and a call that waits for approval is an open
    one. At the newest client version it is the message itself, below it one as `replay_chunks`
    describes,
    which
    also says what else is lost; a person's messages are never changed.
    """
    if message.role != "assistant" or client_version >= NEWEST_CLIENT_VERSION:
        return message
    made = reduce(replay_chunks(message, client_version))
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
