"""The provider's events → UI message chunks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from ui_message_stream import json_codec
from ui_message_stream.chunks import Custom, FinishReason, MessageMetadata
from ui_message_stream.versions import ChunkVariant

from usechat_server.errors import ModelError, log_text
from usechat_server.providers.anthropic.errors import error_from_event
from usechat_server.providers.anthropic.message_record import BlockSlot, record_metadata
from usechat_server.providers.anthropic.provider_metadata import anthropic_metadata
from usechat_server.providers.anthropic.response import events
from usechat_server.providers.anthropic.response.blocks import BlockTranslator, translator_class
from usechat_server.providers.anthropic.response.blocks.base import ResponseContext
from usechat_server.providers.anthropic.response.usage import merge_usage
from usechat_server.providers.base import StepResult
from usechat_server.providers.call_ids import CallIds
from usechat_server.providers.json_objects import without_none
from usechat_server.results import Usage
from usechat_server.tools import DeclaredTool

__all__ = ["ResponseTranslator"]

_log = logging.getLogger("usechat.anthropic")

#: Stop reason of the API → finish reason of the client.
_FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool-calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content-filter",
}
#: Beginnings of the stop reasons after which the model is called again to go on: `pause_turn`, and
#: `compaction` after a summary that replaces the conversation so far. The API adds to the pauses.
_GOES_ON = ("pause_", "compaction")


class ResponseTranslator:
    """Translates one response. `result` is set when the response is complete.

    Args:
        tools: The tools that the app or the client executes.
        request: The request body that this is the response to.
        used_ids: The ids of the conversation's tool calls so far.
        prove: See `ModelCall`.
    """

    def __init__(
        self,
        tools: Sequence[DeclaredTool] = (),
        request: Mapping[str, Any] | None = None,
        used_ids: Iterable[str] = (),
        prove: Callable[[str], str] | None = None,
    ) -> None:
        self.result: StepResult | None = None
        self.usage: Usage = Usage()
        #: the provider's ids and reasons, for the log line of the run
        self.details: dict[str, Any] = {}
        self._context = ResponseContext({tool.name: tool for tool in tools}, request)
        #: index of an open block → its translator
        self._open_blocks: dict[int, BlockTranslator] = {}
        #: chunks that are held back until there is something to see
        self._held_back: list[ChunkVariant] = []
        #: where each block of the response is kept, in order
        self._slots: list[BlockSlot] = []
        self._call_ids = CallIds(used_ids)
        #: ids of the provider-executed calls
        self._provider_call_ids: set[str] = set()
        self._stop_reason: str | None = None
        self._prove = prove

    def feed(self, payloads: Iterable[bytes], out: list[ChunkVariant]) -> None:
        """Append the chunks of some events to `out`.

        Raises:
            ModelError: The provider failed, or sent what it never sends; the chunks of the events
                before are in `out`.
        """
        open_blocks = self._open_blocks
        try:
            for event in events.decode_all(payloads):
                if type(event) is events.BlockDelta:
                    block = open_blocks.get(event.index)
                    if block is None:
                        raise self._malformed("a delta came for a block that is not open")
                    chunk = block.delta(event.delta)
                    if chunk is not None:
                        out.append(chunk)
                elif event is not None:
                    self._handle(event, out)
                    if self.result is not None:
                        return
        except (events.MalformedEvent, msgspec.ValidationError) as error:
            raise self._malformed(f"an event is not what the API sends: {error}") from None

    def end_of_body(self, _: list[ChunkVariant]) -> None:
        """Note that the body has ended.

        Raises:
            ModelError: The response is not complete.
        """
        if self.result is None:
            self._complete()

    def _handle(self, event: events.Event, out: list[ChunkVariant]) -> None:
        match event:
            case events.BlockStart():
                self._start_block(event.index, event.content_block, out)
            case events.BlockStop():
                if block := self._open_blocks.pop(event.index, None):
                    self._end_block(block, out)
            case events.MessageStart():
                self._start_message(event.message, out)
            case events.MessageDelta():
                self.usage = merge_usage(self.usage, event.usage)
                self._stop_reason = event.delta.stop_reason or self._stop_reason
                self.details.update(without_none(msgspec.structs.asdict(event.delta)))
                if event.context_management is not None:
                    self.details["context_management"] = event.context_management
            case events.MessageStop():
                self._complete()
                self._write_last_chunks(out)
            case events.ErrorEvent():
                raise error_from_event(event.error, request_id=event.request_id)

    def _start_message(self, message: events.Message, out: list[ChunkVariant]) -> None:
        if "message_id" in self.details:
            if message.id == self.details["message_id"]:
                return
            raise self._malformed("a second message began inside the first")
        self.details["message_id"] = message.id
        self.details["model"] = message.model
        self.usage = merge_usage(self.usage, message.usage)
        if message.container is not None:
            self.details["container"] = message.container
        self._context.response_id = message.id or self._context.response_id
        metadata = anthropic_metadata(id=message.id, model=message.model, usage=message.usage)
        self._held_back.append(Custom(kind="anthropic.message_start", provider_metadata=metadata))
        self._stop_reason = message.stop_reason
        # Calls that the model's code made arrive whole, inside the start.
        for index, content in enumerate(message.content or ()):
            self._start_block(index, content, out)
            block = self._open_blocks.pop(index)
            tool_input = json_codec.encode(content.get("input") or {}).decode()
            if chunk := block.delta(events.InputJSONDelta(tool_input)):
                out.append(chunk)
            self._end_block(block, out)

    def _start_block(self, index: int, content: dict[str, Any], out: list[ChunkVariant]) -> None:
        if unfinished := self._open_blocks.pop(index, None):
            self._end_block(unfinished, out)
        content = self._call_ids.with_unique_ids(content)
        block_type = content.get("type")
        block = translator_class(block_type)(str(index), content, self._context)
        call_id = content.get("id")
        if block_type in ("server_tool_use", "mcp_tool_use") and isinstance(call_id, str):
            self._provider_call_ids.add(call_id)
        self._open_blocks[index] = block
        self._write(block.start(), out)

    def _end_block(self, block: BlockTranslator, out: list[ChunkVariant]) -> None:
        self._write(block.stop(), out)
        if block.slot is not None:
            self._slots.append(block.slot)

    def _write(self, variants: Sequence[ChunkVariant], out: list[ChunkVariant]) -> None:
        # As long as nothing was written, a failure can be retried without a trace.
        if variants and self._held_back:
            out += self._held_back
            self._held_back.clear()
        out += variants

    def _write_last_chunks(self, out: list[ChunkVariant]) -> None:
        """Write what is known only at the end."""
        out += self._held_back
        if not self._context.has_search_sources:
            out += self._context.late_sources
        metadata = record_metadata(
            self._context.response_id,
            self._slots,
            self._provider_call_ids,
            paused=self._is_paused,
            container=self.details.get("container"),
            prove=self._prove,
        )
        if metadata is not None:
            out.append(MessageMetadata(message_metadata=metadata))

    def _complete(self) -> None:
        if self._open_blocks:
            raise self._malformed("the response ended inside a content block")
        if self._stop_reason is None:
            raise self._malformed("the response ended without a stop reason")
        if self._stop_reason not in _FINISH_REASONS and not self._is_paused:
            _log.warning("unknown stop reason %s: the response ends", log_text(self._stop_reason))
        reason = _FINISH_REASONS.get(self._stop_reason, "other")
        refusal = self._explanation() if self._stop_reason == "refusal" else None
        self.result = StepResult(reason, paused=self._is_paused, refusal=refusal)

    def _explanation(self) -> str:
        """Return the API's explanation of why the model declined, if it gives one."""
        details = self.details.get("stop_details")
        explanation = details.get("explanation") if isinstance(details, dict) else None
        return explanation if isinstance(explanation, str) else ""

    @property
    def _is_paused(self) -> bool:
        return (self._stop_reason or "").startswith(_GOES_ON)

    @staticmethod
    def _malformed(text: str) -> ModelError:
        return ModelError(text, "truncated", retryable=True)
