"""The ends that a run can have, as the chunks that say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ui_message_stream.chunks import Chunk, Finish, FinishReason
from ui_message_stream.versions import ClientVersion, downgrade
from ui_message_stream.writer import Writer

from usechat_server.errors import RESTARTING, public_error
from usechat_server.results import Outcome

__all__ = ["ABORTED", "INTERRUPTED", "RunOutcome", "answered", "failed"]


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What became of a run."""

    outcome: Outcome
    #: why the answer is over, where it is complete
    reason: FinishReason | None = None
    error: BaseException | None = None
    #: what a page is told of the error
    text: str = ""
    #: where to find it in the log
    reference: str | None = None

    def chunks(self, writer: Writer, client_version: ClientVersion) -> Sequence[Chunk]:
        """What ends the stream legally."""
        match self.outcome:
            case "finished" | "waiting":
                return writer.finish(self.reason)
            case "aborted":
                return writer.abort()
            case "failed":
                return writer.error(self.text)
            case "interrupted":
                told = Finish(finish_reason="interrupted")
                if downgrade(told, client_version) == told:
                    return writer.finish("interrupted")
                # Any other finish would show half an answer as a complete one.
                return writer.error(RESTARTING)


#: Somebody stopped it, or nobody was left to read it.
ABORTED = RunOutcome("aborted")
#: The server goes down.
INTERRUPTED = RunOutcome("interrupted")


def answered(reason: FinishReason | None) -> RunOutcome:
    """The answer is complete; with tool calls, the page has to answer them first."""
    if reason == "interrupted":
        return INTERRUPTED
    return RunOutcome("waiting" if reason == "tool-calls" else "finished", reason)


def failed(error: BaseException) -> RunOutcome:
    """What the log has in full, a page gets as a text that tells nothing else."""
    public = public_error(error)
    return RunOutcome("failed", error=error, text=public.text, reference=public.reference)
