"""A Python function as a tool: what the model is told of it, and how it runs."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import partial
from typing import Any

import anyio.to_thread
from anyio import CapacityLimiter
from pydantic import ValidationError
from ui_message_stream import json_codec

from usechat_server.aio import PerLoop
from usechat_server.errors import InvalidInput
from usechat_server.tools.context import ToolContext
from usechat_server.tools.outputs import ToolOutput, to_json
from usechat_server.tools.schema import code_of, described, parameters, without_partial

__all__ = ["PythonFunction"]

#: How many functions may block a thread at once. Those of the web framework are not used up.
_THREADS = 40
_threads = PerLoop(lambda: CapacityLimiter(_THREADS))


class PythonFunction:
    """Runs a function, or anything else that can be called, with the arguments that a model gave.

    `local` are the names around it, for type hints that are strings. Raises TypeError for what
    cannot be a tool.
    """

    def __init__(self, function: Callable[..., Any], local: Mapping[str, Any]) -> None:
        if inspect.isclass(function):
            raise TypeError("a class is no tool: give an instance of it, whose __call__ will run")
        code = code_of(function)
        if inspect.isgeneratorfunction(code):
            raise TypeError("a generator has to be async")
        self.name = _name(function)
        self.description, words = described(function)
        self._parameters = parameters(function, words, local)
        self.input_schema = self._parameters.json_schema()
        self._function = function
        # Calling these only makes a coroutine or an async generator, which takes no thread.
        kinds = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
        self._in_thread = not any(is_kind(code) for is_kind in kinds)

    def parse(self, input: Any) -> dict[str, Any]:  # noqa: A002
        """The arguments. Strictly: a text is no number, and what nobody asked for is an error."""
        try:
            text = json_codec.encode(_as_page_has_it(input))
            made = self._parameters.model.model_validate_json(text, strict=True)
        except ValidationError as error:
            raise InvalidInput(_readable(error)) from None
        return {name: getattr(made, field) for field, name in self._parameters.names.items()}

    async def call(
        self, arguments: dict[str, Any], context: ToolContext
    ) -> AsyncGenerator[ToolOutput]:
        """Runs it: in a thread unless it is async. What an async generator yields is preliminary;
        the last of it is the output."""
        run = partial(
            self._function, **arguments, **dict.fromkeys(self._parameters.context, context)
        )
        if self._in_thread:
            made = await anyio.to_thread.run_sync(
                lambda: _as_output(run()), abandon_on_cancel=True, limiter=_threads.get()
            )
        else:
            made = run()
        if inspect.isawaitable(made):
            made = _as_output(await made)
        if isinstance(made, ToolOutput):
            yield made
            return
        value = None
        try:
            async for item in made:
                value = to_json(item)
                yield ToolOutput(value, preliminary=True)
        finally:
            await made.aclose()
        yield ToolOutput(value)


def _as_output(made: Any) -> Any:
    """What a function gave as an output, unless there is more to come of it."""
    if inspect.isawaitable(made) or inspect.isasyncgen(made):
        return made
    return ToolOutput(to_json(made))


#: Beyond it, JavaScript's numbers have gaps.
_SAFE_INTEGER = 2**53


def _as_page_has_it(value: Any) -> Any:
    """The input with whole numbers as integers, which 1.0 is to JSON Schema and to a page, whose
    word for it comes back when a person allowed the call."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _SAFE_INTEGER:
        return int(value)
    if isinstance(value, dict):
        return {key: _as_page_has_it(item) for key, item in value.items()}
    return [_as_page_has_it(item) for item in value] if isinstance(value, list) else value


def _name(function: Callable[..., Any]) -> str:
    function = without_partial(function)
    if inspect.isroutine(function):
        return function.__name__
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(function).__name__).lower()


#: Of a hopeless input the model is told this much.
_MOST_PROBLEMS = 10
_MOST_CHARACTERS = 200


def _readable(error: ValidationError) -> str:
    """What is wrong, a line for each place."""
    lines = []
    for problem in error.errors(include_url=False, include_context=False)[:_MOST_PROBLEMS]:
        place = ".".join(map(str, problem["loc"])) or "input"
        if problem["type"] == "missing":
            lines.append(f"{place}: this is required.")
        elif problem["type"] == "extra_forbidden":
            lines.append(f"{place}: there is no such parameter.")
        else:
            got = json_codec.encode(problem["input"]).decode()
            shown = got if len(got) <= _MOST_CHARACTERS else f"{got[:_MOST_CHARACTERS]}…"
            lines.append(f"{place}: {problem['msg']}, not {shown}.")
    return "\n".join(["The input is not valid.", *lines])
