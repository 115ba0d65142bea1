"""Measures what the store and Redis do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from usechat_server.telemetry.tracing import storage_span

__all__ = ["measured", "operation_name"]

_Result = TypeVar("_Result")


async def measured(system: str, operation: str, work: Awaitable[_Result]) -> _Result:
    """Do some work of a database in a span, if there is one to do it in.

    Args:
        system: `sqlite`, `postgresql` or `redis`.
        operation: What is done.
        work: Does it.

    Returns:
        The result of the work.
    """
    with storage_span(system, operation):
        return await work


def operation_name(function: Callable[..., Any]) -> str:
    """Return what a transaction does: the name of its function, or of the method around it."""
    while isinstance(function, partial):
        function = function.func
    name: str = getattr(function, "__qualname__", "transaction")
    return name.partition(".<locals>")[0].rpartition(".")[2].strip("_")
