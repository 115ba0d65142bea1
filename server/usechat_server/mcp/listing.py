"""The tools that an MCP server lists, as tools of an agent."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from functools import cached_property
from typing import Any, TypedDict

from mcp import Client
from mcp.types import CallToolResult, Tool
from ui_message_stream import json_codec

from usechat_server.errors import log_text
from usechat_server.mcp.results import error_text, model_output, output
from usechat_server.mcp.validation import InputValidator
from usechat_server.tools import (
    FunctionTool,
    InvalidInput,
    NeedsApproval,
    ToolContext,
    ToolError,
    ToolOutput,
)
from usechat_server.tools.outputs import MAX_OUTPUT_BYTES, ToModelOutput, to_json
from usechat_server.tools.schemas import fit_input_schema

__all__ = ["Call", "MCPOptions", "function_tools", "is_idempotent", "list_tools"]

_log = logging.getLogger("usechat.mcp")

#: Seconds that a call may take, by default.
_TIMEOUT = 60.0

#: Calls a tool of the server with arguments.
Call = Callable[[Tool, dict[str, Any], ToolContext], Awaitable[CallToolResult]]


class MCPOptions(TypedDict, total=False):
    """How the tools of a server are used.

    Attributes:
        name: The server's name for the log; by default that of the command or host.
        prefix: A prefix of the names of its tools, such as "github_".
        only: Returns whether a tool is used; by default all are.
        needs_approval: Whether calls need the user's approval, as for `tool`; or a function that
            returns it for each tool.
        to_model_output: Converts a result (`content`, `structuredContent`) to what the model gets;
            by default its texts, images and files.
        max_output_bytes: The largest result, as JSON, in bytes; 8 MiB by default. A call with a
            larger one fails.
        wait: Seconds that a turn waits for the server to connect; 10 by default.
        timeout: Seconds that a call may take; 60 by default. None: no limit.
    """

    name: str
    prefix: str
    only: Callable[[Tool], bool]
    needs_approval: bool | Callable[[Tool], NeedsApproval]
    to_model_output: ToModelOutput
    max_output_bytes: int
    wait: float
    timeout: float | None


def function_tools(
    tools: Iterable[Tool], call: Call, options: MCPOptions
) -> tuple[FunctionTool, ...]:
    """Convert a server's tools. One that cannot be used is skipped, with a warning."""
    converted: dict[str, FunctionTool] = {}
    for tool in tools:
        try:
            if not options.get("only", _all_tools)(tool):
                continue
            needs_approval = options.get("needs_approval", False)
            approval = needs_approval(tool) if callable(needs_approval) else needs_approval
        except Exception:
            _log.exception("skipping the MCP tool %r: only= or needs_approval= failed", tool.name)
            continue
        name = f"{options.get('prefix', '')}{tool.name}"
        name = _INVALID_CHARACTER.sub("_", name)[:_MAX_NAME_LENGTH]
        try:
            if name in converted:
                raise ValueError("duplicate name")
            converted[name] = _function_tool(name, tool, approval, call, options)
        except (ValueError, ToolError) as error:
            _log.warning("skipping the MCP tool %s: %s", log_text(tool.name), log_text(error))
    return tuple(converted.values())


#: What providers accept as names of tools.
_INVALID_CHARACTER = re.compile(r"[^a-zA-Z0-9_-]")
_MAX_NAME_LENGTH = 128
#: Bytes of a tool's schema, description and metadata, which the model or each call gets.
_MAX_DEFINITION_BYTES = 256 * 1024


def _all_tools(_: Tool) -> bool:
    return True


def _function_tool(
    name: str, tool: Tool, approval: NeedsApproval, call: Call, options: MCPOptions
) -> FunctionTool:
    """Convert a tool. Raises ValueError or ToolError if it cannot be used."""
    included = {"input_schema", "description", "title", "annotations", "icons", "meta"}
    definition = to_json(
        tool.model_dump(mode="json", by_alias=True, exclude_none=True, include=included)
    )
    size = len(json_codec.encode(definition))
    if size > _MAX_DEFINITION_BYTES:
        raise ValueError(
            f"its definition has {size} bytes, at most {_MAX_DEFINITION_BYTES} are used"
        )
    schema, dropped = fit_input_schema(definition.pop("inputSchema"))
    if dropped:
        _log.info(
            "MCP tool %s: left out of its schema: %s",
            log_text(tool.name),
            log_text(", ".join(dropped)),
        )
    hints = definition.get("annotations", {})
    return FunctionTool(
        name=name,
        description=definition.pop("description", ""),
        input_schema=schema,
        title=definition.pop("title", None) or hints.get("title"),
        tool_metadata=definition or None,
        dynamic=True,
        needs_approval=approval,
        idempotent=is_idempotent(tool),
        timeout=options.get("timeout", _TIMEOUT),
        to_model_output=options.get("to_model_output", model_output),
        max_output_bytes=options.get("max_output_bytes", MAX_OUTPUT_BYTES),
        implementation=_RemoteTool(tool, call),
    )


def is_idempotent(tool: Tool) -> bool:
    """Whether the server declares that a repeated call does no harm."""
    hints = tool.annotations
    return bool(hints and (hints.read_only_hint or hints.idempotent_hint))


class _RemoteTool:
    """The implementation of a tool that runs on the MCP server."""

    def __init__(self, tool: Tool, call: Call) -> None:
        self._tool = tool
        self._call = call

    def parse(self, input: Any) -> dict[str, Any]:  # noqa: A002
        if problems := list(self._validator.problems(input)):
            raise InvalidInput("\n".join(["The input is not valid.", *problems]))
        arguments: dict[str, Any] = input
        return arguments

    async def call(
        self, arguments: dict[str, Any], context: ToolContext
    ) -> AsyncGenerator[ToolOutput]:
        result = await self._call(self._tool, arguments, context)
        if result.is_error:
            raise ToolError(error_text(result))
        yield ToolOutput.of(output(result))

    @cached_property
    def _validator(self) -> InputValidator:
        return InputValidator(to_json(self._tool.input_schema))


#: Limits of a list of tools: its pages may never end.
_MAX_PAGES = 100
_MAX_TOOLS = 1000


async def list_tools(client: Client) -> list[Tool]:
    """Return all tools of the server, page by page."""
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None or len(tools) >= _MAX_TOOLS:
            break
    if len(tools) > _MAX_TOOLS:
        _log.warning("using %s of %s MCP tools or more", _MAX_TOOLS, len(tools))
    return tools[:_MAX_TOOLS]
