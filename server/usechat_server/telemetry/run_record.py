"""RunRecord: the ids, counts and timings of a run, its log line, its spans and metrics."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from time import monotonic
from typing import TYPE_CHECKING, Any

from usechat_server.errors import ModelError, log_text
from usechat_server.results import Outcome, Step, total_usage
from usechat_server.telemetry import metrics
from usechat_server.telemetry.instruments import (
    FIRST_BYTE,
    FIRST_TOKEN,
    HOP,
    MODEL_RETRIES,
    RUN_DURATION,
    RUNS,
)
from usechat_server.telemetry.request import set_request_id

if TYPE_CHECKING:
    from usechat_server.telemetry.spans import RunTrace

__all__ = ["RunRecord"]

logger: logging.Logger = logging.getLogger("usechat.run")

_LEVELS = {"failed": logging.ERROR, "interrupted": logging.WARNING}

#: The moments of a run that its result has, too.
_MOMENTS = ("called", "first_read", "first_token", "first_write", "last_read")

#: The moments of a run whose distances are measured, in order.
_HOPS = ("queued", "called", "first_read", "first_token", "first_write", "last_write")

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
    #: the id of the request that began it
    request: str | None = None
    queued: float = field(default_factory=monotonic)
    #: start of the model call; with retries, of the one that produced the first token
    called: float | None = None
    #: first and last batch of chunks from the model
    first_read: float | None = None
    last_read: float | None = None
    #: first batch with text, reasoning or tool input
    first_token: float | None = None
    #: start of the first write to a client
    first_byte: float | None = None
    #: start of the first write after the first token
    first_write: float | None = None
    #: start of the last write
    last_write: float | None = None
    #: number of model calls, including retries
    attempts: int = 0
    #: errors of retried attempts
    retried: list[str] = field(default_factory=list)
    #: number of chunks written
    chunks: int = 0
    #: None: spans go nowhere
    trace: RunTrace | None = None
    _is_reported: bool = False

    def task_context(self) -> contextvars.Context:
        """Return the context of a task of the run: with its request's id and its span, whichever
        request the task is started by."""
        context = contextvars.copy_context()
        context.run(set_request_id, self.request)
        if self.trace is not None:
            self.trace.enter(context)
        return context

    def mark_write(self, now: float) -> bool:
        """Record that a write to a client begins. Return whether to be told of the next one."""
        self.first_byte = self.first_byte or now
        if self.first_token is not None:
            self.first_write = now
        return self.first_write is None

    def retry(self, error: ModelError) -> None:
        """Record that a failed model call is tried again."""
        self.retried.append(str(error))
        metrics.record(MODEL_RETRIES)

    def close(self) -> None:
        """End the run's span: readers see its end. Idempotent."""
        if self.trace is not None:
            self.trace.end()

    def report(self) -> None:
        """Record the run's timings, once every reader has left. Idempotent."""
        if self._is_reported or not metrics.is_measured():
            return
        self._is_reported = True
        for instrument, moment in ((FIRST_BYTE, self.first_byte), (FIRST_TOKEN, self.first_token)):
            if moment is not None:
                metrics.record(instrument, moment - self.queued)
        for before, after in pairwise(_HOPS):
            began, ended = getattr(self, before), getattr(self, after)
            # A retry may have produced the first token after a write.
            if began is not None and ended is not None:
                metrics.record(HOP, max(0.0, ended - began), f"{before}_to_{after}")

    def seconds(self) -> dict[str, float]:
        """Return the run's moments so far, in seconds since it was created."""
        moments = {name: self._since_queued(getattr(self, name)) for name in _MOMENTS}
        return {name: moment for name, moment in moments.items() if moment is not None}

    def log(
        self,
        outcome: Outcome,
        steps: Sequence[Step],
        error: BaseException | None = None,
        reference: str | None = None,
    ) -> None:
        """Write the run's log line, and note its end for its span. `record.run` of the line has all
        fields as JSON values.

        Args:
            outcome: How the run ended.
            steps: The model calls, all of which have ended.
            error: Why the run failed.
            reference: The reference that the user got in place of the error.
        """
        total = self._since_queued(monotonic())
        metrics.record(RUNS, 1, outcome)
        metrics.record(RUN_DURATION, total or 0.0, "invoke_agent")
        last = steps[-1] if steps else None
        provider = last.details if last else {}
        if isinstance(error, ModelError) and error.request_id:
            provider = {**provider, "request_id": error.request_id}
        fields: dict[str, Any] = {
            "run": self.run,
            "request": self.request,
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

        self.record_outcome(outcome, steps, error)

    def record_outcome(
        self, outcome: Outcome, steps: Sequence[Step], error: BaseException | None = None
    ) -> None:
        """Note the end for the run's span: part of `log`, for an agent that has no log line."""
        if self.trace is not None:
            self.trace.record_outcome(
                outcome=outcome,
                usage=total_usage(steps),
                finish_reason=steps[-1].finish_reason if steps else None,
                error=error,
                seconds=self.seconds(),
                retried=len(self.retried),
            )

    def _since_queued(self, moment: float | None) -> float | None:
        return None if moment is None else round(moment - self.queued, 4)
