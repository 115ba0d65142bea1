"""ToolCallRecord: the time that a tool takes, and its span."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from usechat_server.telemetry import metrics
from usechat_server.telemetry.errors import error_type
from usechat_server.telemetry.instruments import TOOL_DURATION

if TYPE_CHECKING:
    from usechat_server.telemetry.run_record import RunRecord
    from usechat_server.telemetry.spans import ToolCallSpan

__all__ = ["ToolCallRecord"]


@dataclass(slots=True, eq=False)
class ToolCallRecord:
    """One execution of a tool: the body of a `with` block.

    Attributes:
        run: The run's record.
        name: The tool's name.
        call_id: The id of the call.
        arguments: The arguments.
        description: The tool's description.
        output: The last output.
    """

    run: RunRecord
    name: str
    call_id: str
    arguments: Any
    description: str | None
    output: Any = None
    _began: float = field(default=0.0, init=False)
    _span: ToolCallSpan | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        self._began = monotonic()
        if self.run.trace is not None and (span := self.run.trace.tool_call(self)) is not None:
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
            metrics.record(TOOL_DURATION, monotonic() - self._began, self.name, error_type(error))
