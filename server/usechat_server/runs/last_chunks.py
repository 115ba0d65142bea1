"""The last chunks of a run, however it ends."""

from __future__ import annotations

import sys

from ui_message_stream.chunks import MessageMetadata

from usechat_server.coordination.lease import COMPLETE_OUTCOMES
from usechat_server.loop.interrupted_calls import interrupted_call_chunks
from usechat_server.loop.run_writer import RunWriter
from usechat_server.loop.usage_tracker import UsageTracker
from usechat_server.runs.outcome import RunOutcome
from usechat_server.runs.responder import Responder, RunsTools

__all__ = ["write_last_chunks"]


def write_last_chunks(
    run_writer: RunWriter,
    responder: Responder,
    usage: UsageTracker,
    outcome: RunOutcome,
    *,
    is_abandoned: bool,
) -> None:
    """End what is open, then the stream. Readers do not see its end yet.

    Args:
        run_writer: Writes to the log of the run.
        responder: Has written the response.
        usage: The model calls of the run.
        outcome: How it ended.
        is_abandoned: Whether another process continues it, and so its calls.
    """
    run_writer.max_bytes = sys.maxsize  # the end of a response is never refused
    if outcome.outcome not in COMPLETE_OUTCOMES and not is_abandoned:
        _end_calls(run_writer, responder)
    writer = run_writer.chunk_writer
    if writer.ended:
        return  # the response brought its own end
    metadata = usage.metadata(responder.metadata, outcome.outcome, outcome.reason)
    # Not in `finish`: the other ends could not hold it.
    last = writer.write(MessageMetadata(message_metadata=metadata)) if metadata else []
    run_writer.close([*last, *outcome.chunks(writer, run_writer.turn.client_version)])


def _end_calls(run_writer: RunWriter, responder: Responder) -> None:
    """End the calls that would wait for this server forever."""
    is_server_call = (
        responder.is_server_call if isinstance(responder, RunsTools) else lambda _: False
    )
    message = run_writer.log.message()
    run_writer.append([*interrupted_call_chunks(run_writer.turn, message, is_server_call)])
