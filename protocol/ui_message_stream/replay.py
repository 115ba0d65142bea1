"""Replay a UI message as chunks (the inverse of `reduce`), and downgrade a message.

For the newest client version, `reduce(replay_chunks(message, client_version))` is the message
again, except for what chunks cannot express:

- Lost are parts of unknown types, unknown keys of the message and of parts other than data parts,
  and the `filename` and `providerReference` of files.
- Every text and reasoning part is `done`, every reasoning part has an `id`, parts follow a
  `step-start`, and metadata that is null is absent.
- A truncated tool input becomes an error with the raw text as `input`, as does the `rawInput` of an
  error. Any other call without `input` has null.
- A call in an approval state without an `approval` becomes `input-available`.
- A call with an output has `providerExecuted`: false instead of absent.

For an older client version, the chunks are also downgraded (see `versions.downgrade`). Clients
before AI SDK 7 have no chunk for an approval's response: the request stays open until the output.
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
    """Return the chunks that rebuild an assistant message.

    They follow the grammar and every part is closed. They begin with `start` and have no `finish`,
    so that a continuation can follow.

    Args:
        message: The assistant message.
        client_version: The oldest client that reads the chunks.

    Returns:
        The chunks, already downgraded for that client version.
    """
    chunks = _message_chunks(message, client_version)
    downgraded = (downgrade(chunk, client_version) for chunk in chunks)
    return [chunk for chunk in downgraded if chunk is not None]


def _message_chunks(message: UIMessage, client_version: ClientVersion) -> Iterator[Chunk]:
    yield c.Start(message_id=message.id, message_metadata=message.metadata)
    in_step = False
    for index, part in enumerate(message.parts):
        is_step = isinstance(part, m.StepStartPart)
        if is_step and in_step:
            yield c.FinishStep()
        if is_step or not (in_step or isinstance(part, _BETWEEN_STEPS)):
            yield c.StartStep()
            in_step = True
        yield from _part_chunks(part, str(index), client_version)
    if in_step:
        yield c.FinishStep()


#: Parts that may occur outside a step.
_BETWEEN_STEPS = (m.DataPart, m.SteeringMessagePart, m.UnknownPart)


def _part_chunks(part: m.Part, block_id: str, client_version: ClientVersion) -> Iterable[Chunk]:
    match part:
        case m.TextPart():
            return _text_chunks(part, block_id)
        case m.ReasoningPart():
            return _reasoning_chunks(part, block_id if part.id is None else part.id)
        case m.ToolPart():
            return _tool_chunks(part, client_version)
        case m.DataPart():
            return [c.Data(name=part.name, id=part.id, data=part.data, extra=part.extra)]
        case m.FilePart():
            metadata = part.provider_metadata
            return [c.File(url=part.url, media_type=part.media_type, provider_metadata=metadata)]
        case _ if chunk := _CHUNK_CLASSES.get(type(part)):
            return [chunk(**{**msgspec.structs.asdict(part), "extra": None})]
        case _:
            return []


#: Part class -> the chunk with the same fields.
_CHUNK_CLASSES: dict[type[m.Part], type[Chunk]] = {
    m.CustomPart: c.Custom,
    m.SourceUrlPart: c.SourceUrl,
    m.SourceDocumentPart: c.SourceDocument,
    m.ReasoningFilePart: c.ReasoningFile,
    m.SteeringMessagePart: c.SteeringMessage,
}


def _text_chunks(part: m.TextPart, block_id: str) -> Iterator[Chunk]:
    yield c.TextStart(id=block_id, provider_metadata=part.provider_metadata)
    if part.text:
        yield c.TextDelta(id=block_id, delta=part.text)
    yield c.TextEnd(id=block_id, citations=part.citations)


def _reasoning_chunks(part: m.ReasoningPart, block_id: str) -> Iterator[Chunk]:
    yield c.ReasoningStart(id=block_id, provider_metadata=part.provider_metadata)
    if part.text:
        yield c.ReasoningDelta(id=block_id, delta=part.text)
    yield c.ReasoningEnd(id=block_id)


def _tool_chunks(part: m.ToolPart, client_version: ClientVersion) -> Iterator[Chunk]:
    is_truncated = part.state == "input-streaming"
    if is_truncated or (part.state == "output-error" and part.input is UNSET):
        yield from _input_error_chunks(
            part, TRUNCATED_INPUT if is_truncated else part.error_text or ""
        )
        return
    hides_call = _hides_call(part, client_version)
    yield c.ToolInputAvailable(
        tool_call_id=part.tool_call_id,
        tool_name=part.tool_name,
        input=None if part.input is UNSET else part.input,
        provider_executed=True if hides_call else part.provider_executed,
        provider_metadata=part.call_provider_metadata,
        tool_metadata=part.tool_metadata,
        dynamic=part.dynamic or None,
        title=part.title,
    )
    if part.approval is not None:
        yield from _approval_chunks(part, part.approval)
    yield from _output_chunks(part, client_version)


#: Before this release, an output could not reset `providerExecuted`.
_OUTPUT_SETS_EXECUTED_SINCE = ClientVersion(5, 0, 86)


def _hides_call(part: m.ToolPart, client_version: ClientVersion) -> bool:
    """Whether to hide a call with an output from `onToolCall`, so that its tool does not run again.

    Clients do not call it for calls with `providerExecuted`; the output then has the true value.
    """
    # A version with extra chunk types is only the lower bound of a client that does not name its
    # own: nearly all are newer, and an older one shows the same.
    if client_version < _OUTPUT_SETS_EXECUTED_SINCE and not client_version.extra_chunk_types:
        return False
    if part.state == "output-denied":
        # `tool-output-denied` has no `providerExecuted`; the error that stands for it has.
        return not _shows_denial(part, client_version)
    return part.state in ("output-available", "output-error")


def _shows_denial(part: m.ToolPart, client_version: ClientVersion) -> bool:
    """Whether a client can represent the denial of a call.

    A denied part has the approval that was denied, which the types of the AI SDK promise. Before
    AI SDK 7 no client has that of a decision that the server made itself.
    """
    by_user = part.approval is not None and not part.approval.is_automatic
    return accepts(client_version, "tool-output-denied" if by_user else "tool-approval-response")


def _input_error_chunks(part: m.ToolPart, error_text: str) -> Iterator[Chunk]:
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


def _approval_chunks(part: m.ToolPart, approval: m.Approval) -> Iterator[Chunk]:
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


def _output_chunks(part: m.ToolPart, client_version: ClientVersion) -> Iterator[Chunk]:
    # AI SDK 5 throws if the output of a dynamic call has no `dynamic` flag.
    dynamic = part.dynamic or None
    executed = (
        bool(part.provider_executed)
        if _hides_call(part, client_version)
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
        case "output-denied" if not _shows_denial(part, client_version):
            yield c.ToolOutputError(
                tool_call_id=part.tool_call_id,
                error_text=_denial_text(part.approval),
                provider_executed=executed,
                dynamic=dynamic,
            )
        case "output-denied":
            yield c.ToolOutputDenied(tool_call_id=part.tool_call_id)


def _denial_text(approval: m.Approval | None) -> str:
    if approval is None or not approval.reason:
        return DENIED_TEXT
    return approval.reason if approval.is_automatic else f"{DENIED_TEXT} {approval.reason}"


def downgrade_message(message: UIMessage, client_version: ClientVersion) -> UIMessage:
    """Downgrade a message to what a client version can represent.

    Before AI SDK 6, a denied call becomes a failed one, and a call that waits for approval an open
    one. The message also loses what `replay_chunks` loses.

    Args:
        message: The message, which does not change.
        client_version: The oldest client that gets the message.

    Returns:
        The message itself for the newest client version, and for a user's message; else a new one.
    """
    if message.role != "assistant" or client_version >= NEWEST_CLIENT_VERSION:
        return message
    downgraded = reduce(replay_chunks(message, client_version))
    downgraded.extra = message.extra
    calls = {part.tool_call_id: part for part in message.parts if isinstance(part, ToolPart)}
    for part in downgraded.parts:
        if isinstance(part, ToolPart):
            _restore_fields(part, calls[part.tool_call_id])
    return downgraded


def _restore_fields(part: ToolPart, stored: ToolPart) -> None:
    """Restore what a client can represent although no chunk can express it."""
    part.provider_executed = stored.provider_executed
    if part.approval is None or stored.approval is None or stored.approval.approved is None:
        return
    part.approval.approved = stored.approval.approved
    part.approval.reason = stored.approval.reason
    if part.state == "approval-requested":
        part.state = "approval-responded"
