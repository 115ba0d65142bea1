"""Results of provider-executed tools. They arrive whole, in the start of their block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from ui_message_stream.chunks import SourceUrl, ToolOutputAvailable, ToolOutputError
from ui_message_stream.versions import ChunkVariant, ClientVersion, VersionedChunk

from usechat_server.providers.anthropic.message_record import BlockSlot
from usechat_server.providers.anthropic.provider_metadata import anthropic_metadata
from usechat_server.providers.anthropic.provider_tool_outputs import (
    content_from_output,
    error_text,
    is_error,
    output_from_content,
    result_block_type,
)
from usechat_server.providers.anthropic.response import events
from usechat_server.providers.anthropic.response.blocks.base import (
    CitableDocument,
    ResponseContext,
)
from usechat_server.providers.anthropic.response.blocks.tool_use import caller_metadata
from usechat_server.providers.json_objects import without_none

__all__ = [
    "AdvisorResultTranslator",
    "McpResultTranslator",
    "ProviderResultTranslator",
    "WebFetchResultTranslator",
    "WebSearchResultTranslator",
]


class ToolResultBlock(msgspec.Struct):
    type: str
    tool_use_id: str
    content: Any = None
    caller: dict[str, Any] | None = None
    is_error: bool = False


class ProviderResultTranslator:
    """The result of a provider-executed tool. A failure of any tool is an error.

    A result whose call the client was not sent is kept, but not shown.
    """

    #: the type of the content of a success, as far as it is read here
    ContentType: ClassVar[Any] = Any
    dynamic: bool | None = None

    def __init__(self, _: str, content: dict[str, Any], context: ResponseContext) -> None:
        self.content = content
        self.block: ToolResultBlock = msgspec.convert(content, ToolResultBlock)
        self.context = context
        self.has_failed: bool = is_error(self.block.content)
        if not self.has_failed:
            msgspec.convert(self.block.content, self.ContentType)
        self.output: Any = output_from_content(self.block.type, self.block.content)
        self.has_call: bool = self.block.tool_use_id in context.pending_calls
        self.metadata = context.pending_calls.pop(self.block.tool_use_id, None)
        if caller := caller_metadata(self.block.caller):
            self.metadata = anthropic_metadata(caller=caller)

    @property
    def slot(self) -> BlockSlot:
        return self._result_slot() if self.has_call else BlockSlot(block=self.content)

    def _result_slot(self) -> BlockSlot:
        """Return the slot in the tool part, with what the part's output would not give back."""
        block_type, content = self.block.type, self.block.content
        keeps_type = result_block_type(self.output, "") == block_type or content == []
        if keeps_type and _equal_ignoring_none(
            content_from_output(block_type, self.output), content
        ):
            return BlockSlot("result", self.block.tool_use_id)
        fields = {"type": block_type, "content": content}
        return BlockSlot("result", self.block.tool_use_id, fields)

    def start(self) -> Sequence[ChunkVariant]:
        return self._result_chunks() if self.has_call else ()

    def _result_chunks(self) -> Sequence[ChunkVariant]:
        if self.has_failed:
            return (
                ToolOutputError(
                    tool_call_id=self.block.tool_use_id,
                    error_text=error_text(self.output),
                    provider_executed=True,
                    provider_metadata=self.metadata,
                    dynamic=self.dynamic,
                ),
            )
        return (self._output_available(self.output),)

    def delta(self, _: events.Delta | None) -> ChunkVariant | None:
        return None

    def stop(self) -> Sequence[ChunkVariant]:
        return ()

    def _output_available(self, output: Any) -> ToolOutputAvailable:
        return ToolOutputAvailable(
            tool_call_id=self.block.tool_use_id,
            output=output,
            provider_executed=True,
            provider_metadata=self.metadata,
            dynamic=self.dynamic,
        )


class WebSearchHit(msgspec.Struct):
    url: str
    title: str | None = None


class WebSearchResultTranslator(ProviderResultTranslator):
    """Each hit is also a source."""

    ContentType = list[WebSearchHit]

    def _result_chunks(self) -> Sequence[ChunkVariant]:
        variants = list(super()._result_chunks())
        for hit in self.output if not self.has_failed else ():
            self.context.has_search_sources = True
            source = SourceUrl(
                source_id=self.context.next_source_id(),
                url=hit["url"],
                title=hit.get("title"),
                provider_metadata=anthropic_metadata(pageAge=hit["pageAge"]),
            )
            variants.append(source)
        return variants


class WebFetchSource(msgspec.Struct):
    media_type: str


class WebFetchDocument(msgspec.Struct):
    source: WebFetchSource
    title: str | None = None


class WebFetchContent(msgspec.Struct):
    url: str
    content: WebFetchDocument


class WebFetchResultTranslator(ProviderResultTranslator):
    """The fetched document can be cited."""

    ContentType = WebFetchContent

    def _result_chunks(self) -> Sequence[ChunkVariant]:
        if not self.has_failed:
            fetch = msgspec.convert(self.block.content, WebFetchContent)
            title = fetch.content.title or fetch.url
            document = CitableDocument(title, fetch.content.source.media_type)
            self.context.documents.append(document)
        return super()._result_chunks()


class AdvisorResultTranslator(ProviderResultTranslator):
    """Clients since version 7 also get why the advisor stopped."""

    ContentType = dict[str, Any]

    def _result_slot(self) -> BlockSlot:
        if "stopReason" in self.output:
            fields = {"content": self.block.content}
            return BlockSlot("result", self.block.tool_use_id, fields)
        return super()._result_slot()

    def _result_chunks(self) -> Sequence[ChunkVariant]:
        if self.has_failed or "stopReason" not in self.output:
            return super()._result_chunks()
        older_output = {key: value for key, value in self.output.items() if key != "stopReason"}
        return (
            VersionedChunk(self._output_available(older_output), until=ClientVersion(7)),
            VersionedChunk(self._output_available(self.output), since=ClientVersion(7)),
        )


class McpResultTranslator(ProviderResultTranslator):
    """The output is the content that the MCP server returned."""

    dynamic: bool = True

    def __init__(self, block_id: str, content: dict[str, Any], context: ResponseContext) -> None:
        super().__init__(block_id, content, context)
        self.output: Any = self.block.content
        self.has_failed: bool = self.block.is_error

    def _result_slot(self) -> BlockSlot:
        return BlockSlot("result", self.block.tool_use_id)


def _equal_ignoring_none(one: Any, other: Any) -> bool:
    """Whether two values are equal for the API, to which null is the same as absent."""
    if isinstance(one, dict) and isinstance(other, dict):
        one, other = without_none(one), without_none(other)
        return one.keys() == other.keys() and all(
            _equal_ignoring_none(one[key], other[key]) for key in one
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal_ignoring_none, one, other))
    return bool(one == other)
