"""What can be called in Python, and where it keeps its hints, its words and its kind."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

__all__ = ["code_of", "without_partial"]


def without_partial(function: Callable[..., Any]) -> Callable[..., Any]:
    """What a `functools.partial` calls in the end."""
    while isinstance(function, partial):
        function = function.func
    return function


def code_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function or method that runs: of an object, its class's `__call__`."""
    function = without_partial(function)
    if inspect.isroutine(function):
        return function
    found: Callable[..., Any] = type(function).__call__
    return found
