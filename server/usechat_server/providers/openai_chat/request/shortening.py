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
from usechat_server.providers.openai_chat.request.content import merged

__all__ = ["shorten"]

Message = dict[str, Any]


def shorten(
    messages: Sequence[Message], new_message: Message | None, max_bytes: int
) -> list[Message]:
    """Return the end of a conversation, and of long tool outputs only the beginnings.

    Args:
        messages: The request's messages before the new one.
        new_message: The new message of the user, which stays, however long it is.
        max_bytes: What they may have together.
    """
    calls = sum(len(message.get("tool_calls", ())) for message in messages)
    max_length = max_output_bytes(max_bytes, calls)
    groups: list[list[Message]] = []
    for message in messages:
        if message["role"] == "tool":  # stays with the message that has its call
            groups[-1].append({**message, "content": cut(message["content"], max_length)})
        else:
            groups.append([_with_short_calls(message, max_length)])
    if new_message is not None:
        groups.append([new_message])
    kept = last_groups(groups, max_bytes)
    if len(kept) < sum(map(len, groups)):
        kept.insert(0, {"role": "user", "content": BEGINNING})
    shortened: list[Message] = []
    for message in kept:
        if shortened and shortened[-1]["role"] == message["role"] == "user":
            content = merged(shortened[-1]["content"], message["content"])
            shortened[-1] = {"role": "user", "content": content}
        else:
            shortened.append(message)
    return shortened


def _with_short_calls(message: Message, max_length: int) -> Message:
    if "tool_calls" not in message:
        return message
    note = json_codec.encode({"note": CUT_OFF}).decode()
    calls = [
        {**call, "function": {**call["function"], "arguments": note}}
        if len(call["function"]["arguments"].encode("utf-8", "replace")) > max_length
        else call
        for call in message["tool_calls"]
    ]
    return {**message, "tool_calls": calls}
