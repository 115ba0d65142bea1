"""A Python function as the implementation of a tool."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import ValidationError
from ui_message_stream import json_codec

from usechat_server.errors import InvalidInput
from usechat_server.tools.context import ToolContext
from usechat_server.tools.docstrings import called_function, describe, unwrap_partial
from usechat_server.tools.outputs import ToolOutput
from usechat_server.tools.parameters import parameters
from usechat_server.tools.threads import run_in_thread

__all__ = ["PythonFunction"]


class PythonFunction:
    """Runs a function, or another callable, with arguments from the model.

    Args:
        function: The callable.
        local_names: Names around its definition, for type hints that are strings.

    Raises:
        TypeError: It cannot be a tool.
    """

    def __init__(self, function: Callable[..., Any], local_names: Mapping[str, Any]) -> None:
        if inspect.isclass(function):
            raise TypeError("expected a function or a callable instance, got a class")
        called = called_function(function)
        if inspect.isgeneratorfunction(called):
            raise TypeError("expected an async generator, got a generator")
        self.name: str = _name(function)
        description, descriptions = describe(function)
        self.description: str = description
        self._parameters = parameters(function, descriptions, local_names)
        self.input_schema: dict[str, Any] = self._parameters.json_schema()
        self._function = function
        # A call of these only creates a coroutine or an async generator, which needs no thread.
        kinds = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
        self._in_thread = not any(is_kind(called) for is_kind in kinds)

    def parse(self, input: Any) -> dict[str, Any]:  # noqa: A002
        """Return the arguments by name. Validation is strict: a text is not a number, and an
        unknown parameter is an error."""
        try:
            text = json_codec.encode(_normalize_numbers(input))
            model = self._parameters.model.model_validate_json(text, strict=True)
        except ValidationError as error:
            raise InvalidInput(_error_text(error)) from None
        return {name: getattr(model, field) for field, name in self._parameters.names.items()}

    async def call(
        self, arguments: dict[str, Any], context: ToolContext
    ) -> AsyncGenerator[ToolOutput]:
        """Run the function, in a thread unless it is async. The values of an async generator are
        preliminary outputs; the last one is the output."""
        run = partial(
            self._function, **arguments, **dict.fromkeys(self._parameters.context, context)
        )
        if self._in_thread:
            result = await run_in_thread(
                self.name, lambda: _to_output(run()), context.running_threads
            )
        else:
            result = run()
        if inspect.isawaitable(result):
            result = _to_output(await result)
        if isinstance(result, ToolOutput):
            yield result
            return
        output = ToolOutput(None)
        try:
            async for item in result:
                output = ToolOutput.of(item, preliminary=True)
                yield output
        finally:
            await result.aclose()
        yield replace(output, preliminary=False)


def _to_output(result: Any) -> Any:
    """Return a function's result as a ToolOutput, or as it is if it has to be awaited or iterated
    first."""
    if inspect.isawaitable(result) or inspect.isasyncgen(result):
        return result
    return ToolOutput.of(result)


#: From here on, JavaScript's numbers have gaps.
_SAFE_INTEGER = 2**53


def _normalize_numbers(value: Any) -> Any:
    """Return an input with whole floats as integers.

    To JSON Schema and JavaScript 1.0 is an integer: a client that approves a call sends it as 1."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _SAFE_INTEGER:
        return int(value)
    if isinstance(value, dict):
        return {key: _normalize_numbers(item) for key, item in value.items()}
    return [_normalize_numbers(item) for item in value] if isinstance(value, list) else value


def _name(function: Callable[..., Any]) -> str:
    function = unwrap_partial(function)
    if inspect.isroutine(function):
        return function.__name__
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(function).__name__).lower()


#: Limits of the error text: the errors that it lists, and the characters of a value that it shows.
_MAX_ERRORS = 10
_MAX_VALUE_LENGTH = 200


def _error_text(error: ValidationError) -> str:
    """Return what is wrong, for the model: one line for each error."""
    lines = []
    for detail in error.errors(include_url=False, include_context=False)[:_MAX_ERRORS]:
        path = ".".join(map(str, detail["loc"])) or "input"
        if detail["type"] == "missing":
            lines.append(f"{path}: this is required.")
        elif detail["type"] == "extra_forbidden":
            lines.append(f"{path}: there is no such parameter.")
        else:
            value = json_codec.encode(detail["input"]).decode()
            if len(value) > _MAX_VALUE_LENGTH:
                value = f"{value[:_MAX_VALUE_LENGTH]}…"
            lines.append(f"{path}: {detail['msg']}, not {value}.")
    return "\n".join(["The input is not valid.", *lines])
