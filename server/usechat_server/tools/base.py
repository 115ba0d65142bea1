"""What the model is told of a tool, whoever runs it."""

from __future__ import annotations

import logging
import re
from asyncio import Semaphore
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from usechat_server.aio import PerLoop
from usechat_server.tools.context import ToolContext
from usechat_server.tools.outputs import ModelContent, ToModelOutput, ToolOutput, model_content
from usechat_server.tools.retries import attempts

if TYPE_CHECKING:
    from usechat_server.turn import Turn

__all__ = [
    "ClientTool",
    "DeclaredTool",
    "FunctionTool",
    "Implementation",
    "NeedsApproval",
    "ProviderTool",
    "Tool",
    "ToolSource",
]

_log = logging.getLogger("usechat.tools")

#: What providers take as a name.
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class DeclaredTool:
    """A tool that the app declares to the model. Raises ValueError for a name that providers
    refuse."""

    name: str
    description: str
    #: JSON Schema of the input, an object
    input_schema: dict[str, Any]
    #: shown by the page (AI SDK 6 and later)
    title: str | None = None
    #: provider → further keys of the tool's definition, as that provider names them, such as
    #: `{"anthropic": {"defer_loading": True}}`
    provider_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: what else the page shall know of the tool, as JSON (AI SDK 7)
    tool_metadata: Mapping[str, Any] | None = None
    #: whether the page learns of the tool only from its calls: their parts are `dynamic-tool`
    dynamic: bool = False
    #: what the model is shown of an output; None: its JSON
    to_model_output: ToModelOutput | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"{self.name!r} cannot be the name of a tool: providers take 1 to 128 letters "
                "(a-z), digits, underscores and hyphens"
            )

    def model_output(self, output: Any) -> list[ModelContent]:
        """What the model is shown of an output, as the page has it."""
        if self.to_model_output is None:
            return model_content(output)
        try:
            return model_content(self.to_model_output(output))
        except Exception:
            # It would end the conversation for good: the output stays in the history. And a page
            # can send back what it likes.
            _log.exception("to_model_output of %s failed; the model is shown the JSON", self.name)
            return model_content(output)


@dataclass(frozen=True, slots=True)
class ClientTool(DeclaredTool):
    """A tool that the page runs: it answers with `addToolOutput`, which starts a continuation."""


@dataclass(frozen=True, slots=True)
class ProviderTool:
    """A tool that the model's provider runs. Each provider has functions that make its own."""

    name: str
    #: whose tool it is, such as `anthropic`
    provider: str


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


Tool = ClientTool | ProviderTool | FunctionTool


@runtime_checkable
class ToolSource(Protocol):
    """Tools that are not known before they are asked for, such as an MCP server's."""

    @property
    def asks(self) -> bool:
        """Whether a person may have to approve a call of any of them."""
        ...

    async def tools(self, turn: Turn) -> Sequence[Tool]:
        """The tools there are now. Asked before every model call; never raises: what cannot be
        reached has none."""
        ...

    async def aclose(self) -> None:
        """Closes what was opened in the running event loop. The source can be used again."""
        ...
