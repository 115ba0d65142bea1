"""A provider on a loopback port with the wire format of Chat Completions, including its faults.

    with FakeOpenAI() as provider:
        provider.script(Reply(message(thinking("Hmm."), text("Hello"))))
        client = AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="any")

Replies are written as those of `FakeProvider`, so that the same tests run over both APIs; chunks of
Chat Completions may stand between them. Requests that servers with this API would refuse (see
`fake_openai_rules`) get a 400.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tests.harness.fake_openai_rules import chat_request_errors
from tests.harness.fake_provider import Event, FakeProvider
from tests.harness.fake_provider_account import Account, Refusal

__all__ = ["DONE", "ChatAccount", "FakeOpenAI", "chunk"]

#: The end of a stream.
DONE = b"data: [DONE]\n\n"

#: Status and type of most errors.
_INVALID = 400, "invalid_request_error"

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "refusal": "content_filter",
}


class FakeOpenAI(FakeProvider):
    """The server. `field` is where it has its reasoning; OpenAI itself has none."""

    request_id_header = "x-request-id"

    def __init__(self, field: str | None = "reasoning_content") -> None:
        super().__init__()
        self._field = field

    def errors(self, request: Any) -> list[str]:
        return chat_request_errors(request, reasons=self._field is not None)

    def on_the_wire(self, events: Sequence[Event]) -> Sequence[Event]:
        return [sent for event in events for sent in self._chunks(event, events)]

    def encode(self, event: dict[str, Any] | bytes) -> bytes:
        if isinstance(event, bytes):
            return event
        data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        return f"data: {data}\n\n".encode("utf-8", "surrogatepass")

    def ping(self) -> bytes:
        return b": ping\n\n"

    def _chunks(self, event: Event, events: Sequence[Event]) -> Iterator[Event]:
        """Yield what this API sends for an event of the Messages API."""
        match event:
            case {"type": "message_start", "message": {"id": str(message_id), "model": model}}:
                start = chunk({"role": "assistant", "content": ""})
                yield {**start, "id": message_id, "model": model}
            case {"type": "content_block_start", "index": at, "content_block": block}:
                if block["type"] == "tool_use":
                    function = {"name": block["name"], "arguments": ""}
                    index = _call_index(events, at)
                    call = {"index": index, "id": block["id"], "type": "function"}
                    yield chunk({"tool_calls": [{**call, "function": function}]})
                elif block.get("text"):
                    yield chunk({"content": block["text"]})
            case {"type": "content_block_delta", "index": at, "delta": delta}:
                if delta["type"] == "text_delta":
                    yield chunk({"content": delta["text"]})
                elif delta["type"] == "thinking_delta" and self._field is not None:
                    yield chunk({self._field: delta["thinking"]})
                elif delta["type"] == "input_json_delta":
                    index = _call_index(events, at)
                    function = {"arguments": delta["partial_json"]}
                    yield chunk({"tool_calls": [{"index": index, "function": function}]})
            case {"type": "message_delta", "delta": delta}:
                reason = delta["stop_reason"]
                yield chunk({}, reason and _FINISH_REASONS.get(reason, reason))
            case {"type": "message_stop"}:
                yield {**chunk(), "usage": _usage(events)}
                yield DONE
            case {"type": "error", "error": error}:
                yield {"error": {"code": None, "param": None, **error}}
            case {"type": "ping"}:
                yield self.ping()
            case {"type": _}:
                pass
            case _:
                yield event


class ChatAccount(Account):
    """What servers with this API refuse because of what only they know."""

    def refusal(self, body: bytes) -> Refusal | None:
        return next(self._chat_refusals(body), None)

    def _chat_refusals(self, body: bytes) -> Iterator[Refusal]:
        if len(body) > self.max_bytes:
            yield 413, "", "Request Entity Too Large"
        if (tokens := len(body) // 4) > self.max_tokens:
            yield (
                *_INVALID,
                f"This model's maximum context length is {self.max_tokens} tokens. However, your "
                f"messages resulted in {tokens} tokens. Please reduce the length of the messages.",
            )
        for message in json.loads(body)["messages"]:
            content = message["content"]
            for part in content if isinstance(content, list) else ():
                url = part.get("image_url", {}).get("url", "data:")
                if not url.startswith(("data:", self.reachable)):
                    yield (*_INVALID, f"Error while downloading {url}.")
                file_id = part.get("file", {}).get("file_id")
                if file_id is not None and file_id not in self.files:
                    yield 404, "invalid_request_error", f"No such File object: {file_id}"


def chunk(delta: dict[str, Any] | None = None, finish_reason: str | None = None) -> dict[str, Any]:
    """Return a chunk; without a delta it has no choices."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl_fake",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": "gpt-fake",
        "choices": [] if delta is None else [choice],
        "usage": None,
    }


def _call_index(events: Sequence[Event], block_index: int) -> int:
    """Return the index of a call, which counts only calls."""
    return sum(
        isinstance(event, dict)
        and event.get("type") == "content_block_start"
        and event["content_block"]["type"] == "tool_use"
        and event["index"] < block_index
        for event in events
    )


def _usage(events: Sequence[Event]) -> dict[str, Any]:
    """Return the counts of a message, by this API's accounting."""
    counts: dict[str, int] = {}
    for event in events:
        if isinstance(event, dict) and event.get("type") in ("message_start", "message_delta"):
            usage = event.get("usage") or event.get("message", {}).get("usage") or {}
            counts.update({key: n for key, n in usage.items() if isinstance(n, int)})
    cached = counts.get("cache_read_input_tokens", 0)
    written = counts.get("cache_creation_input_tokens", 0)
    prompt = counts.get("input_tokens", 0) + cached + written
    completion = counts.get("output_tokens", 0)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
