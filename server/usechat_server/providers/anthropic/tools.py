"""The provider's own tools: `Agent(…, tools=[web_search(max_uses=3)])`.

Source: the tool parameters of the `anthropic` SDK (`types/beta/*_tool_*_param.py`), whose names the
arguments have. Every function raises ValueError, which names the argument, for what the API would
refuse. `extra` adds keys to the tool's definition, for parameters that are not arguments yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from anthropic.types.beta import BetaUserLocationParam
from pydantic import ConfigDict, Field, validate_call

from usechat_server.providers.json_objects import without_none
from usechat_server.tools import DeclaredTool, ProviderTool, Tool

__all__ = [
    "MCP_BETA",
    "AnthropicTool",
    "advisor",
    "code_execution",
    "mcp_server",
    "tool_definition",
    "tool_search",
    "web_fetch",
    "web_search",
]

#: The version of the MCP connector whose servers are listed as toolsets.
MCP_BETA = "mcp-client-2025-11-20"
_ADVISOR_BETA = "advisor-tool-2026-03-01"

#: Who may call a tool: the model itself, or the code that it runs.
Caller = Literal[
    "direct", "code_execution_20250825", "code_execution_20260120", "code_execution_20260521"
]
Count = Annotated[int, Field(ge=1)]
Domains = Sequence[Annotated[str, Field(pattern=r"^[^:\s]+$")]]
Extra = Mapping[str, Any]

# Errors leave the values out: one of them may be a secret.
_validated = validate_call(
    config=ConfigDict(arbitrary_types_allowed=True, hide_input_in_errors=True)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnthropicTool(ProviderTool):
    """A tool that Anthropic executes.

    Attributes:
        name: The tool's name.
        provider: `anthropic`.
        definition: The tool's entry in the request's `tools`.
        betas: Values that the header `anthropic-beta` needs.
        mcp_server: The tool's entry in the request's `mcp_servers`. It may contain a secret, so it
            is not in the repr.
    """

    provider: str = "anthropic"
    definition: Mapping[str, Any]
    betas: tuple[str, ...] = ()
    mcp_server: Mapping[str, Any] | None = field(default=None, repr=False)


@_validated
def web_search(
    *,
    max_uses: Count | None = None,
    allowed_domains: Domains | None = None,
    blocked_domains: Domains | None = None,
    user_location: BetaUserLocationParam | None = None,
    allowed_callers: Sequence[Caller] | None = None,
    version: Literal["20250305", "20260209", "20260318"] = "20250305",
    extra: Extra | None = None,
) -> AnthropicTool:
    """Let the model search the web.

    Args:
        max_uses: The most searches in one request.
        allowed_domains: Search only these, without a scheme: `example.com/blog`.
        blocked_domains: Never search these. Give one of the two lists, not both.
        user_location: Where the user is, for local results.
        allowed_callers: Who may search, the model or its code.
        version: Every model supports the default; later versions filter the results with code.
        extra: Further keys of the tool's definition.

    Returns:
        A tool for `Agent(tools=[…])`.
    """
    _check_domain_lists(allowed_domains, blocked_domains)
    return _anthropic_tool(
        "web_search",
        f"web_search_{version}",
        extra,
        max_uses=max_uses,
        allowed_domains=allowed_domains,
        blocked_domains=blocked_domains,
        user_location=user_location,
        allowed_callers=allowed_callers,
    )


@_validated
def web_fetch(
    *,
    max_uses: Count | None = None,
    allowed_domains: Domains | None = None,
    blocked_domains: Domains | None = None,
    citations: bool | None = None,
    max_content_tokens: Count | None = None,
    allowed_callers: Sequence[Caller] | None = None,
    version: Literal["20250910", "20260209", "20260309", "20260318"] = "20250910",
    extra: Extra | None = None,
) -> AnthropicTool:
    """Let the model read web pages and PDFs whose URLs are in the conversation.

    Args:
        max_uses: The most fetches in one request.
        allowed_domains: Fetch only from these, without a scheme: `example.com/blog`.
        blocked_domains: Never fetch from these. Give one of the two lists, not both.
        citations: Whether the model cites what it fetched.
        max_content_tokens: The most tokens of one document.
        allowed_callers: Who may fetch, the model or its code.
        version: Every model supports the default; later versions filter the content with code.
        extra: Further keys of the tool's definition.

    Returns:
        A tool for `Agent(tools=[…])`.
    """
    _check_domain_lists(allowed_domains, blocked_domains)
    return _anthropic_tool(
        "web_fetch",
        f"web_fetch_{version}",
        extra,
        max_uses=max_uses,
        allowed_domains=allowed_domains,
        blocked_domains=blocked_domains,
        citations=None if citations is None else {"enabled": citations},
        max_content_tokens=max_content_tokens,
        allowed_callers=allowed_callers,
    )


@_validated
def code_execution(
    *,
    version: Literal["20250522", "20250825", "20260120", "20260521"] = "20250825",
    extra: Extra | None = None,
) -> AnthropicTool:
    """Let the model run code in a container of the provider's.

    `AnthropicOptions.skills` need this tool.

    Args:
        version: Every model supports the default.
        extra: Further keys of the tool's definition.

    Returns:
        A tool for `Agent(tools=[…])`.
    """
    return _anthropic_tool("code_execution", f"code_execution_{version}", extra)


@_validated
def tool_search(
    *, algorithm: Literal["bm25", "regex"] = "bm25", extra: Extra | None = None
) -> AnthropicTool:
    """Let the model find tools that are kept out of the prompt until they are needed.

    Those are the tools with `provider_options={"anthropic": {"defer_loading": True}}`.

    Args:
        algorithm: Search by words (`"bm25"`) or by a regular expression (`"regex"`).
        extra: Further keys of the tool's definition.

    Returns:
        A tool for `Agent(tools=[…])`.
    """
    name = f"tool_search_tool_{algorithm}"
    return _anthropic_tool(name, f"{name}_20251119", extra)


@_validated
def advisor(
    model: str,
    *,
    max_uses: Count | None = None,
    max_tokens: Count | None = None,
    extra: Extra | None = None,
) -> AnthropicTool:
    """Let the model ask another model for advice.

    Args:
        model: The other model's name.
        max_uses: The most questions in one request.
        max_tokens: The most tokens of one piece of advice.
        extra: Further keys of the tool's definition.

    Returns:
        A tool for `Agent(tools=[…])`.
    """
    return _anthropic_tool(
        "advisor",
        "advisor_20260301",
        extra,
        betas=(_ADVISOR_BETA,),
        model=model,
        max_uses=max_uses,
        max_tokens=max_tokens,
    )


@_validated
def mcp_server(
    name: str,
    *,
    url: Annotated[str, Field(pattern=r"^https?://")],
    authorization_token: str | None = None,
    allowed_tools: Sequence[str] | None = None,
    defer_loading: bool | None = None,
    extra: Extra | None = None,
) -> AnthropicTool:
    """Let the model use the tools of an MCP server. The provider calls that server.

    Args:
        name: A name of your choice for the server.
        url: Where the provider reaches the server.
        authorization_token: The OAuth token that the provider sends to the server.
        allowed_tools: Names of the only tools that the model may use; default: all.
        defer_loading: Keep the tools out of the prompt until `tool_search` finds them.
        extra: Further keys of the toolset's definition.

    Returns:
        A tool for `Agent(tools=[…])`.
    """
    default_config = without_none({"defer_loading": defer_loading})
    configs = None
    if allowed_tools is not None:
        default_config["enabled"] = False
        configs = {tool: {"enabled": True} for tool in allowed_tools}
    server = {"type": "url", "name": name, "url": url}
    return AnthropicTool(
        name=f"mcp:{name}",
        definition={
            "type": "mcp_toolset",
            "mcp_server_name": name,
            **without_none({"default_config": default_config or None, "configs": configs}),
            **(extra or {}),
        },
        betas=(MCP_BETA,),
        mcp_server={**server, **without_none({"authorization_token": authorization_token})},
    )


def tool_definition(tool: Tool) -> dict[str, Any]:
    """Return a tool's entry in the request's `tools`. `AnthropicModel.check` has accepted it."""
    if isinstance(tool, AnthropicTool):
        return dict(tool.definition)
    assert isinstance(tool, DeclaredTool)  # noqa: S101
    options = tool.provider_options.get("anthropic", {})
    if "type" in options:
        # The API itself describes tools of this type.
        return {"name": tool.name, **options}
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.input_schema,
        **options,
    }


def _anthropic_tool(
    name: str, kind: str, extra: Extra | None, *, betas: tuple[str, ...] = (), **parameters: Any
) -> AnthropicTool:
    definition = {"type": kind, "name": name, **without_none(parameters), **(extra or {})}
    return AnthropicTool(name=name, definition=definition, betas=betas)


def _check_domain_lists(allowed: Domains | None, blocked: Domains | None) -> None:
    if allowed is not None and blocked is not None:
        raise ValueError("expected allowed_domains or blocked_domains, got both")
