"""The interface of a block translator, and what the translators of one response share."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ui_message_stream.schema import ProviderMetadata
from ui_message_stream.versions import ChunkVariant

from usechat_server.providers.anthropic.message_record import BlockSlot
from usechat_server.providers.anthropic.provider_metadata import mcp_metadata
from usechat_server.providers.anthropic.provider_tool_outputs import PROVIDER_TOOLS
from usechat_server.providers.anthropic.response import events
from usechat_server.tools import DeclaredTool

__all__ = ["BlockTranslator", "CitableDocument", "ResponseContext"]


class BlockTranslator(Protocol):
    """Translates the events of one content block."""

    @property
    def slot(self) -> BlockSlot | None:
        """Once the block has ended: where it is kept. None: it cannot be sent back."""
        ...

    def start(self) -> Sequence[ChunkVariant]:
        """Return the chunks of the block's start, including those for text in it."""
        ...

    def delta(self, delta: events.Delta | None) -> ChunkVariant | None:
        """Return the chunk of one delta; None for a type that this block does not have."""
        ...

    def stop(self) -> Sequence[ChunkVariant]:
        """Return the chunks of the block's end."""
        ...


@dataclass(frozen=True, slots=True)
class CitableDocument:
    """A document that the model can cite."""

    title: str
    media_type: str
    filename: str | None = None


class ResponseContext:
    """What the blocks of one response share.

    Args:
        tools: The tools that the app or the client executes, by name.
        request: The request body that this is the response to.
    """

    def __init__(
        self,
        tools: Mapping[str, DeclaredTool],
        request: Mapping[str, Any] | None = None,
    ) -> None:
        self.tools = tools
        request = request or {"messages": []}
        #: provider tools that the request did not name: other tools bring them along
        self.implied_tools: Collection[str] = _implied_tools(request)
        #: the order is that of their numbers in citations: first the request's documents, then
        #: those that the model fetches
        self.documents: list[CitableDocument] = _citable_documents(request)
        #: provider-executed calls without a result, also of earlier responses → the metadata of
        #: their results
        self.pending_calls: dict[str, ProviderMetadata | None] = _pending_calls(request)
        #: sources that newer clients get at the end, unless search results have already been
        #: sources
        self.late_sources: list[ChunkVariant] = []
        self.has_search_sources = False
        #: the provider's id of the response
        self.response_id = "response"
        self._source_count = 0

    def next_source_id(self) -> str:
        """Return an id for a source, since the API gives none."""
        self._source_count += 1
        return f"{self.response_id}:source-{self._source_count}"


def _citable_documents(request: Mapping[str, Any]) -> list[CitableDocument]:
    """Return the request's documents with citations enabled."""
    documents = []
    for block in _blocks_of_role(request, "user"):
        if block["type"] == "document" and block.get("citations", {}).get("enabled"):
            media_type = block["source"].get("media_type", "application/pdf")
            title = block.get("title")
            document = CitableDocument(title or "Untitled Document", media_type, title)
            documents.append(document)
    return documents


def _pending_calls(request: Mapping[str, Any]) -> dict[str, ProviderMetadata | None]:
    """Return the provider-executed calls of the history that have no result yet."""
    calls: dict[str, ProviderMetadata | None] = {}
    for block in _blocks_of_role(request, "assistant"):
        if block["type"] == "server_tool_use":
            # The client was not sent calls of unknown tools, so it cannot be sent their results.
            if block["name"] in PROVIDER_TOOLS:
                calls[block["id"]] = None
        elif block["type"] == "mcp_tool_use":
            calls[block["id"]] = mcp_metadata(block["server_name"])
        elif "tool_use_id" in block:
            calls.pop(block["tool_use_id"], None)
    return calls


#: Provider tools that filter their results with code, which the model may then run as well.
_FILTERING_TOOLS = (
    "web_search_20260209",
    "web_search_20260318",
    "web_fetch_20260209",
    "web_fetch_20260318",
)


def _implied_tools(request: Mapping[str, Any]) -> Collection[str]:
    tool_types = [str(tool.get("type", "")) for tool in request.get("tools", ())]
    has_filtering = any(tool_type in _FILTERING_TOOLS for tool_type in tool_types)
    has_code = any(tool_type.startswith("code_execution_") for tool_type in tool_types)
    return {"code_execution"} if has_filtering and not has_code else ()


def _blocks_of_role(request: Mapping[str, Any], role: str) -> Iterator[dict[str, Any]]:
    for message in request["messages"]:
        if message["role"] == role:
            yield from message["content"]
