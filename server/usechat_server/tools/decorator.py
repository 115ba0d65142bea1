"""`@tool`: a function becomes a tool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypedDict, TypeVar, Unpack, overload

from usechat_server.tools.content import ToModelOutput
from usechat_server.tools.function_tool import FunctionTool, NeedsApproval
from usechat_server.tools.python_function import PythonFunction

__all__ = ["DecoratedTool", "ToolOptions", "tool"]

P = ParamSpec("P")
R = TypeVar("R")


class ToolOptions(TypedDict, total=False):
    """What `@tool(…)` takes; see the fields of FunctionTool."""

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
    """A tool of a function, which can still be called as such."""

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
    """Makes a function a tool, bare or with options."""
    if function is None:
        return lambda function: _made(function, options)
    return _made(function, options)


def _made(function: Callable[..., Any], options: ToolOptions) -> DecoratedTool[..., Any]:
    made = PythonFunction(function)
    given: dict[str, Any] = {
        "name": made.name,
        "description": made.description,
        "input_schema": made.input_schema,
        **options,
    }
    return DecoratedTool(**given, implementation=made, function=function)
