"""What a docstring says of a tool and of its parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import docstring_parser

__all__ = ["called_function", "describe", "unwrap_partial"]


def describe(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """Return a function's description and those of its parameters, from its docstring.

    A docstring that describes parameters (Google, NumPy or Sphinx style) loses its sections; any
    other is the description as it is.
    """
    text = _docstring(function)
    try:
        parsed = docstring_parser.parse(text)
    except docstring_parser.ParseError:
        return text, {}
    parameters = {param.arg_name: param.description for param in parsed.params if param.description}
    return ((parsed.description or "").strip() if parsed.params else text), parameters


def _docstring(function: Callable[..., Any]) -> str:
    # The docstring of `__call__` says more about a call than that of the class.
    docstring = inspect.getdoc(called_function(function))
    return docstring or inspect.getdoc(unwrap_partial(function)) or ""


def unwrap_partial(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the callable that a `functools.partial` calls in the end."""
    while isinstance(function, partial):
        function = function.func
    return function


def called_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function or method that runs: for an instance, its class's `__call__`."""
    function = unwrap_partial(function)
    if inspect.isroutine(function):
        return function
    call: Callable[..., Any] = type(function).__call__
    return call
