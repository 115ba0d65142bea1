"""The request body and the agent's options → the arguments of the SDK's `messages.create`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from usechat_server.providers.anthropic.options import AnthropicOptions
from usechat_server.providers.anthropic.request.caching import (
    add_cache_breakpoints,
    check_own_breakpoints,
)
from usechat_server.providers.anthropic.tools import MCP_BETA, AnthropicTool, tool_definition
from usechat_server.tools import ProviderTool, Tool

__all__ = ["check_parameters", "has_code_execution", "request_parameters"]


def check_parameters(options: AnthropicOptions, tools: Sequence[Tool], max_tokens: int) -> None:
    """Check that options and tools can be used together.

    Raises:
        ValueError: Names the option or the tool that cannot.
    """
    names = [tool.name for tool in tools]
    if duplicates := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"duplicate tool: {', '.join(sorted(duplicates))}")
    for tool in tools:
        if isinstance(tool, ProviderTool) and not isinstance(tool, AnthropicTool):
            raise ValueError(f"tools: {tool.name} is a tool of {tool.provider}, not of anthropic")
    check_own_breakpoints([tool_definition(tool) for tool in tools])
    if options.skills and not has_code_execution(tools):
        raise ValueError("skills require the code_execution() tool")
    budget = options.thinking_budget
    if budget is not None and budget >= max_tokens:
        raise ValueError(
            f"thinking: budget_tokens ({budget}) must be less than max_tokens ({max_tokens})"
        )


def request_parameters(
    body: dict[str, Any], tools: Sequence[Tool], options: AnthropicOptions
) -> dict[str, Any]:
    """Return the arguments of `messages.create`.

    Options go into `extra_body`, so that they do not depend on which arguments the installed SDK
    has. The method is the stable one with every client: betas are named in the header alone.

    Args:
        body: The request body that `build_request` made; changed in place.
        tools: The call's tools.
        options: The agent's options.
    """
    provider_tools = [tool for tool in tools if isinstance(tool, AnthropicTool)]
    extra_body = options.body()
    if servers := [tool.mcp_server for tool in provider_tools if tool.mcp_server]:
        extra_body["mcp_servers"] = servers
    if container := _container_parameter(body.pop("container", None), options):
        extra_body["container"] = container
    if not has_code_execution(tools):
        _replace_container_uploads(body["messages"])
    _set_citations(body["messages"], options)
    if options.cache:
        add_cache_breakpoints(body, "1h" if options.cache == "1h" else "5m")
    betas = dict.fromkeys(
        [
            *options.needed_betas(),
            *(beta for tool in provider_tools for beta in tool.betas),
            *_betas_of_history(body["messages"]),
        ]
    )
    headers = {"anthropic-beta": ",".join(betas)} if betas else {}
    return {
        **body,
        # Compressed bytes would arrive late, and many at a time.
        "extra_headers": {"accept-encoding": "identity", **headers, **options.extra_headers},
        "extra_body": {**extra_body, **options.extra_body},
    }


def _betas_of_history(messages: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the betas of earlier responses' blocks, which other options may have requested."""
    for block in (block for message in messages for block in message["content"]):
        if block["type"] == "compaction":
            yield "compact-2026-09-04" if block.get("signature") else "compact-2026-01-12"
        elif block["type"] == "fallback":
            yield "server-side-fallback-2026-06-01"
        elif block["type"] in ("mcp_tool_use", "mcp_tool_listing"):
            yield MCP_BETA


def has_code_execution(tools: Sequence[Tool]) -> bool:
    """Whether the model can run code."""
    return any(isinstance(tool, AnthropicTool) and tool.name == "code_execution" for tool in tools)


def _container_parameter(latest_id: str | None, options: AnthropicOptions) -> Any:
    """Return the container of the conversation, or else of the options, with the skills."""
    container_id = latest_id or options.container
    if not options.skills:
        return container_id
    return {**({"id": container_id} if container_id else {}), "skills": options.skills}


def _replace_container_uploads(messages: list[dict[str, Any]]) -> None:
    """Replace files that code has used: without code execution the API refuses them."""
    for message in messages:
        for index, block in enumerate(message["content"]):
            if block["type"] == "container_upload":
                note = {"type": "text", "text": "(A file could not be read.)"}
                message["content"][index] = note


def _set_citations(messages: list[dict[str, Any]], options: AnthropicOptions) -> None:
    """Enable citations for all of the user's documents or for none, as the API requires; never
    together with an output format, which the API refuses."""
    documents = [
        block
        for message in messages
        if message["role"] == "user"
        for block in message["content"]
        if block["type"] == "document"
    ]
    is_wanted = options.citations or any("citations" in document for document in documents)
    for document in documents:
        document.pop("citations", None)
        if is_wanted and options.output_format is None:
            document["citations"] = {"enabled": True}
