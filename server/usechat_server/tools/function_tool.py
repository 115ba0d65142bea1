"""FunctionTool: a tool that this server runs."""

from __future__ import annotations

from asyncio import Semaphore
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from usechat_server.tools.base import DeclaredTool
from usechat_server.tools.context import ToolContext
from usechat_server.tools.outputs import ToolOutput
from usechat_server.tools.per_loop import PerLoop
from usechat_server.tools.retries import attempts

__all__ = ["FunctionTool", "Implementation", "NeedsApproval"]

#: Whether a person has to allow a call, or a function that says so (see `approvals`).
NeedsApproval = bool | Callable[..., Any]


class Implementation(Protocol):
    """What runs when a tool is called."""

    def parse(self, input: Any) -> dict[str, Any]:  # noqa: A002
        """The arguments that the model's input stands for. Raises InvalidInput."""
        ...

    def call(self, arguments: dict[str, Any], context: ToolContext) -> AsyncGenerator[ToolOutput]:
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
    #: how often it is tried again after an exception that is no ToolError, or when time is up
    retries: int = 0
    #: how many calls may run at once in one event loop; further ones wait
    concurrency: int | None = None
    _slots: PerLoop[AbstractAsyncContextManager[Any]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super(FunctionTool, self).__post_init__()  # (slots make another class: no bare super)
        if self.timeout is not None and self.timeout <= 0:
            raise ValueError("timeout must be more than 0 seconds")
        if self.retries < 0:
            raise ValueError("retries must not be negative")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        limit = self.concurrency
        slots = PerLoop(lambda: nullcontext() if limit is None else Semaphore(limit))
        object.__setattr__(self, "_slots", slots)

    def parse(self, input: Any) -> dict[str, Any]:  # noqa: A002
        """The arguments, by name, that the model's input (JSON) stands for.

        Raises InvalidInput, whose text tells the model what is wrong, or what a validator of the
        app raised.
        """
        return self.implementation.parse(input)

    async def run(
        self, arguments: dict[str, Any], context: ToolContext
    ) -> AsyncGenerator[ToolOutput]:
        """Runs the call: preliminary outputs as they come, then the output.

        Cancelling the task or closing the generator (`contextlib.aclosing`) cancels the call.
        Raises ToolError, whose text is for the page and the model, or whatever the tool raised.
        """
        begin = partial(self.implementation.call, arguments)
        tries = attempts(self.name, begin, context, timeout=self.timeout, retries=self.retries)
        async with self._slots.get(), aclosing(tries):
            async for output in tries:
                yield output
