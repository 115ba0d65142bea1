"""The provider's own tools as values: `Agent(…, tools=[web_search(max_uses=3)])`.

Source: the tool parameters of the `anthropic` SDK (`types/beta/*_tool_*_param.py`), whose names the
arguments have. All of them raise ValueError, naming the argument, for what the API would refuse.
`extra` holds further keys of the tool's definition, for what is newer than this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from anthropic.types.beta import BetaUserLocationParam
from pydantic import ConfigDict, Field, validate_call

from usechat_server.tools import DeclaredTool, ProviderTool, Tool

__all__ = [
    "MCP_BETA",
    "AnthropicTool",
    "advisor",
    "code_execution",
    "definition",
    "mcp_server",
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

# Without the values in the errors: one may be a secret.
_checked = validate_call(config=ConfigDict(arbitrary_types_allowed=True, hide_input_in_errors=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnthropicTool(ProviderTool):
    """A tool of Anthropic's."""

    provider: str = "anthropic"
    #: the request's entry in `tools`
    definition: Mapping[str, Any]
    #: what the request's header `anthropic-beta` must name
    betas: tuple[str, ...] = ()
    #: the request's entry in `mcp_servers`
    #: (may hold a secret, which is nothing for a log)
    mcp_server: Mapping[str, Any] | None = field(default=None, repr=False)


@_checked
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
    """Searches the web. `max_uses` per request; domains without a scheme, `example.com/blog`.

    The default version works with every model. Later ones filter results with code of the model's.
    """
    _either(allowed_domains=allowed_domains, blocked_domains=blocked_domains)
    return _tool(
        "web_search",
        f"web_search_{version}",
        extra,
        max_uses=max_uses,
        allowed_domains=allowed_domains,
        blocked_domains=blocked_domains,
        user_location=user_location,
        allowed_callers=allowed_callers,
    )


@_checked
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
    """Reads web pages and PDFs whose URLs are in the conversation."""
    _either(allowed_domains=allowed_domains, blocked_domains=blocked_domains)
    return _tool(
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


@_checked
def code_execution(
    *,
    version: Literal["20250522", "20250825", "20260120", "20260521"] = "20250825",
    extra: Extra | None = None,
) -> AnthropicTool:
    """Runs code in a container of the provider's. Skills need it (`AnthropicOptions.skills`)."""
    return _tool("code_execution", f"code_execution_{version}", extra)


@_checked
def tool_search(
    *, algorithm: Literal["bm25", "regex"] = "bm25", extra: Extra | None = None
) -> AnthropicTool:
    """Finds tools that are kept out of the prompt until they are needed: those with
    `provider_options={"anthropic": {"defer_loading": True}}`."""
    name = f"tool_search_tool_{algorithm}"
    return _tool(name, f"{name}_20251119", extra)


@_checked
def advisor(
    model: str,
    *,
    max_uses: Count | None = None,
    max_tokens: Count | None = None,
    extra: Extra | None = None,
) -> AnthropicTool:
    """Lets the model ask another one. `max_tokens` of its answer."""
    return _tool(
        "advisor",
        "advisor_20260301",
        extra,
        betas=(_ADVISOR_BETA,),
        model=model,
        max_uses=max_uses,
        max_tokens=max_tokens,
    )


@_checked
def mcp_server(
    name: str,
    *,
    url: Annotated[str, Field(pattern=r"^https?://")],
    authorization_token: str | None = None,
    allowed_tools: Sequence[str] | None = None,
    defer_loading: bool | None = None,
    extra: Extra | None = None,
) -> AnthropicTool:
    """The tools of an MCP server that the provider calls. `allowed_tools`: only these, by name."""
    default = _given(defer_loading=defer_loading)
    configs = None
    if allowed_tools is not None:
        default["enabled"] = False
        configs = {tool: {"enabled": True} for tool in allowed_tools}
    server = {"type": "url", "name": name, "url": url}
    return AnthropicTool(
        name=f"mcp:{name}",
        definition={
            "type": "mcp_toolset",
            "mcp_server_name": name,
            **_given(default_config=default or None, configs=configs),
            **(extra or {}),
        },
        betas=(MCP_BETA,),
        mcp_server={**server, **_given(authorization_token=authorization_token)},
    )


def definition(tool: Tool) -> dict[str, Any]:
    """The request's entry in `tools`. The tool is one that `AnthropicModel.check` let pass."""
    if isinstance(tool, AnthropicTool):
        return dict(tool.definition)
    assert isinstance(tool, DeclaredTool)  # noqa: S101
    options = tool.provider_options.get("anthropic", {})
    if "type" in options:
        # A kind of tool that the API describes itself.
        return {"name": tool.name, **options}
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.input_schema,
        **options,
    }


def _tool(
    name: str, kind: str, extra: Extra | None, *, betas: tuple[str, ...] = (), **keys: Any
) -> AnthropicTool:
    made = {"type": kind, "name": name, **_given(**keys), **(extra or {})}
    return AnthropicTool(name=name, definition=made, betas=betas)


def _given(**keys: Any) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if value is not None}


def _either(**keys: Any) -> None:
    if len(_given(**keys)) > 1:
        raise ValueError(f"{' and '.join(keys)} cannot be given both")
