"""The history's request and the agent's options → what the SDK is called with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from usechat_server.errors import InvalidRequest
from usechat_server.providers.anthropic.options import AnthropicOptions
from usechat_server.providers.anthropic.request.caching import mark
from usechat_server.providers.anthropic.tools import MCP_BETA, AnthropicTool
from usechat_server.tools import ProviderTool, Tool

__all__ = ["check", "parameters"]

_UNREADABLE = "This kind of file cannot be read here. Send an image, a PDF or a text file."


def check(options: AnthropicOptions, tools: Sequence[Tool], max_tokens: int) -> None:
    """Raises ValueError, which names the option or the tool, for what cannot go together."""
    names = [tool.name for tool in tools]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"tools: {', '.join(sorted(twice))} is there twice")
    for tool in tools:
        if isinstance(tool, ProviderTool) and not isinstance(tool, AnthropicTool):
            raise ValueError(f"tools: {tool.name} is a tool of {tool.provider}, not of anthropic")
    if options.skills and not _runs_code(tools):
        raise ValueError("skills: they need code_execution() among the tools")
    budget = options.thinking_budget
    if budget is not None and budget >= max_tokens:
        raise ValueError(
            f"thinking: budget_tokens ({budget}) must be less than max_tokens ({max_tokens})"
        )


def parameters(
    request: dict[str, Any], tools: Sequence[Tool], options: AnthropicOptions
) -> dict[str, Any]:
    """The arguments of `messages.create`. Raises ChatError.

    What the options name goes into `extra_body`, so that it does not depend on whether the method
    of the SDK at hand has an argument for it. The method is the stable one with every client:
    what needs a beta is told by the header alone.
    """
    own = [tool for tool in tools if isinstance(tool, AnthropicTool)]
    body = options.body()
    if servers := [tool.mcp_server for tool in own if tool.mcp_server]:
        body["mcp_servers"] = servers
    if container := _container(request.pop("container", None), options):
        body["container"] = container
    if not _runs_code(tools):
        _without_uploads(request["messages"])
    _cite(request["messages"], options)
    if options.cache:
        mark(request, "1h" if options.cache == "1h" else "5m")
    betas = dict.fromkeys(
        [
            *options.needed_betas(),
            *(beta for tool in own for beta in tool.betas),
            *_history_betas(request["messages"]),
        ]
    )
    headers = {"anthropic-beta": ",".join(betas)} if betas else {}
    return {
        **request,
        # Compressed bytes would come late, in lumps.
        "extra_headers": {"accept-encoding": "identity", **headers, **options.extra_headers},
        "extra_body": {**body, **options.extra_body},
    }


def _history_betas(turns: list[dict[str, Any]]) -> Iterator[str]:
    """What the header must name for blocks of answers to requests that were asked otherwise."""
    for block in (block for turn in turns for block in turn["content"]):
        if block["type"] == "compaction":
            yield "compact-2026-09-04" if block.get("signature") else "compact-2026-01-12"
        elif block["type"] == "fallback":
            yield "server-side-fallback-2026-06-01"
        elif block["type"] in ("mcp_tool_use", "mcp_tool_listing"):
            yield MCP_BETA


def _runs_code(tools: Sequence[Tool]) -> bool:
    return any(isinstance(tool, AnthropicTool) and tool.name == "code_execution" for tool in tools)


def _container(used: Any, options: AnthropicOptions) -> Any:
    """The container that the conversation has, or the option's, with the skills."""
    container_id = used or options.container
    if not options.skills:
        return container_id
    return {**({"id": container_id} if container_id else {}), "skills": options.skills}


def _without_uploads(turns: list[dict[str, Any]]) -> None:
    """Files that only code can read, where there is none to run: a new one is refused, an older one
    must not end the conversation."""
    for turn in turns:
        for index, block in enumerate(turn["content"]):
            if block["type"] == "container_upload":
                if turn is turns[-1]:
                    raise InvalidRequest(_UNREADABLE)
                turn["content"][index] = {"type": "text", "text": "(A file could not be read.)"}


def _cite(turns: list[dict[str, Any]], options: AnthropicOptions) -> None:
    """Asks for citations of every document that a person sent, or of none: the API wants it so, and
    it has none for answers of a given shape."""
    documents = [
        block
        for turn in turns
        if turn["role"] == "user"
        for block in turn["content"]
        if block["type"] == "document"
    ]
    wanted = options.citations or any("citations" in document for document in documents)
    for document in documents:
        document.pop("citations", None)
        if wanted and options.output_format is None:
            document["citations"] = {"enabled": True}
