"""What one run did, for its log line."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from time import monotonic
from typing import Any

from ui_message_stream.chunks import ReasoningDelta, TextDelta, ToolInputDelta
from ui_message_stream.versions import ChunkVariant

from usechat_server.errors import ModelError
from usechat_server.results import Outcome, Step, total_usage

__all__ = ["RunRecord"]

logger = logging.getLogger("usechat.run")

_LEVELS = {"failed": logging.ERROR, "interrupted": logging.WARNING}

_MOMENTS = ("called", "first_read", "first_token", "last_read")

#: characters of an id that the client chose, which may be as long as a request
_ID_LENGTH = 200


@dataclass(slots=True)
class RunRecord:
    """Ids, counts and times of one run. Times are `time.monotonic()`; None: it did not happen."""

    run: str
    user: str | None
    chat: str
    message: str
    model: str
    client_version: str
    queued: float = field(default_factory=monotonic)
    #: the model was called; with retries, the time that brought the first token
    called: float | None = None
    #: the first and the last batch of chunks from the model
    first_read: float | None = None
    last_read: float | None = None
    #: the first batch with text, reasoning or tool input
    first_token: float | None = None
    #: the last write to a client began
    last_write: float | None = None
    #: model calls begun
    attempts: int = 0
    #: why those failed that were tried again
    retried: list[str] = field(default_factory=list)
    #: chunks of the answer
    chunks: int = 0

    def mark_read(self, batch: Sequence[ChunkVariant]) -> None:
        """Notes that the model brought chunks."""
        self.last_read = monotonic()
        if self.first_token is None:
            self.first_read = self.first_read or self.last_read
            if any(
                isinstance(chunk, (TextDelta, ReasoningDelta, ToolInputDelta)) for chunk in batch
            ):
                self.first_token = self.last_read

    def seconds(self) -> dict[str, float]:
        """When what happened between the model and us, in seconds since the turn was taken."""
        moments = {name: self._since_queued(getattr(self, name)) for name in _MOMENTS}
        return {name: moment for name, moment in moments.items() if moment is not None}

    def log(
        self,
        outcome: Outcome,
        steps: Sequence[Step],
        error: BaseException | None = None,
        reference: str | None = None,
    ) -> None:
        """Writes the run's one line; all of it as JSON values is the line's `run`.

        `steps` are the model calls, all ended; `reference` is what the client was told of the
        `error`.
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
            "error": str(error) if error else None,
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
            f" (reference {reference}): {error}" if error else "",
            # What the provider did is in the line; of all else, the traceback tells where it began.
            exc_info=None if isinstance(error, ModelError) and error.kind != "internal" else error,
            extra={"run": fields},
        )

    def _since_queued(self, moment: float | None) -> float | None:
        return None if moment is None else round(moment - self.queued, 4)
