"""What a translator is, and what the translators of one answer share."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ui_message_stream.schema import ProviderMetadata
from ui_message_stream.versions import ChunkVariant

from usechat_server.providers.anthropic.message_record import BlockSlot
from usechat_server.providers.anthropic.response import events
from usechat_server.providers.anthropic.tool_results import SERVER_TOOLS
from usechat_server.tools import DeclaredTool

__all__ = ["Block", "Document", "ResponseContext", "anthropic", "mcp", "without_none"]


class Block(Protocol):
    """An open content block."""

    @property
    def place(self) -> BlockSlot | None:
        """Once it ended: where the history finds it again. None: it cannot go back."""
        ...

    def start(self) -> Sequence[ChunkVariant]:
        """What its start brings, text in it included."""
        ...

    def delta(self, delta: events.Delta | None) -> ChunkVariant | None:
        """What one delta brings; None for a kind that this block does not have."""
        ...

    def stop(self) -> Sequence[ChunkVariant]:
        """What its end brings."""
        ...


@dataclass(frozen=True, slots=True)
class Document:
    """A document that the model can cite."""

    title: str
    media_type: str
    filename: str | None = None


class ResponseContext:
    """What the blocks of one answer to a request share."""

    def __init__(
        self,
        tools: Mapping[str, DeclaredTool],
        request: Mapping[str, Any] | None = None,
    ) -> None:
        self.tools = tools
        request = request or {"messages": []}
        #: the provider's tools that the request did not name: they come with others
        self.implied = _implied_tools(request)
        #: in the order that citations count them; what the model fetches comes after the request's
        self.documents = _cited_documents(request)
        #: the provider's calls without a result, of earlier responses too → metadata of the result
        self.pending = _pending_calls(request)
        #: what newer clients are told at the end, if no search result told them before
        self.late_sources: list[ChunkVariant] = []
        self.searched = False
        self.id = "answer"
        self._sources = 0

    def source_id(self) -> str:
        """An id for a source that the API gives none."""
        self._sources += 1
        return f"{self.id}:source-{self._sources}"


def _cited_documents(request: Mapping[str, Any]) -> list[Document]:
    """The documents of a request that the answer can cite."""
    found = []
    for block in _blocks(request, "user"):
        if block["type"] == "document" and block.get("citations", {}).get("enabled"):
            media_type = block["source"].get("media_type", "application/pdf")
            title = block.get("title")
            found.append(Document(title or "Untitled Document", media_type, title))
    return found


def _pending_calls(request: Mapping[str, Any]) -> dict[str, ProviderMetadata | None]:
    calls: dict[str, ProviderMetadata | None] = {}
    for block in _blocks(request, "assistant"):
        if block["type"] == "server_tool_use":
            # The page never saw one of a tool that nobody knew, nor can it see the result.
            if block["name"] in SERVER_TOOLS:
                calls[block["id"]] = None
        elif block["type"] == "mcp_tool_use":
            calls[block["id"]] = mcp(block["server_name"])
        elif "tool_use_id" in block:
            calls.pop(block["tool_use_id"], None)
    return calls


#: The provider's tools that filter what they find by code, which the model then may run too.
_FILTERING = (
    "web_search_20260209",
    "web_search_20260318",
    "web_fetch_20260209",
    "web_fetch_20260318",
)


def _implied_tools(request: Mapping[str, Any]) -> Collection[str]:
    kinds = [str(tool.get("type", "")) for tool in request.get("tools", ())]
    filtering = any(kind in _FILTERING for kind in kinds)
    coding = any(kind.startswith("code_execution_") for kind in kinds)
    return {"code_execution"} if filtering and not coding else ()


def _blocks(request: Mapping[str, Any], role: str) -> Iterator[dict[str, Any]]:
    for turn in request["messages"]:
        if turn["role"] == role:
            yield from turn["content"]


def mcp(server: str | None) -> ProviderMetadata:
    """What the parts of an MCP server's tools say, call and result."""
    return anthropic(type="mcp-tool-use", serverName=server)


def anthropic(**values: Any) -> ProviderMetadata:
    return {"anthropic": values}


def without_none(value: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None}
