"""The tools that an MCP server lists, as tools of an agent."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, TypedDict

from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import Draft202012Validator, validator_for
from mcp import Client
from mcp.types import CallToolResult, Tool
from referencing import Registry
from referencing.exceptions import Unresolvable
from ui_message_stream import json_codec

from usechat_server.mcp.results import error_text, model_output, output
from usechat_server.tools import (
    FunctionTool,
    InvalidInput,
    NeedsApproval,
    ToolContext,
    ToolError,
    ToolOutput,
)
from usechat_server.tools.outputs import to_json

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
        wait: Seconds that a turn waits for the server to connect; 10 by default.
        timeout: Seconds that a call may take; 60 by default. None: no limit.
    """

    name: str
    prefix: str
    only: Callable[[Tool], bool]
    needs_approval: bool | Callable[[Tool], NeedsApproval]
    wait: float
    timeout: float | None


def function_tools(
    tools: Iterable[Tool], call: Call, options: MCPOptions
) -> tuple[FunctionTool, ...]:
    """Convert a server's tools. One that providers do not accept is skipped, with a warning."""
    prefix, only = options.get("prefix", ""), options.get("only")
    converted: dict[str, FunctionTool] = {}
    for tool in tools:
        if only and not only(tool):
            continue
        name = _INVALID_CHARACTER.sub("_", f"{prefix}{tool.name}")[:_MAX_NAME_LENGTH]
        if problem := "duplicate name" if name in converted else _schema_problem(tool):
            _log.warning("skipping the MCP tool %s: %s", tool.name, problem)
        else:
            converted[name] = _function_tool(name, tool, call, options)
    return tuple(converted.values())


#: What providers accept as names of tools and of properties.
_INVALID_CHARACTER = re.compile(r"[^a-zA-Z0-9_-]")
_MAX_NAME_LENGTH = 128
_PROPERTY_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
#: Keys that they do not accept at the top of a schema. The server still validates against them.
_NOT_AT_TOP = ("anyOf", "oneOf", "allOf", "not", "if", "then", "else")


def _schema_problem(tool: Tool) -> str | None:
    properties = tool.input_schema.get("properties", {})
    if not isinstance(properties, dict):
        return "its input schema is not an object"
    invalid = next((key for key in properties if not _PROPERTY_NAME.fullmatch(key)), None)
    return None if invalid is None else f"providers do not accept the property name {invalid!r}"


def _function_tool(name: str, tool: Tool, call: Call, options: MCPOptions) -> FunctionTool:
    approval = options.get("needs_approval", False)
    hints = tool.annotations
    schema = {key: value for key, value in tool.input_schema.items() if key not in _NOT_AT_TOP}
    return FunctionTool(
        name=name,
        description=tool.description or "",
        input_schema={**schema, "type": "object"},
        title=tool.title or (hints.title if hints else None),
        tool_metadata=_metadata(tool),
        dynamic=True,
        needs_approval=approval(tool) if callable(approval) else approval,
        idempotent=is_idempotent(tool),
        timeout=options.get("timeout", _TIMEOUT),
        to_model_output=model_output,
        implementation=_RemoteTool(tool, call),
    )


def is_idempotent(tool: Tool) -> bool:
    """Whether the server declares that a repeated call does no harm."""
    hints = tool.annotations
    return bool(hints and (hints.read_only_hint or hints.idempotent_hint))


def _metadata(tool: Tool) -> dict[str, Any] | None:
    """Return the tool's annotations, icons and `_meta`, for the client."""
    included = {"annotations", "icons", "meta"}
    fields = tool.model_dump(mode="json", by_alias=True, exclude_none=True, include=included)
    return to_json(fields) or None


class _RemoteTool:
    """The implementation of a tool that runs on the MCP server."""

    def __init__(self, tool: Tool, call: Call) -> None:
        self._tool = tool
        self._call = call

    def parse(self, input: Any) -> dict[str, Any]:  # noqa: A002
        if problems := list(self._problems(input)):
            raise InvalidInput("\n".join(["The input is not valid.", *problems]))
        arguments: dict[str, Any] = input
        return arguments

    async def call(
        self, arguments: dict[str, Any], context: ToolContext
    ) -> AsyncGenerator[ToolOutput]:
        result = await self._call(self._tool, arguments, context)
        if result.is_error:
            raise ToolError(error_text(result))
        yield ToolOutput(to_json(output(result)))

    def _problems(self, value: Any) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"input: expected an object, got {_truncate_json(value)}."
        elif self._validator is not None:
            try:
                for error in self._validator.iter_errors(value):
                    yield f"{_path(error)}: {_truncate(error)}."
            except Unresolvable:
                # The server validates the rest: references are not fetched.
                return

    @cached_property
    def _validator(self) -> Validator | None:
        """The validator of the input; None: the schema is not valid, so the server validates."""
        validator = validator_for(self._tool.input_schema, default=Draft202012Validator)
        try:
            validator.check_schema(self._tool.input_schema)
        except SchemaError:
            return None
        # An empty registry: no reference is fetched.
        return validator(self._tool.input_schema, registry=Registry())


#: Characters of a value in an error text; the model knows the value.
_MAX_VALUE_LENGTH = 200


def _path(error: ValidationError) -> str:
    return ".".join(map(str, error.absolute_path)) or "input"


def _truncate(error: ValidationError) -> str:
    """Return the message of an error, without the value if that is long."""
    text = error.message
    return text if len(text) <= 2 * _MAX_VALUE_LENGTH else f"does not match `{error.validator}`"


def _truncate_json(value: Any) -> str:
    text = json_codec.encode(value).decode()
    return text if len(text) <= _MAX_VALUE_LENGTH else f"{text[:_MAX_VALUE_LENGTH]}…"


#: Limit for a list of tools whose pages never end.
_MAX_PAGES = 100


async def list_tools(client: Client) -> list[Tool]:
    """Return all tools of the server, page by page."""
    tools: list[Tool] = []
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return tools
