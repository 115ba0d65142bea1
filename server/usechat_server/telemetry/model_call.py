"""ModelCallRecord: the timings of one model call, and its span."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from math import inf
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from ui_message_stream.chunks import ReasoningDelta, TextDelta, ToolInputDelta
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ChunkVariant

from usechat_server.results import Usage, input_tokens
from usechat_server.telemetry import metrics
from usechat_server.telemetry.errors import error_type
from usechat_server.telemetry.instruments import (
    CALL_DURATION,
    CALL_FIRST_CHUNK,
    LONGEST_GAP,
    MODEL_ERRORS,
    TOKENS,
)

if TYPE_CHECKING:
    from usechat_server.telemetry.run_record import RunRecord
    from usechat_server.telemetry.spans import ModelCallSpan

__all__ = ["CallState", "ModelCallRecord", "model_call_record"]


class CallState(Protocol):
    """What is read of a model call, a `ModelStream`."""

    @property
    def usage(self) -> Usage: ...

    @property
    def details(self) -> dict[str, Any]: ...

    @property
    def result(self) -> Any: ...


@dataclass(slots=True, eq=False)
class ModelCallRecord:
    """One model call of a run, from the request to its end: the body of a `with` block.

    Attributes:
        run: The run's record.
        model: The model's name.
        provider: The provider's name.
        stream: The call.
        messages: Returns the conversation as it is now.
        system: The system prompt.
        is_json: Whether the response is JSON.
    """

    run: RunRecord
    model: str
    provider: str
    stream: CallState
    messages: Callable[[], Sequence[UIMessage]]
    system: str | None = None
    is_json: bool = False
    called: float = field(default=0.0, init=False)
    #: first batch of chunks
    first_read: float | None = field(default=None, init=False)
    #: whether no text, reasoning or tool input has come yet
    _is_waiting: bool = field(default=True, init=False)
    #: longest silence between two batches; negative: it was not measured
    _longest_gap: float = field(default=-1.0, init=False)
    _span: ModelCallSpan | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        run = self.run
        run.attempts += 1
        self.called = monotonic()
        if run.first_token is None:
            run.called = self.called
        if run.trace is not None and (span := run.trace.model_call(self)) is not None:
            self._span = span.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        span, self._span = self._span, None  # they refer to each other
        if span is not None:
            span.__exit__(kind, error, traceback)
        if metrics.is_measured():
            self._record(error_type(error))

    def mark_read(self, batch: Sequence[ChunkVariant]) -> None:
        """Record the time of a batch of chunks from the model."""
        now = self.run.last_read = monotonic()
        if self._is_waiting:
            self._mark_first(batch, now)

    @property
    def time_to_first_chunk(self) -> float | None:
        """Seconds until the first chunk; None if there is none."""
        return None if self.first_read is None else self.first_read - self.called

    def _record(self, error: str) -> None:
        call = ("chat", self.provider, self.model)
        metrics.record(CALL_DURATION, monotonic() - self.called, *call, error)
        if error:
            metrics.record(MODEL_ERRORS, 1, *call, error)
        if self.first_read is not None:
            metrics.record(CALL_FIRST_CHUNK, self.first_read - self.called, *call)
        if self._longest_gap >= 0:
            metrics.record(LONGEST_GAP, self._longest_gap, *call)
        usage = asdict(self.stream.usage)
        usage["input"] = input_tokens(self.stream.usage)
        for name, instrument in TOKENS.items():
            if usage[name]:
                metrics.record(instrument, usage[name], *call)

    def _mark_first(self, batch: Sequence[ChunkVariant], now: float) -> None:
        run = self.run
        self.first_read = self.first_read or now
        if run.first_token is None:
            run.first_read = run.first_read or now
        if any(isinstance(chunk, (TextDelta, ReasoningDelta, ToolInputDelta)) for chunk in batch):
            self._is_waiting = False
            run.first_token = run.first_token or now


@dataclass(slots=True, eq=False)
class _MeasuredCallRecord(ModelCallRecord):
    """A model call whose longest silence is measured, too."""

    #: the last batch; before the first one there is no gap
    _last_read: float = field(default=inf, init=False)

    def mark_read(self, batch: Sequence[ChunkVariant]) -> None:
        now = self.run.last_read = monotonic()
        gap, self._last_read = now - self._last_read, now
        self._longest_gap = max(self._longest_gap, gap)
        if self._is_waiting:
            self._mark_first(batch, now)


def model_call_record() -> type[ModelCallRecord]:
    """Return the class of a record. Only if something is measured is there work per batch."""
    return _MeasuredCallRecord if metrics.is_measured() else ModelCallRecord
