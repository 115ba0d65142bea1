"""What came of the tools that the provider runs. Results come whole, in their block's start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from ui_message_stream.chunks import SourceUrl, ToolOutputAvailable, ToolOutputError
from ui_message_stream.versions import ChunkVariant, ClientVersion, VersionedChunk

from usechat_server.providers.anthropic.message_record import BlockSlot
from usechat_server.providers.anthropic.response import events
from usechat_server.providers.anthropic.response.blocks.base import (
    Document,
    ResponseContext,
    anthropic,
    without_none,
)
from usechat_server.providers.anthropic.response.blocks.tool_use import caller
from usechat_server.providers.anthropic.tool_results import (
    as_content,
    as_output,
    block_type,
    error_text,
    is_error,
)

__all__ = ["AdvisorResult", "McpResult", "ServerResult", "WebFetchResult", "WebSearchResult"]


class ServerResult:
    """The result of a provider's tool. A failure is an error, whichever tool it is.

    One without a call is nothing that a page could show.
    """

    class Content(msgspec.Struct):
        type: str
        tool_use_id: str
        content: Any = None
        caller: dict[str, Any] | None = None
        is_error: bool = False

    #: what of the content is relied on
    Shape: ClassVar[Any] = Any
    dynamic: bool | None = None

    def __init__(self, _: str, content: dict[str, Any], answer: ResponseContext) -> None:
        self.block = content
        self.result = msgspec.convert(content, self.Content)
        self.answer = answer
        self.failed = is_error(self.result.content)
        if not self.failed:
            msgspec.convert(self.result.content, self.Shape)
        self.output = as_output(self.result.type, self.result.content)
        self.called = self.result.tool_use_id in answer.pending
        self.metadata = answer.pending.pop(self.result.tool_use_id, None)
        if by := caller(self.result.caller):
            self.metadata = anthropic(caller=by)

    @property
    def place(self) -> BlockSlot:
        return self._part() if self.called else BlockSlot(block=self.block)

    def _part(self) -> BlockSlot:
        content = self.result.content
        kept = block_type(self.output, "") == self.result.type or content == []
        if kept and _equal(as_content(self.result.type, self.output), content):
            return BlockSlot("result", self.result.tool_use_id)
        whole = {"type": self.result.type, "content": content}
        return BlockSlot("result", self.result.tool_use_id, whole)

    def start(self) -> Sequence[ChunkVariant]:
        return self._outcome() if self.called else ()

    def _outcome(self) -> Sequence[ChunkVariant]:
        if self.failed:
            return (
                ToolOutputError(
                    tool_call_id=self.result.tool_use_id,
                    error_text=error_text(self.output),
                    provider_executed=True,
                    provider_metadata=self.metadata,
                    dynamic=self.dynamic,
                ),
            )
        return (self._available(self.output),)

    def delta(self, _: events.Delta | None) -> ChunkVariant | None:
        return None

    def stop(self) -> Sequence[ChunkVariant]:
        return ()

    def _available(self, output: Any) -> ToolOutputAvailable:
        return ToolOutputAvailable(
            tool_call_id=self.result.tool_use_id,
            output=output,
            provider_executed=True,
            provider_metadata=self.metadata,
            dynamic=self.dynamic,
        )


class _Found(msgspec.Struct):
    url: str
    title: str | None = None


class WebSearchResult(ServerResult):
    """What was found is also a source each."""

    Shape = list[_Found]

    def _outcome(self) -> Sequence[ChunkVariant]:
        made = list(super()._outcome())
        for found in self.output if not self.failed else ():
            self.answer.searched = True
            source = SourceUrl(
                source_id=self.answer.source_id(),
                url=found["url"],
                title=found.get("title"),
                provider_metadata=anthropic(pageAge=found["pageAge"]),
            )
            made.append(source)
        return made


class _Source(msgspec.Struct):
    media_type: str


class _Document(msgspec.Struct):
    source: _Source
    title: str | None = None


class _Fetched(msgspec.Struct):
    url: str
    content: _Document


class WebFetchResult(ServerResult):
    """What was fetched can be cited."""

    Shape = _Fetched

    def _outcome(self) -> Sequence[ChunkVariant]:
        if not self.failed:
            fetched = msgspec.convert(self.result.content, _Fetched)
            title = fetched.content.title or fetched.url
            self.answer.documents.append(Document(title, fetched.content.source.media_type))
        return super()._outcome()


class AdvisorResult(ServerResult):
    """Why the advisor stopped is told since version 7."""

    Shape = dict[str, Any]

    def _part(self) -> BlockSlot:
        if "stopReason" in self.output:
            return BlockSlot("result", self.result.tool_use_id, {"content": self.result.content})
        return super()._part()

    def _outcome(self) -> Sequence[ChunkVariant]:
        if self.failed or "stopReason" not in self.output:
            return super()._outcome()
        older = {key: value for key, value in self.output.items() if key != "stopReason"}
        return (
            VersionedChunk(self._available(older), until=ClientVersion(7)),
            VersionedChunk(self._available(self.output), since=ClientVersion(7)),
        )


class McpResult(ServerResult):
    """The output is what the MCP server said."""

    dynamic = True

    def __init__(self, block_id: str, content: dict[str, Any], answer: ResponseContext) -> None:
        super().__init__(block_id, content, answer)
        self.output = self.result.content
        self.failed = self.result.is_error

    def _part(self) -> BlockSlot:
        return BlockSlot("result", self.result.tool_use_id)


def _equal(one: Any, other: Any) -> bool:
    """Whether the API takes both for the same: null is as good as absent."""
    if isinstance(one, dict) and isinstance(other, dict):
        one, other = without_none(one), without_none(other)
        return one.keys() == other.keys() and all(_equal(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)
