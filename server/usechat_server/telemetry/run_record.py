"""RunRecord: the ids, counts and timings of a run, and its log line."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import Any

from ui_message_stream.chunks import ReasoningDelta, TextDelta, ToolInputDelta
from ui_message_stream.versions import ChunkVariant

from usechat_server.errors import ModelError, log_text
from usechat_server.results import Outcome, Step, total_usage

__all__ = ["RunRecord"]

logger: logging.Logger = logging.getLogger("usechat.run")

_LEVELS = {"failed": logging.ERROR, "interrupted": logging.WARNING}

#: The fields that are timings of the model calls.
_MOMENTS = ("called", "first_read", "first_token", "last_read")

#: Characters that are logged of an id that the client chose, which may be very long.
_ID_LENGTH = 200


@dataclass(slots=True)
class RunRecord:
    """The ids, counts and timings of one run. Times are of `time.monotonic()`; None if the event
    has not happened."""

    run: str
    user: str | None
    chat: str
    message: str
    model: str
    client_version: str
    queued: float = field(default_factory=monotonic)
    #: start of the model call; with retries, of the one that produced the first token
    called: float | None = None
    #: first and last batch of chunks from the model
    first_read: float | None = None
    last_read: float | None = None
    #: first batch with text, reasoning or tool input
    first_token: float | None = None
    #: start of the last write to a client
    last_write: float | None = None
    #: number of model calls, including retries
    attempts: int = 0
    #: errors of retried attempts
    retried: list[str] = field(default_factory=list)
    #: number of chunks written
    chunks: int = 0

    def mark_read(self, batch: Sequence[ChunkVariant]) -> None:
        """Record the time of a batch of chunks from the model."""
        self.last_read = monotonic()
        if self.first_token is None:
            self.first_read = self.first_read or self.last_read
            if any(
                isinstance(chunk, (TextDelta, ReasoningDelta, ToolInputDelta)) for chunk in batch
            ):
                self.first_token = self.last_read

    def seconds(self) -> dict[str, float]:
        """Return when the model was called and read, in seconds since the run was created."""
        moments = {name: self._since_queued(getattr(self, name)) for name in _MOMENTS}
        return {name: moment for name, moment in moments.items() if moment is not None}

    def log(
        self,
        outcome: Outcome,
        steps: Sequence[Step],
        error: BaseException | None = None,
        reference: str | None = None,
    ) -> None:
        """Write the run's log line. `record.run` has all fields as JSON values.

        Args:
            outcome: How the run ended.
            steps: The model calls, all of which have ended.
            error: Why the run failed.
            reference: The reference that the user got in place of the error.
        """
        total = self._since_queued(monotonic())
        last = steps[-1] if steps else None
        provider = last.details if last else {}
        if isinstance(error, ModelError) and error.request_id:
            provider = {**provider, "request_id": error.request_id}
        fields: dict[str, Any] = {
            "run": self.run,
            "user": self.user,
            "chat": self.chat[:_ID_LENGTH],
            "message": self.message[:_ID_LENGTH],
            "model": self.model,
            "client_version": self.client_version,
            "outcome": outcome,
            "finish_reason": last.finish_reason if last else None,
            "error": log_text(error) if error else None,
            "reference": reference,
            "attempts": self.attempts,
            "retried": self.retried,
            "chunks": self.chunks,
            "tokens": {
                **asdict(total_usage(steps)),
                "estimated": any(step.estimated for step in steps),
            },
            "seconds": {
                **dict.fromkeys(_MOMENTS),
                **self.seconds(),
                "last_write": self._since_queued(self.last_write),
                "total": total,
            },
            "provider": provider,
        }
        logger.log(
            _LEVELS.get(outcome, logging.INFO),
            "run %s %s after %s s: %s chunks from %s%s",
            self.run,
            outcome,
            total,
            self.chunks,
            self.model,
            f" (reference {reference}): {log_text(error)}" if error else "",
            # An error of the provider is in the line already; others need their traceback.
            exc_info=None if isinstance(error, ModelError) and error.kind != "internal" else error,
            extra={"run": fields},
        )

    def _since_queued(self, moment: float | None) -> float | None:
        return None if moment is None else round(moment - self.queued, 4)
