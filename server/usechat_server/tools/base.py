"""The kinds of tools: what the model is told of a tool, and who runs it."""

from __future__ import annotations

import logging
import re
from asyncio import Semaphore
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, runtime_checkable

from usechat_server.aio import PerLoop
from usechat_server.errors import ToolError
from usechat_server.tools.approval_policy import NeedsApproval
from usechat_server.tools.context import ToolContext
from usechat_server.tools.execution import run_attempts
from usechat_server.tools.outputs import (
    MAX_OUTPUT_BYTES,
    ModelContent,
    ToModelOutput,
    ToolOutput,
    model_content,
    to_json,
)
from usechat_server.tools.schemas import fit_input_schema, invalid_property_name
from usechat_server.turn import Turn

__all__ = [
    "ClientTool",
    "DeclaredTool",
    "FunctionTool",
    "ProviderTool",
    "Tool",
    "ToolSource",
]

_log = logging.getLogger("usechat.tools")

#: The tool names that providers accept.
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class DeclaredTool:
    """A tool that the app declares to the model.

    Attributes:
        name: The tool's name: 1 to 128 letters (a-z), digits, underscores and hyphens.
        description: What the tool does, for the model.
        input_schema: JSON Schema of the input, which is an object, of draft 2020-12. Forms of
            earlier drafts are replaced.
        title: The name for display in the client (AI SDK 6 and later).
        provider_options: More keys of the tool's definition by provider, as that provider names
            them, such as `{"anthropic": {"defer_loading": True}}`.
        tool_metadata: Any JSON object, sent to the client with each call (AI SDK 7).
        dynamic: Whether the client gets calls as `dynamic-tool` parts, for tools that its code does
            not know.
        to_model_output: Converts an output to what the model gets; None: the model gets its JSON.

    Raises:
        ValueError: Providers do not accept the name or the schema.
        TypeError: The schema or the metadata is not JSON.
    """

    name: str
    description: str
    input_schema: dict[str, Any]
    title: str | None = None
    provider_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tool_metadata: Mapping[str, Any] | None = None
    dynamic: bool = False
    to_model_output: ToModelOutput | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"invalid tool name {self.name!r}: expected 1 to 128 letters (a-z), digits, "
                "underscores and hyphens"
            )
        try:
            schema, invalid = fit_input_schema(to_json(self.input_schema))
        except ToolError as error:
            raise ValueError(f"input_schema: {error}") from None
        if invalid:
            raise ValueError(f"input_schema: providers do not accept {', '.join(invalid)}")
        if (name := invalid_property_name(schema)) is not None:
            raise ValueError(f"input_schema: providers do not accept the property name {name!r}")
        object.__setattr__(self, "input_schema", schema)
        to_json(self.tool_metadata)

    def model_output(self, output: Any) -> list[ModelContent]:
        """Return what the model gets for an output, given in the form that the client has."""
        if self.to_model_output is None:
            return model_content(output)
        try:
            return model_content(self.to_model_output(output))
        except Exception:
            # Raised again, it would make the chat unusable, since the output stays in the history.
            # And a client can send back any output.
            _log.exception("to_model_output of %s failed; the model gets the JSON", self.name)
            return model_content(output)


@dataclass(frozen=True, slots=True)
class ClientTool(DeclaredTool):
    """A tool that the client runs. It sends the output with `addToolOutput`, which continues the
    message."""


@dataclass(frozen=True, slots=True)
class ProviderTool:
    """A tool that the model's provider runs. Each provider has functions that return its tools.

    Attributes:
        name: The tool's name.
        provider: The provider, such as `anthropic`.
    """

    name: str
    provider: str


class Implementation(Protocol):
    """The code that runs when a FunctionTool is called."""

    def parse(self, input: Any) -> dict[str, Any]:  # noqa: A002
        """Return the arguments, by name, for the model's input. Raises InvalidInput."""
        ...

    def call(self, arguments: dict[str, Any], context: ToolContext) -> AsyncGenerator[ToolOutput]:
        """Run one attempt of the call. Its last output is the only one that is not preliminary."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FunctionTool(DeclaredTool):
    """A tool that this server runs. `@tool` creates one from a function.

    Attributes:
        implementation: The code that runs when the tool is called.
        needs_approval: Whether the user must approve a call, or a function that decides for each
            call.
        idempotent: Whether a repeated call does no harm, so that it may run again after its process
            died.
        timeout: Seconds that one attempt may take; None: no limit.
        retries: Attempts after the first, when one raises anything but a ToolError or takes too
            long.
        concurrency: Calls that may run at the same time in one event loop; others wait. None: no
            limit.
        max_output_bytes: The largest output, preliminary ones too, as JSON, in bytes. A call with a
            larger one fails.

    Raises:
        ValueError: A limit is out of range, or providers do not accept the name or the schema.
    """

    implementation: Implementation
    needs_approval: NeedsApproval = False
    idempotent: bool = False
    timeout: float | None = None
    retries: int = 0
    concurrency: int | None = None
    max_output_bytes: int = MAX_OUTPUT_BYTES
    _slots: PerLoop[Semaphore | None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super(
            FunctionTool, self
        ).__post_init__()  # slots=True makes a new class, which a bare super() does not know
        if self.timeout is not None and self.timeout <= 0:
            raise ValueError(f"timeout: expected more than 0 seconds, got {self.timeout:g}")
        if self.retries < 0:
            raise ValueError(f"retries: expected 0 or more, got {self.retries}")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"concurrency: expected 1 or more, got {self.concurrency}")
        if self.max_output_bytes < 1:
            raise ValueError(f"max_output_bytes: expected 1 or more, got {self.max_output_bytes}")
        limit = self.concurrency
        slots = PerLoop(lambda: None if limit is None else Semaphore(limit))
        object.__setattr__(self, "_slots", slots)

    def parse(self, input: Any) -> dict[str, Any]:  # noqa: A002
        """Return the arguments, by name, for the model's input (JSON).

        Raises:
            InvalidInput: The input does not fit; the text tells the model why.
            Exception: Whatever a validator of the app raised.
        """
        return self.implementation.parse(input)

    async def run(
        self, arguments: dict[str, Any], context: ToolContext
    ) -> AsyncGenerator[ToolOutput]:
        """Run the call and yield its outputs: preliminary ones as they come, then the last.

        Cancelling the task or closing the generator (`contextlib.aclosing`) cancels the call.

        Raises:
            ToolError: The call failed, or its output is too large; the text is for the client and
                the model.
            Exception: Whatever the tool raised.
        """
        start = partial(self.implementation.call, arguments)
        outputs = run_attempts(
            self.name,
            start,
            context,
            slots=self._slots.get(),
            timeout=self.timeout,
            retries=self.retries,
        )
        async with aclosing(outputs):
            async for output in outputs:
                if output.size > self.max_output_bytes:
                    raise ToolError(
                        f"The output of {self.name} is too large: {output.size} bytes, at most "
                        f"{self.max_output_bytes} are allowed."
                    )
                yield output


Tool = ClientTool | ProviderTool | FunctionTool


@runtime_checkable
class ToolSource(Protocol):
    """Tools that are listed when they are needed, such as an MCP server's."""

    @property
    def may_require_approval(self) -> bool:
        """Whether the user may have to approve a call of one of them."""
        ...

    async def tools(self, turn: Turn) -> Sequence[Tool]:
        """Return the current tools. Called before every model call; never raises: a source that
        cannot be reached has none."""
        ...

    async def aclose(self) -> None:
        """Close what was opened in the running event loop. The source can be used again."""
        ...
