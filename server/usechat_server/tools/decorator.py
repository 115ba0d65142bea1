"""`@tool`: creates a tool from a function."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypedDict, TypeVar, Unpack, overload

from usechat_server.tools.approval_policy import NeedsApproval
from usechat_server.tools.base import FunctionTool
from usechat_server.tools.outputs import ToModelOutput
from usechat_server.tools.python_function import PythonFunction

__all__ = ["DecoratedTool", "ToolOptions", "tool"]

P = ParamSpec("P")
R = TypeVar("R")


class ToolOptions(TypedDict, total=False):
    """The options of `@tool(…)`: fields of FunctionTool."""

    name: str
    description: str
    title: str
    tool_metadata: Mapping[str, Any]
    dynamic: bool
    needs_approval: NeedsApproval
    idempotent: bool
    timeout: float
    retries: int
    concurrency: int
    max_output_bytes: int
    to_model_output: ToModelOutput
    provider_options: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class DecoratedTool(FunctionTool, Generic[P, R]):
    """A tool that can still be called like the function that it was created from."""

    function: Callable[P, R]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)


@overload
def tool(function: Callable[P, R], /, **options: Unpack[ToolOptions]) -> DecoratedTool[P, R]: ...
@overload
def tool(
    **options: Unpack[ToolOptions],
) -> Callable[[Callable[P, R]], DecoratedTool[P, R]]: ...
def tool(function: Callable[..., Any] | None = None, /, **options: Unpack[ToolOptions]) -> Any:
    """Create a tool from a function, as a decorator (with or without options) or by a call.

        @tool
        async def weather(city: str, ctx: ToolContext) -> Weather:
            \"\"\"Current weather for a city.\"\"\"

        find = tool(shop.find, name="find_products", title="Product search")

    Name, description and input schema come from the function's name, docstring and type hints. A
    docstring in Google, NumPy or Sphinx style describes the parameters too. Hints may be anything
    that pydantic can validate. A parameter of the type ToolContext gets the call's context.

    Args:
        function: A function, which runs in a thread; an async function; an async generator, whose
            last value is the output and whose other values are preliminary outputs; a bound method;
            or an instance of a class with a `__call__` of one of these kinds, named after the
            class.
        options: Fields of FunctionTool, which override what comes from the function.

    Returns:
        The tool, which can be called like the function; without a function, a decorator.

    Raises:
        TypeError: It cannot be a tool; the message names the function.
        ValueError: An option is out of range, or providers do not accept the name.
    """
    # Type hints that are strings may refer to names that are local to the caller.
    local_names = sys._getframe(1).f_locals
    if function is None:
        return lambda function: _create_tool(function, options, local_names)
    return _create_tool(function, options, local_names)


def _create_tool(
    function: Callable[..., Any], options: ToolOptions, local_names: Mapping[str, Any]
) -> DecoratedTool[..., Any]:
    try:
        if isinstance(function, FunctionTool) or not callable(function):
            raise TypeError("expected a callable that is not already a tool")
        implementation = PythonFunction(function, local_names)
        fields: dict[str, Any] = {
            "name": implementation.name,
            "description": implementation.description,
            "input_schema": implementation.input_schema,
            **options,
        }
        return DecoratedTool(**fields, implementation=implementation, function=function)
    except (TypeError, ValueError) as error:
        name = getattr(function, "__qualname__", None) or repr(function)
        raise type(error)(f"{name} cannot be a tool: {error}") from None
