"""What a docstring says of a function and of its parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import docstring_parser

from usechat_server.tools.callables import code_of, without_partial

__all__ = ["described"]


def described(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """The description, and that of each parameter (Google's, NumPy's or Sphinx' style).

    Of a docstring that describes parameters, the other sections are left out; any other is the
    description as it is.
    """
    text = _docstring(function)
    try:
        parsed = docstring_parser.parse(text)
    except docstring_parser.ParseError:
        return text, {}
    words = {found.arg_name: found.description for found in parsed.params if found.description}
    return ((parsed.description or "").strip() if parsed.params else text), words


def _docstring(function: Callable[..., Any]) -> str:
    # What a call does says more than what the thing is.
    found = inspect.getdoc(code_of(function))
    return found or inspect.getdoc(without_partial(function)) or ""
