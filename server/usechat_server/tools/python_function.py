"""A Python function as a tool."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any, get_type_hints

import anyio.to_thread
from pydantic import ConfigDict, ValidationError, create_model
from ui_message_stream import jsontext

from usechat_server.tools.context import ToolContext
from usechat_server.tools.errors import InvalidInput
from usechat_server.tools.function_tool import ToolOutput
from usechat_server.tools.outputs import to_json

__all__ = ["PythonFunction"]


class PythonFunction:
    """Runs a function with the arguments that the model gave."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.name = function.__name__
        self.description = inspect.getdoc(function) or ""
        hints = get_type_hints(function, include_extras=True)
        hints.pop("return", None)
        self._context = [name for name, hint in hints.items() if hint is ToolContext]
        fields: dict[str, Any] = {
            name: (
                hints[name],
                ... if parameter.default is parameter.empty else parameter.default,
            )
            for name, parameter in inspect.signature(function).parameters.items()
            if name not in self._context
        }
        self._model = create_model(self.name, __config__=ConfigDict(extra="forbid"), **fields)
        self.input_schema = self._model.model_json_schema()
        self._function = function

    def parse(self, input: Any) -> dict[str, Any]:  # noqa: A002
        try:
            made = self._model.model_validate_json(jsontext.encode(input), strict=True)
        except ValidationError as error:
            raise InvalidInput(str(error)) from None
        return {name: getattr(made, name) for name in type(made).model_fields}

    async def call(
        self, arguments: dict[str, Any], context: ToolContext
    ) -> AsyncIterator[ToolOutput]:
        given = {**arguments, **dict.fromkeys(self._context, context)}
        if inspect.isasyncgenfunction(self._function):
            value = None
            async for item in self._function(**given):
                value = to_json(item)
                yield ToolOutput(value, preliminary=True)
            yield ToolOutput(value)
        elif inspect.iscoroutinefunction(self._function):
            yield ToolOutput(to_json(await self._function(**given)))
        else:
            yield ToolOutput(
                to_json(
                    await anyio.to_thread.run_sync(
                        lambda: self._function(**given), abandon_on_cancel=True
                    )
                )
            )
