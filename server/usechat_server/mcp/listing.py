"""The tools that an MCP server lists → tools of an agent."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, TypedDict

from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import Draft202012Validator, validator_for
from mcp.types import CallToolResult, Tool
from referencing import Registry
from referencing.exceptions import Unresolvable
from ui_message_stream import json_codec

from usechat_server.mcp.results import error_text, model_output, output
from usechat_server.tools import FunctionTool, InvalidInput, ToolContext, ToolError, ToolOutput
from usechat_server.tools.base import NeedsApproval
from usechat_server.tools.outputs import to_json

__all__ = ["Call", "MCPOptions", "function_tools", "is_idempotent"]

_log = logging.getLogger("usechat.mcp")

_TIMEOUT = 60.0

#: Calls a tool, by the server's name for it.
Call = Callable[[Tool, dict[str, Any], ToolContext], Awaitable[CallToolResult]]


class MCPOptions(TypedDict, total=False):
    """On what terms a server is used."""

    #: for the log; the command's or the host's by default
    name: str
    #: what the names of its tools begin with, such as "github_"
    prefix: str
    #: which of its tools are used; all by default
    only: Callable[[Tool], bool]
    #: for all of its tools, or what a tool says of itself decides
    needs_approval: bool | Callable[[Tool], NeedsApproval]
    #: seconds that a turn waits for the server to be there; 10 by default
    wait: float
    #: seconds that a call may take; 60 by default
    timeout: float | None


def function_tools(
    listed: Iterable[Tool], call: Call, options: MCPOptions
) -> tuple[FunctionTool, ...]:
    """The tools. One that no provider would take is left out, with a warning."""
    prefix, only = options.get("prefix", ""), options.get("only")
    made: dict[str, FunctionTool] = {}
    for tool in listed:
        if only and not only(tool):
            continue
        name = _FOREIGN.sub("_", f"{prefix}{tool.name}")[:_NAME_LENGTH]
        if problem := "its name is another's" if name in made else _problem(tool):
            _log.warning("the MCP tool %s is left out: %s", tool.name, problem)
        else:
            made[name] = _function_tool(name, tool, call, options)
    return tuple(made.values())


#: What providers do not take in names, of tools and of properties.
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")
_NAME_LENGTH = 128
_PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
#: What they do not take at the top of a schema. The server knows it all the same.
_NOT_AT_TOP = ("anyOf", "oneOf", "allOf", "not", "if", "then", "else")


def _problem(tool: Tool) -> str | None:
    properties = tool.input_schema.get("properties", {})
    if not isinstance(properties, dict):
        return "its schema is none"
    wrong = next((key for key in properties if not _PROPERTY.fullmatch(key)), None)
    return None if wrong is None else f"no provider takes a property named {wrong!r}"


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
    """Whether the server says that calling it twice is as good as once."""
    hints = tool.annotations
    return bool(hints and (hints.read_only_hint or hints.idempotent_hint))


def _metadata(tool: Tool) -> dict[str, Any] | None:
    """What else the server says of the tool: its hints, icons, and `_meta`."""
    kept = {"annotations", "icons", "meta"}
    said = tool.model_dump(mode="json", by_alias=True, exclude_none=True, include=kept)
    return to_json(said) or None


class _RemoteTool:
    """A tool that runs at the server."""

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
            yield f"input: this has to be an object, not {_shown(value)}."
        elif self._validator is not None:
            try:
                for error in self._validator.iter_errors(value):
                    yield f"{_place(error)}: {_shown_message(error)}."
            except Unresolvable:
                # The server knows what its schema refers to.
                return

    @cached_property
    def _validator(self) -> Validator | None:
        """None: the server's schema is none."""
        kind = validator_for(self._tool.input_schema, default=Draft202012Validator)
        try:
            kind.check_schema(self._tool.input_schema)
        except SchemaError:
            return None
        # Nothing is fetched for a reference.
        return kind(self._tool.input_schema, registry=Registry())


#: Characters of a value that is told to the model, which wrote it.
_MOST_CHARACTERS = 200


def _place(error: ValidationError) -> str:
    return ".".join(map(str, error.absolute_path)) or "input"


def _shown_message(error: ValidationError) -> str:
    text = error.message
    return text if len(text) <= 2 * _MOST_CHARACTERS else f"not what {error.validator} asks for"


def _shown(value: Any) -> str:
    text = json_codec.encode(value).decode()
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
