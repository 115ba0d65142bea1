"""Measures what the store and Redis do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import Any, TypeVar

from usechat_server.telemetry import metrics
from usechat_server.telemetry.instruments import STORAGE
from usechat_server.telemetry.tracing import storage_span

__all__ = ["measured", "operation_name"]

_Result = TypeVar("_Result")


async def measured(system: str, operation: str, work: Awaitable[_Result]) -> _Result:
    """Do some work of a database and record how long it takes, with a span if there is a trace.

    Args:
        system: `sqlite`, `postgresql` or `redis`.
        operation: What is done.
        work: Does it.

    Returns:
        The result of the work.
    """
    began = monotonic()
    try:
        with storage_span(system, operation):
            return await work
    finally:
        if metrics.is_measured():
            metrics.record(STORAGE, monotonic() - began, system, operation)


def operation_name(function: Callable[..., Any]) -> str:
    """Return what a transaction does: the name of its function, or of the method around it."""
    while isinstance(function, partial):
        function = function.func
    name: str = getattr(function, "__qualname__", "transaction")
    return name.partition(".<locals>")[0].rpartition(".")[2].strip("_")
