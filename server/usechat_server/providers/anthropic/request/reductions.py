"""What to leave out of a request that the provider refused, and of a conversation too long for it.

A history may have what only the provider can judge: a link that has expired, an image that it
cannot decode, a deleted file, thinking of another account. The conversation must go on without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ui_message_stream import json_codec

__all__ = ["Reduction", "reductions", "shorten"]


@dataclass(frozen=True, slots=True)
class Reduction:
    """What is left out of the history. The new message is always sent whole.

    Attributes:
        container: The container that the model's code used.
        files: The files of older messages, and of tools.
        all_but_text: Everything but text and the app's tool calls, also files of the message that
            the response began to respond to.
        max_bytes: The beginning, and the ends of long tool outputs, so that what stays has at most
            this many bytes. None: neither.
    """

    container: bool = False
    files: bool = False
    all_but_text: bool = False
    max_bytes: int | None = None

    def __str__(self) -> str:
        """What is left out, for the log."""
        if self.max_bytes is not None:
            return f"all but {self.max_bytes} bytes of text"
        names = {
            "the container": self.container and not self.all_but_text,
            "older files": self.files and not self.all_but_text,
            "all but text": self.all_but_text,
        }
        return " and ".join(name for name, is_left_out in names.items() if is_left_out)


_ALL_BUT_TEXT = Reduction(container=True, files=True, all_but_text=True)

#: Statuses of a request that the provider refuses because of what is in it.
_REFUSALS = (400, 404, 413, 422)
_TOO_LONG = re.compile(
    r"too long|too large|exceed\w* (the )?(context|maximum|limit)|too many tokens"
)
#: `prompt is too long: 208310 tokens > 200000 maximum`, and
#: `input length and max_tokens exceed context limit: 178959 + 64000 > 200000`
_COUNTS = re.compile(r"(\d+)(?: tokens)?(?: \+ (\d+))? > (\d+)")
#: Part of the history that is kept if the provider does not say how much it takes.
_SHARE = 0.5
#: The estimate of bytes from tokens may be wrong by this much.
_MARGIN = 0.8


def reductions(
    current: Reduction, status: int, text: str, *, has_container: bool, history_bytes: int
) -> Iterator[Reduction]:
    """Yield what may be left out next, the least first.

    Args:
        current: What the refused request left out already.
        status: The HTTP status of the refusal.
        text: The provider's reason.
        has_container: Whether the request named a container.
        history_bytes: Bytes of the request's messages.
    """
    # A container that is gone is also a bare 500.
    if has_container and (status >= 500 or (status in _REFUSALS and "container" in text.lower())):
        yield replace(current, container=True)
    if status not in _REFUSALS:
        return
    yield replace(current, files=True)
    if status == 413 or _TOO_LONG.search(text.lower()):
        share = _share_that_fits(text)
        yield replace(_ALL_BUT_TEXT, max_bytes=int(history_bytes * share))
    elif current.max_bytes is None:
        yield _ALL_BUT_TEXT


def _share_that_fits(text: str) -> float:
    """Return the share of the history that the provider takes, as far as it says."""
    if (counts := _COUNTS.search(text)) is not None:
        tokens, max_tokens, limit = (int(count or 0) for count in counts.groups())
        if tokens > 0 and limit > max_tokens:
            return min((limit - max_tokens) / tokens * _MARGIN, _MARGIN)
    return _SHARE


_CUT_OFF = "… (The rest was left out: the conversation is too long.)"
_BEGINNING = {
    "type": "text",
    "text": "(The beginning was left out: the conversation is too long.)",
}


def shorten(
    messages: Sequence[dict[str, Any]], max_bytes: int, *, new_blocks: int
) -> list[dict[str, Any]]:
    """Return the end of a conversation, and of long tool outputs only the beginnings.

    Args:
        messages: The request's messages, with only text and the app's tool calls in them.
        max_bytes: What they may have together.
        new_blocks: Blocks of the new message, which stay, however long they are. They may be the
            end of the last message of the request. 0: all of that message stays.
    """
    calls = sum(block["type"] == "tool_use" for each in messages for block in each["content"])
    max_length = max_bytes // max(2 * calls, 8)
    *older, last = [_with_short_blocks(message, max_length) for message in messages]
    if 0 < new_blocks < len(last["content"]):
        older.append({**last, "content": last["content"][:-new_blocks]})
        last = {**last, "content": last["content"][-new_blocks:]}
    messages = [*older, last]
    start = end = len(messages)
    left = max_bytes
    while end > 0:
        end = _with_its_calls(messages, end - 1)
        left -= sum(map(_bytes, messages[end:start]))
        if left < 0 and start < len(messages):
            break
        start = end
    kept = messages[start:]
    beginning = [{"role": "user", "content": [_BEGINNING]}] if start > 0 else []
    shortened: list[dict[str, Any]] = []
    for message in (*beginning, *kept):
        if shortened and shortened[-1]["role"] == message["role"]:
            content = [*shortened[-1]["content"], *message["content"]]
            shortened[-1] = {**message, "content": content}
        else:
            shortened.append(message)
    return shortened


def _with_its_calls(messages: Sequence[dict[str, Any]], index: int) -> int:
    """Return where a message begins: with the calls that it has the results of."""
    while index > 0 and any(b["type"] == "tool_result" for b in messages[index]["content"]):
        index -= 1
    return index


def _with_short_blocks(message: dict[str, Any], max_length: int) -> dict[str, Any]:
    return {**message, "content": [_short(block, max_length) for block in message["content"]]}


def _short(block: dict[str, Any], max_length: int) -> dict[str, Any]:
    """Return a call, or its result, with at most that many bytes of what it contains."""
    if block["type"] == "tool_use" and len(json_codec.encode(block["input"])) > max_length:
        return {**block, "input": {"note": _CUT_OFF}}
    if block["type"] != "tool_result" or "content" not in block:
        return block
    content = block["content"]
    text = content if isinstance(content, str) else "\n".join(each["text"] for each in content)
    return {**block, "content": text if len(text) <= max_length else text[:max_length] + _CUT_OFF}


def _bytes(message: dict[str, Any]) -> int:
    return len(json_codec.encode(message))
