"""Shorten the messages of a request that are too long for the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ui_message_stream import json_codec

from usechat_server.providers.history.shortening import (
    BEGINNING,
    CUT_OFF,
    cut,
    last_groups,
    max_output_bytes,
)
from usechat_server.providers.history.user_parts import text_block

__all__ = ["shorten"]


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
    max_length = max_output_bytes(max_bytes, calls)
    *older, last = [_with_short_blocks(message, max_length) for message in messages]
    if 0 < new_blocks < len(last["content"]):
        older.append({**last, "content": last["content"][:-new_blocks]})
        last = {**last, "content": last["content"][-new_blocks:]}
    groups = _groups([*older, last])
    kept = last_groups(groups, max_bytes)
    is_whole = len(kept) == sum(map(len, groups))
    beginning = [] if is_whole else [{"role": "user", "content": [text_block(BEGINNING)]}]
    shortened: list[dict[str, Any]] = []
    for message in (*beginning, *kept):
        if shortened and shortened[-1]["role"] == message["role"]:
            content = [*shortened[-1]["content"], *message["content"]]
            shortened[-1] = {**message, "content": content}
        else:
            shortened.append(message)
    return shortened


def _groups(messages: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the messages, in groups of those with calls and their results."""
    groups: list[list[dict[str, Any]]] = []
    for message in messages:
        if groups and any(block["type"] == "tool_result" for block in message["content"]):
            groups[-1].append(message)
        else:
            groups.append([message])
    return groups


def _with_short_blocks(message: dict[str, Any], max_length: int) -> dict[str, Any]:
    return {**message, "content": [_short(block, max_length) for block in message["content"]]}


def _short(block: dict[str, Any], max_length: int) -> dict[str, Any]:
    """Return a call, or its result, with at most that many bytes of what it contains."""
    if block["type"] == "tool_use" and len(json_codec.encode(block["input"])) > max_length:
        return {**block, "input": {"note": CUT_OFF}}
    if block["type"] != "tool_result" or "content" not in block:
        return block
    content = block["content"]
    text = content if isinstance(content, str) else "\n".join(each["text"] for each in content)
    return {**block, "content": cut(text, max_length)}
