"""The provider's events → UI message chunks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from ui_message_stream import json_codec
from ui_message_stream.chunks import Custom, FinishReason, MessageMetadata
from ui_message_stream.versions import ChunkVariant

from usechat_server.errors import ModelError
from usechat_server.providers.anthropic import message_record
from usechat_server.providers.anthropic.errors import from_event
from usechat_server.providers.anthropic.response import events
from usechat_server.providers.anthropic.response.blocks import Block, translator
from usechat_server.providers.anthropic.response.blocks.base import ResponseContext, anthropic
from usechat_server.providers.anthropic.response.usage import counted
from usechat_server.providers.base import StepResult
from usechat_server.results import Usage
from usechat_server.tools import DeclaredTool

__all__ = ["Translation"]

_FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool-calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content-filter",
}


class Translation:
    """One answer. Feed it the payloads as they come; `result` is there once it is complete.

    `request` is the body that is answered.
    """

    def __init__(
        self, tools: Sequence[DeclaredTool] = (), request: Mapping[str, Any] | None = None
    ) -> None:
        self.result: StepResult | None = None
        self.usage = Usage()
        #: the provider's own ids and words, for the log line
        self.details: dict[str, Any] = {}
        self._answer = ResponseContext({tool.name: tool for tool in tools}, request)
        self._open: dict[int, Block] = {}
        #: what the page is told first, together with the first that it sees
        self._opening: list[ChunkVariant] = []
        self._places: list[message_record.BlockSlot] = []
        self._calls: set[str] = set()
        #: those of the calls that the provider runs
        self._server_calls: set[str] = set()
        self._stop_reason: str | None = None

    def feed(self, data: Iterable[bytes], out: list[ChunkVariant]) -> None:
        """Appends what the payloads bring to `out`. Raises ModelError, `out` holding what came
        before."""
        open_blocks = self._open
        for payload in data:
            try:
                event = events.decode(payload)
                if type(event) is events.BlockDelta:
                    block = open_blocks.get(event.index)
                    if block is None:
                        raise self._broken("a delta came for a block that is not open")
                    chunk = block.delta(event.delta)
                    if chunk is not None:
                        out.append(chunk)
                elif event is not None:
                    self._take(event, out)
            except (events.MalformedEvent, msgspec.ValidationError) as error:
                raise self._broken(f"an event is not what the API sends: {error}") from None
            if self.result is not None:
                return

    def end(self) -> None:
        """The body ended. Raises ModelError unless the answer is complete."""
        if self.result is None:
            self._complete()

    def _take(self, event: events.Event, out: list[ChunkVariant]) -> None:
        match event:
            case events.BlockStart():
                self._start(event.index, event.content_block, out)
            case events.BlockStop():
                if block := self._open.pop(event.index, None):
                    self._stop(block, out)
            case events.MessageStart():
                self._begin(event.message, out)
            case events.MessageDelta():
                self.usage = counted(self.usage, event.usage)
                self._stop_reason = event.delta.stop_reason or self._stop_reason
                self.details.update(
                    (key, value)
                    for key, value in msgspec.structs.asdict(event.delta).items()
                    if value is not None
                )
                if event.context_management is not None:
                    self.details["context_management"] = event.context_management
            case events.MessageStop():
                self._complete()
                self._close(out)
            case events.ErrorEvent():
                raise from_event(event.error, request_id=event.request_id)

    def _begin(self, message: events.Message, out: list[ChunkVariant]) -> None:
        if "message_id" in self.details:
            if message.id == self.details["message_id"]:
                return
            raise self._broken("a second message began inside the first")
        self.details["message_id"] = message.id
        self.details["model"] = message.model
        self.usage = counted(self.usage, message.usage)
        if message.container is not None:
            self.details["container"] = message.container
        self._answer.id = message.id or self._answer.id
        told = anthropic(id=message.id, model=message.model, usage=message.usage)
        self._opening.append(Custom(kind="anthropic.message_start", provider_metadata=told))
        # Calls that code of the model's made come whole, inside the start.
        self._stop_reason = message.stop_reason
        for index, content in enumerate(message.content or ()):
            self._start(index, content, out)
            block = self._open.pop(index)
            whole = json_codec.encode(content.get("input") or {}).decode()
            if chunk := block.delta(events.InputJSONDelta(whole)):
                out.append(chunk)
            self._stop(block, out)

    def _start(self, index: int, content: dict[str, Any], out: list[ChunkVariant]) -> None:
        if left := self._open.pop(index, None):
            self._stop(left, out)
        kind = content.get("type")
        block = translator(kind)(str(index), content, self._answer)
        if str(kind).endswith("tool_use") and isinstance(call := content.get("id"), str):
            if call in self._calls:
                raise self._broken(f"tool call {call!r} came twice")
            self._calls.add(call)
            if kind != "tool_use":
                self._server_calls.add(call)
        self._open[index] = block
        self._say(block.start(), out)

    def _stop(self, block: Block, out: list[ChunkVariant]) -> None:
        self._say(block.stop(), out)
        if block.place is not None:
            self._places.append(block.place)

    def _say(self, variants: Sequence[ChunkVariant], out: list[ChunkVariant]) -> None:
        # A failure before anything is seen can be hidden by another try.
        if variants and self._opening:
            out += self._opening
            self._opening.clear()
        out += variants

    def _close(self, out: list[ChunkVariant]) -> None:
        """What is known only at the end."""
        out += self._opening
        if not self._answer.searched:
            out += self._answer.late_sources
        kept = message_record.metadata(
            self._answer.id,
            self._places,
            self._server_calls,
            paused=self._stop_reason == "pause_turn",
            container=self.details.get("container"),
        )
        if kept is not None:
            out.append(MessageMetadata(message_metadata=kept))

    def _complete(self) -> None:
        if self._open:
            raise self._broken("the answer ended inside a content block")
        if self._stop_reason is None:
            raise self._broken("the answer ended without a stop reason")
        reason = _FINISH_REASONS.get(self._stop_reason, "other")
        paused = self._stop_reason == "pause_turn"
        self.result = StepResult(reason, paused=paused)

    @staticmethod
    def _broken(text: str) -> ModelError:
        return ModelError(text, "truncated", retryable=True)
