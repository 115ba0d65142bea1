"""Stores for tests, and the requests and answers that fill them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ui_message_stream.messages import UIMessage
from usechat_server.chats import schema
from usechat_server.chats.store import SqlChats
from usechat_server.request import ChatRequest, parse_request

__all__ = ["answer", "asked", "opened", "user"]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[SqlChats]:
    """A store whose tables are made, until the block ends."""
    store = SqlChats(url)
    await schema.upgrade(store.database)
    try:
        yield store
    finally:
        await store.aclose()


def user(message_id: str, said: str, **fields: Any) -> dict[str, Any]:
    """A message of the user, as `useChat` sends it."""
    return {
        "id": message_id,
        "role": "user",
        "parts": [{"type": "text", "text": said}],
        **fields,
    }


def answer(message_id: str, *parts: dict[str, Any], **fields: Any) -> UIMessage:
    """A message of the assistant, with a step around its parts; a text if none are given."""
    told = parts or ({"type": "text", "text": "Fine.", "state": "done"},)
    value = {"id": message_id, "role": "assistant", **fields}
    return UIMessage.from_object({**value, "parts": [{"type": "step-start"}, *told]})


def asked(chat_id: str | None = "c1", **body: Any) -> ChatRequest:
    """A request as its body says."""
    return parse_request(json.dumps({"id": chat_id, **body}).encode())
