"""FunctionTool: a tool that this server runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from usechat_server.tools.context import ToolContext
from usechat_server.tools.declared import DeclaredTool

__all__ = ["FunctionTool", "Implementation", "NeedsApproval", "ToolOutput"]

#: Whether a person has to allow a call, or a function that says so (see `approvals`).
NeedsApproval = bool | Callable[..., Any]


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """What a call brought, as JSON."""

    value: Any
    #: whether another one follows, which replaces it
    preliminary: bool = False


class Implementation(Protocol):
    """What runs when a tool is called."""

    def parse(self, input: Any) -> dict[str, Any]:  # noqa: A002
        """The arguments that the model's input stands for. Raises InvalidInput."""
        ...

    def call(self, arguments: dict[str, Any], context: ToolContext) -> AsyncIterator[ToolOutput]:
        """One try. The last output is not preliminary."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FunctionTool(DeclaredTool):
    """A tool that this server runs. `@tool` makes one of a function."""

    implementation: Implementation
    needs_approval: NeedsApproval = False
    #: whether running it twice is as good as once, so that it may run again after a crash
    idempotent: bool = False
    #: seconds that one try may take
    timeout: float | None = None
    #: how often it is tried again after an exception that is no ToolError
    retries: int = 0
    #: how many calls may run at once in one event loop
    concurrency: int | None = None

    def parse(self, input: Any) -> dict[str, Any]:  # noqa: A002
        """The arguments, by name, that the model's input (JSON) stands for.

        Raises InvalidInput, whose text tells the model what is wrong.
        """
        return self.implementation.parse(input)

    async def run(
        self, arguments: dict[str, Any], context: ToolContext
    ) -> AsyncGenerator[ToolOutput]:
        """Runs the call: preliminary outputs as they come, then the output.

        Cancelling the task or closing the generator (`contextlib.aclosing`) cancels the call.
        Raises ToolError, whose text is for the page and the model, or whatever the tool raised.
        """
        async for output in self.implementation.call(arguments, context):
            yield output
