"""A backend that offers what every scenario needs."""

from __future__ import annotations

from typing import Any

from anthropic import AsyncAnthropic
from starlette.types import ASGIApp
from usechat_server import Agent, create_app, tool
from usechat_server.message_metadata import usage_metadata
from usechat_server.providers.anthropic import AnthropicModel
from usechat_server.settings import Settings
from usechat_server.tools import ClientTool, ToolContext

__all__ = ["conformance_app"]


@tool
def look_up(word: str) -> str:
    """Look up a word."""
    return f"{word}: a word"


@tool
def forget(word: str) -> None:
    """Forget a word."""


@tool
def fail(word: str) -> None:
    """Fail."""
    raise RuntimeError(f"conformance-secret: {word}")


@tool
def report(word: str, ctx: ToolContext) -> str:
    """Show a word."""
    ctx.data("word", {"word": word}, id="word")
    return word


@tool(needs_approval=True)
def send_postcard(to: str) -> str:
    """Send a postcard."""
    return f"sent to {to}"


_ZONE = {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}
_BROWSER_TIME = ClientTool("browser_time", "The time in the browser.", _ZONE)


def conformance_app(provider_url: str, **settings: Any) -> ASGIApp:
    """Return an app whose model is the one at a URL, with these settings."""
    client = AsyncAnthropic(base_url=provider_url, api_key="any", max_retries=0)
    agent = Agent(
        AnthropicModel("claude-sonnet-5-5", client=client),
        tools=[look_up, forget, fail, report, send_postcard, _BROWSER_TIME],
        metadata=usage_metadata,
        max_tokens=1000,
    )
    return create_app(agent, settings=Settings(resume=30, **settings))
