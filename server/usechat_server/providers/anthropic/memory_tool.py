"""The memory tool: defined by the provider, run by the app."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from anthropic.tools import (
    BetaAbstractMemoryTool,
    BetaAsyncAbstractMemoryTool,
)
from anthropic.tools import ToolError as SDKToolError

from usechat_server.tools import ClientTool, FunctionTool, ToolContext, ToolError, ToolOutput
from usechat_server.tools.python_function import PythonFunction

__all__ = ["memory"]


def memory(
    files: BetaAbstractMemoryTool | BetaAsyncAbstractMemoryTool | None = None,
) -> ClientTool | FunctionTool:
    """Let the model keep notes in files that you store.

    Args:
        files: A memory tool of the SDK (`anthropic.tools`), such as
            `BetaLocalFilesystemMemoryTool("notes")`. Without it, the calls are left to the
            client, like those of any `ClientTool`.

    Returns:
        A tool for `Agent(tools=[…])`.
    """
    declaration: dict[str, Any] = {
        "name": "memory",
        "description": "Notes in files under /memories.",
        "input_schema": {
            "type": "object",
            "properties": {"command": {"type": "string"}},
            "required": ["command"],
        },
        "provider_options": {"anthropic": {"type": "memory_20250818"}},
    }
    if files is None:
        return ClientTool(**declaration)
    return FunctionTool(**declaration, implementation=_MemoryCommands(files))


class _MemoryCommands:
    """Runs the model's commands. The whole input of a call is one command."""

    def __init__(self, files: BetaAbstractMemoryTool | BetaAsyncAbstractMemoryTool) -> None:
        self._execute = PythonFunction(files.execute, {})

    def parse(self, input: Any) -> dict[str, Any]:  # noqa: A002
        return self._execute.parse({"command": input})

    async def call(
        self, arguments: dict[str, Any], context: ToolContext
    ) -> AsyncGenerator[ToolOutput]:
        try:
            async for output in self._execute.call(arguments, context):
                yield output
        except SDKToolError as error:
            raise ToolError(str(error)) from None
