"""The provider's events → UI message chunks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from ui_message_stream import jsontext
from ui_message_stream.chunks import Chunk, FinishReason

from usechat_server.models.anthropic import payloads
from usechat_server.models.anthropic.blocks import TRANSLATORS, Block, Ignored
from usechat_server.models.anthropic.errors import from_event
from usechat_server.models.anthropic.usage import counted
from usechat_server.models.base import ModelError, StepResult, Usage
from usechat_server.tools import ClientTool

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
    """One answer. Feed it the payloads as they come; `result` is there once it is complete."""

    def __init__(self, tools: Sequence[ClientTool] = ()) -> None:
        self.result: StepResult | None = None
        self.usage = Usage()
        #: the provider's own ids and words, for the log line
        self.details: dict[str, Any] = {}
        self._tools = {tool.name: tool for tool in tools}
        self._open: dict[int, Block] = {}
        self._calls: set[str] = set()
        self._stop_reason: str | None = None

    def feed(self, data: Iterable[bytes], out: list[Chunk]) -> None:
        """Appends what the payloads bring to `out`. Raises ModelError, `out` holding what came
        before."""
        open_blocks = self._open
        for payload in data:
            try:
                event = payloads.decode(payload)
                if type(event) is payloads.BlockDelta:
                    block = open_blocks.get(event.index)
                    if block is None:
                        raise self._broken("a delta came for a block that is not open")
                    chunk = block.delta(event.delta)
                    if chunk is not None:
                        out.append(chunk)
                elif event is not None:
                    self._take(event, out)
            except (payloads.MalformedEvent, msgspec.ValidationError) as error:
                raise self._broken(f"an event is not what the API sends: {error}") from None
            if self.result is not None:
                return

    def end(self) -> None:
        """The body ended. Raises ModelError unless the answer is complete."""
        if self.result is None:
            self._complete()

    def _take(self, event: payloads.Event, out: list[Chunk]) -> None:
        match event:
            case payloads.BlockStart():
                self._start(event.index, event.content_block, out)
            case payloads.BlockStop():
                if block := self._open.pop(event.index, None):
                    out += block.stop()
            case payloads.MessageStart():
                self._begin(event.message, out)
            case payloads.MessageDelta():
                self.usage = counted(self.usage, event.usage)
                self._stop_reason = event.delta.stop_reason or self._stop_reason
                self.details.update(
                    (key, value)
                    for key, value in msgspec.structs.asdict(event.delta).items()
                    if value is not None
                )
            case payloads.MessageStop():
                self._complete()
            case payloads.ErrorEvent():
                raise from_event(event.error, request_id=event.request_id)

    def _begin(self, message: payloads.Message, out: list[Chunk]) -> None:
        if "message_id" in self.details:
            if message.id == self.details["message_id"]:
                return
            raise self._broken("a second message began inside the first")
        self.details["message_id"] = message.id
        self.details["model"] = message.model
        self.usage = counted(self.usage, message.usage)
        # Calls that code of the model's made come whole, inside the start.
        self._stop_reason = message.stop_reason
        for index, content in enumerate(message.content or ()):
            self._start(index, content, out)
            block = self._open.pop(index)
            whole = jsontext.encode(content.get("input") or {}).decode()
            if chunk := block.delta(payloads.InputJSONDelta(whole)):
                out.append(chunk)
            out += block.stop()

    def _start(self, index: int, content: dict[str, Any], out: list[Chunk]) -> None:
        if left := self._open.pop(index, None):
            out += left.stop()
        kind = content.get("type")
        translator = TRANSLATORS.get(kind) if isinstance(kind, str) else None
        if translator is None:
            self._open[index] = Ignored()
            return
        block = translator(str(index), content, self._tools)
        if kind == "tool_use":
            if content["id"] in self._calls:
                raise self._broken(f"tool call {content['id']!r} came twice")
            self._calls.add(content["id"])
        self._open[index] = block
        out += block.start()

    def _complete(self) -> None:
        if self._open:
            raise self._broken("the answer ended inside a content block")
        if self._stop_reason is None:
            raise self._broken("the answer ended without a stop reason")
        reason = _FINISH_REASONS.get(self._stop_reason, "other")
        self.result = StepResult(reason, self.usage, self.details)

    @staticmethod
    def _broken(text: str) -> ModelError:
        return ModelError(text, "truncated", retryable=True)
