"""`@tool`: a function becomes a tool."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypedDict, TypeVar, Unpack, overload

from usechat_server.tools.base import FunctionTool, NeedsApproval
from usechat_server.tools.outputs import ToModelOutput
from usechat_server.tools.python_function import PythonFunction

__all__ = ["DecoratedTool", "ToolOptions", "tool"]

P = ParamSpec("P")
R = TypeVar("R")


class ToolOptions(TypedDict, total=False):
    """What `@tool(…)` takes: the fields of FunctionTool."""

    name: str
    description: str
    title: str
    tool_metadata: Mapping[str, Any]
    needs_approval: NeedsApproval
    idempotent: bool
    timeout: float
    retries: int
    concurrency: int
    to_model_output: ToModelOutput
    provider_options: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class DecoratedTool(FunctionTool, Generic[P, R]):
    """A tool that is a function too: it can be called as before."""

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
    """Makes a tool of a function, as a decorator (bare or with options) or by a call.

        @tool
        async def weather(city: str, ctx: ToolContext) -> Weather:
            \"\"\"Current weather for a city.\"\"\"

        find = tool(shop.find, name="find_products", title="Product search")

    Name, description and input come from the function: its name, its docstring (whose words on the
    parameters go to them, Google's, NumPy's or Sphinx' style) and its type hints, which may be
    whatever pydantic can validate. A parameter of the type ToolContext gets the call's context.

    It may be a plain function, which runs in a thread; an async one; an async generator, whose last
    value is the output and whose others are shown until then; a bound method; or an instance of a
    class with a `__call__` of any of these kinds, named after the class.

    Raises TypeError or ValueError, which name the function, for what cannot be a tool.
    """
    # Where `@tool` stands: type hints that are strings may mean what is defined there.
    local = sys._getframe(1).f_locals
    if function is None:
        return lambda function: _made(function, options, local)
    return _made(function, options, local)


def _made(
    function: Callable[..., Any], options: ToolOptions, local: Mapping[str, Any]
) -> DecoratedTool[..., Any]:
    try:
        if isinstance(function, FunctionTool) or not callable(function):
            raise TypeError("only what can be called, and is no tool yet, becomes a tool")
        made = PythonFunction(function, local)
        given: dict[str, Any] = {
            "name": made.name,
            "description": made.description,
            "input_schema": made.input_schema,
            **options,
        }
        return DecoratedTool(**given, implementation=made, function=function)
    except (TypeError, ValueError) as error:
        name = getattr(function, "__qualname__", None) or repr(function)
        raise type(error)(f"{name} cannot be a tool: {error}") from None
