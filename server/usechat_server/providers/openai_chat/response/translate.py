"""The chunks of a Chat Completions stream → UI message chunks.

Source of the rules: what the AI SDK's own server makes of the same stream; `docs/openai.md` lists
the differences, with reasons.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from ui_message_stream import chunks
from ui_message_stream.chunks import FinishReason
from ui_message_stream.versions import ChunkVariant

from usechat_server.errors import ModelError, log_text
from usechat_server.providers.base import StepResult
from usechat_server.providers.call_ids import CallIds
from usechat_server.providers.openai.errors import error_from_event
from usechat_server.providers.openai_chat.part_metadata import ReasoningField, reasoning_metadata
from usechat_server.providers.openai_chat.response import events
from usechat_server.providers.openai_chat.response.tool_calls import Call, ToolCalls
from usechat_server.providers.openai_chat.response.usage import merge_usage
from usechat_server.results import Usage
from usechat_server.tools import DeclaredTool

__all__ = ["ResponseTranslator"]

_log = logging.getLogger("usechat.openai")

#: Finish reason of a server, in lower case → finish reason of the client.
_FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "content-filter",
    "tool_calls": "tool-calls",
    "function_call": "tool-calls",
}
#: What the finish reasons of responses that the server broke off have in common: it failed, or it
#: gave the request up (vLLM and SGLang: `abort`; DeepSeek: `insufficient_system_resource`; …).
_FAILED = re.compile(r"error|fail|malformed")
_GIVEN_UP = re.compile(
    r"abort|cancel|interrupt|preempt|insufficient|overload|unavailable|time_?d?_?out|not_finished"
)

#: What some servers send as the finish reason before there is one.
_NO_REASONS = ("", "null")

_Prose = Literal["text", "reasoning"]


class ResponseTranslator:
    """Translates one response. `result` is set when the response is complete.

    Args:
        tools: The tools that the app or the client executes.
        used_ids: The ids of the conversation's tool calls so far.
    """

    def __init__(self, tools: Sequence[DeclaredTool] = (), used_ids: Iterable[str] = ()) -> None:
        self.result: StepResult | None = None
        self.usage: Usage = Usage()
        #: the provider's ids and reasons, for the log line of the run
        self.details: dict[str, Any] = {}
        self._calls = ToolCalls({tool.name: tool for tool in tools}, CallIds(used_ids).assign)
        #: the open part, and its id
        self._open: _Prose | None = None
        self._block_id = ""
        self._blocks = 0
        #: pieces of one part or call that are not written yet, and which one
        self._pieces: list[str] = []
        self._target: _Prose | Call | None = None
        #: whether the ids are known
        self._has_details = False
        self._source_urls: set[str] = set()
        self._has_refusal = False
        self._finish_reason: str | None = None

    def feed(self, payloads: Iterable[bytes], out: list[ChunkVariant]) -> None:
        try:
            for chunk in events.decode_all(payloads):
                if chunk is None:
                    self._complete(out)
                    return
                self._handle(chunk, out)
        except events.MalformedEvent as error:
            raise self._malformed(f"an event is not what servers send: {error}") from None
        finally:
            self._flush(out)

    def end_of_body(self, out: list[ChunkVariant]) -> None:
        if self.result is None:
            self._complete(out)

    def _handle(self, chunk: events.Chunk, out: list[ChunkVariant]) -> None:
        if chunk.error:
            raise error_from_event(chunk.error)
        if chunk.object == "error":
            raise error_from_event({"message": chunk.message, "code": chunk.code})
        if not self._has_details:
            self._read_details(chunk)
        if chunk.usage or chunk.x_groq:
            groq = chunk.x_groq.get("usage") if isinstance(chunk.x_groq, dict) else None
            self.usage = merge_usage(self.usage, chunk.usage or groq)
        if not chunk.choices:
            return
        choice = chunk.choices[0]  # only one is requested
        if choice.delta is not None:
            self._add(choice.delta, out)
        if choice.usage:
            self.usage = merge_usage(self.usage, choice.usage)
        if isinstance(choice.finish_reason, str) and choice.finish_reason not in _NO_REASONS:
            self._finish_reason = self.details["stop_reason"] = choice.finish_reason

    def _read_details(self, chunk: events.Chunk) -> None:
        for name, value in (("message_id", chunk.id), ("model", chunk.model)):
            if isinstance(value, str) and value:
                self.details.setdefault(name, value)
        self._has_details = {"message_id", "model"} <= self.details.keys()

    def _add(self, delta: events.Delta, out: list[ChunkVariant]) -> None:
        reasoning = delta.reasoning_content
        if type(reasoning) is str:
            self._add_reasoning(reasoning, "reasoning_content", out)
        elif type(delta.reasoning) is str:
            self._add_reasoning(delta.reasoning, "reasoning", out)
        if type(delta.content) is str:
            self._add_text(delta.content, out)
        elif delta.content:
            for text, is_thinking in _content_parts(delta.content):
                if is_thinking:
                    self._add_reasoning(text, "thinking", out)
                else:
                    self._add_text(text, out)
        if isinstance(delta.refusal, str) and delta.refusal:
            self._has_refusal = True
            self._add_text(delta.refusal, out)
        if delta.function_call is not None:
            self._add_call(events.ToolCall(index=0, function=delta.function_call), out)
        for call in delta.tool_calls or ():
            self._add_call(call, out)
        if delta.annotations:
            self._add_sources(delta.annotations, out)

    def _add_text(self, text: str, out: list[ChunkVariant]) -> None:
        if text:
            if self._open != "text":
                self._start_block("text", out)
                out.append(chunks.TextStart(id=self._block_id))
            self._add_piece("text", text, out)

    def _add_reasoning(self, text: str, field: ReasoningField, out: list[ChunkVariant]) -> None:
        if text:
            if self._open != "reasoning":
                self._start_block("reasoning", out)
                metadata = reasoning_metadata(field)
                out.append(chunks.ReasoningStart(id=self._block_id, provider_metadata=metadata))
            self._add_piece("reasoning", text, out)

    def _add_call(self, delta: events.ToolCall, out: list[ChunkVariant]) -> None:
        self._flush(out)
        if self._open == "reasoning":
            self._end_block(out)
        if added := self._calls.feed(delta, out):
            self._add_piece(*added, out)

    def _add_sources(self, annotations: Any, out: list[ChunkVariant]) -> None:
        self._flush(out)
        for url, title in _cited_urls(annotations):
            if url not in self._source_urls:
                self._source_urls.add(url)
                source_id = f"{self.details.get('message_id')}:source-{len(self._source_urls)}"
                out.append(chunks.SourceUrl(source_id=source_id, url=url, title=title))

    def _start_block(self, kind: _Prose, out: list[ChunkVariant]) -> None:
        self._end_block(out)
        self._open, self._block_id = kind, str(self._blocks)
        self._blocks += 1

    def _end_block(self, out: list[ChunkVariant]) -> None:
        self._flush(out)
        if self._open == "text":
            out.append(chunks.TextEnd(id=self._block_id))
        elif self._open == "reasoning":
            out.append(chunks.ReasoningEnd(id=self._block_id))
        self._open = None

    def _add_piece(self, target: _Prose | Call, piece: str, out: list[ChunkVariant]) -> None:
        """Append to a part or to a call. What one read brings of it becomes one chunk."""
        if target is not self._target:
            self._flush(out)
            self._target = target
        self._pieces.append(piece)

    def _flush(self, out: list[ChunkVariant]) -> None:
        """Write the pieces."""
        if not self._pieces:
            return
        text, target = "".join(self._pieces), self._target
        self._pieces.clear()
        if target == "text":
            out.append(chunks.TextDelta(id=self._block_id, delta=text))
        elif target == "reasoning":
            out.append(chunks.ReasoningDelta(id=self._block_id, delta=text))
        elif isinstance(target, Call) and target.chunks is not None:
            out.append(target.chunks.delta_chunk(text))

    def _complete(self, out: list[ChunkVariant]) -> None:
        if self._finish_reason is None:
            raise self._malformed("the response ended without a finish reason")
        reason = self._finish_reason.lower()
        text = f"the response ended with the reason {reason}"
        if _FAILED.search(reason):
            raise ModelError(text, "internal", retryable=True)
        if _GIVEN_UP.search(reason):
            raise ModelError(text, "overloaded", retryable=True)
        self._end_block(out)
        if self._calls.finish(out):
            raise self._malformed("a tool call has no name")
        if reason not in _FINISH_REASONS:
            _log.warning("unknown finish reason %s: the response ends", log_text(reason))
        finish_reason = _FINISH_REASONS.get(reason, "other")
        if finish_reason in ("stop", "tool-calls", "other") and len(self._calls):
            finish_reason = "tool-calls"  # servers often say "stop"
        elif finish_reason == "tool-calls":
            finish_reason = "stop"
        if self._has_refusal and finish_reason == "stop":
            # The model's own words are in the message.
            self.result = StepResult("content-filter")
        else:
            is_filtered = finish_reason == "content-filter"
            self.result = StepResult(finish_reason, refusal="" if is_filtered else None)

    @staticmethod
    def _malformed(text: str) -> ModelError:
        return ModelError(text, "truncated", retryable=True)


def _content_parts(content: Any) -> Iterator[tuple[str, bool]]:
    """Yield the texts of a content list, as Mistral sends it, and whether they are thinking."""
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, dict):
            continue
        if part.get("type") == "text" and isinstance(part.get("text"), str):
            yield part["text"], False
        elif part.get("type") == "thinking":
            thinking = part.get("thinking")
            if isinstance(thinking, str):
                yield thinking, True
            else:
                yield from ((text, True) for text, _ in _content_parts(thinking))


def _cited_urls(annotations: Any) -> Iterator[tuple[str, str | None]]:
    for annotation in annotations if isinstance(annotations, list) else ():
        citation = annotation.get("url_citation") if isinstance(annotation, dict) else None
        if isinstance(citation, dict) and isinstance(citation.get("url"), str):
            title = citation.get("title")
            yield citation["url"], title if isinstance(title, str) else None
