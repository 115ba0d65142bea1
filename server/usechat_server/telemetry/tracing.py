"""The trace of a run, if spans go anywhere: nothing of OpenTelemetry is imported otherwise."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from usechat_server.turn import Turn

if TYPE_CHECKING:
    from usechat_server.telemetry.spans import RunTrace

__all__ = ["flush_spans", "is_traced", "run_trace", "storage_span"]

_NO_SPAN: AbstractContextManager[None] = nullcontext()


def is_traced() -> bool:
    """Whether the application has set a tracer provider. A provider of the API itself drops every
    span."""
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return False
    return not type(api.get_tracer_provider()).__module__.startswith("opentelemetry.trace")


async def flush_spans() -> None:
    """Wait until the spans that have ended are with their processor, at most for a second."""
    if (background := sys.modules.get("usechat_server.telemetry.background")) is not None:
        await asyncio.to_thread(background.flush)


def run_trace(
    turn: Turn,
    run_id: str,
    *,
    agent: str | None = None,
    headers: Iterable[tuple[bytes, bytes]] = (),
    content: bool = False,
) -> RunTrace | None:
    """Return the trace of a turn's run: the one that the turn has, else a new one.

    Args:
        turn: The turn that the run responds to.
        run_id: Id of the run.
        agent: Name of what responds, if it has one.
        headers: Headers of the request, whose `traceparent` is the parent if no span is current.
        content: Whether spans have the messages, and the inputs and outputs of tools.

    Returns:
        The trace; None: spans go nowhere.
    """
    if not is_traced():
        return None
    from usechat_server.telemetry import spans

    if isinstance(turn.trace, spans.RunTrace):
        return turn.trace
    return spans.begin_run(turn, run_id, agent, headers, content=content)


def storage_span(system: str, operation: str) -> AbstractContextManager[object]:
    """Return the span of one operation of a database, as a child of the current span. There is none
    where no span is current, or the current one has ended.

    Args:
        system: `sqlite`, `postgresql` or `redis`.
        operation: What is done.
    """
    if not is_traced():
        return _NO_SPAN
    from usechat_server.telemetry import spans

    return spans.storage_span(system, operation) or _NO_SPAN
