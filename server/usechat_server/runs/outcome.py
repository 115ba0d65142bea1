"""How a run can end, and the chunks that end its stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from ui_message_stream.chunks import Error, Finish, FinishReason
from ui_message_stream.versions import ChunkVariant, ClientVersion, VersionedChunk, downgrade
from ui_message_stream.writer import Writer

from usechat_server.errors import RESTARTING, public_error
from usechat_server.results import Outcome

__all__ = ["ABORTED", "INTERRUPTED", "RunOutcome"]


#: The first release that knows the finish reason `interrupted`.
_INTERRUPTED_SINCE = ClientVersion(7, 0, 149)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended."""

    outcome: Outcome
    #: the finish reason of a complete response
    reason: FinishReason | None = None
    error: BaseException | None = None
    #: the error's text for the client
    text: str = ""
    #: names the log line that holds the error
    reference: str | None = None

    @classmethod
    def from_finish_reason(cls, reason: FinishReason | None) -> Self:
        """Return the outcome of a complete response; with tool calls, the client has to resolve
        them first."""
        if reason == "interrupted":
            return cls("interrupted")
        return cls("waiting" if reason == "tool-calls" else "finished", reason)

    @classmethod
    def from_error(cls, error: BaseException) -> Self:
        """Return the outcome of a failed run. The client gets a text without details."""
        public = public_error(error)
        return cls("failed", error=error, text=public.text, reference=public.reference)

    @classmethod
    def from_stored(cls, outcome: Outcome | None) -> Self:
        """Return the outcome of a run that has ended in the store; None: its log lacks a part."""
        if outcome is None or outcome == "failed":
            return cls("failed", text=RESTARTING)
        return cls(outcome, "tool-calls" if outcome == "waiting" else None)

    def chunks(self, writer: Writer, client_version: ClientVersion) -> Sequence[ChunkVariant]:
        """Return the chunks that end the stream legally.

        A reader may be older than `client_version`, that of the client that began the run.
        """
        match self.outcome:
            case "finished" | "waiting":
                return writer.finish(self.reason)
            case "aborted":
                return writer.abort()
            case "failed":
                return writer.error(self.text)
            case "interrupted":
                finish = Finish(finish_reason="interrupted")
                if writer.started and downgrade(finish, client_version) == finish:
                    *ends, last = writer.finish("interrupted")
                    error = Error(error_text=RESTARTING)
                    return [
                        *ends,
                        VersionedChunk(error, until=_INTERRUPTED_SINCE),
                        VersionedChunk(last, since=_INTERRUPTED_SINCE),
                    ]
                # Any other finish would show half a response, or none, as a complete one.
                return writer.error(RESTARTING)


#: A client stopped it, or the last reader left.
ABORTED = RunOutcome("aborted")
#: The server shuts down.
INTERRUPTED = RunOutcome("interrupted")
