"""The `anthropic` key of `providerMetadata`, as the AI SDK's own server writes and reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ui_message_stream.schema import ProviderMetadata

__all__ = ["anthropic_metadata", "mcp_metadata", "read_anthropic_metadata"]


def anthropic_metadata(**values: Any) -> ProviderMetadata:
    """Return the provider metadata of a chunk."""
    return {"anthropic": values}


def mcp_metadata(server_name: str | None) -> ProviderMetadata:
    """Return the provider metadata of an MCP server's tool call and of its result."""
    return anthropic_metadata(type="mcp-tool-use", serverName=server_name)


def read_anthropic_metadata(metadata: ProviderMetadata | None) -> Mapping[str, Any]:
    """Return what a part's provider metadata says for Anthropic; empty if nothing."""
    return (metadata or {}).get("anthropic", {})
