"""Stores for tests, and the requests and messages that fill them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server.chat_request import ChatRequest, parse_request
from usechat_server.coordination.ownership import Progress
from usechat_server.results import Outcome
from usechat_server.store import schema
from usechat_server.store.sql import SqlChatStore
from usechat_server.turn import Turn

__all__ = [
    "assistant_message",
    "begin_turn",
    "chat_request",
    "checkpoint",
    "complete_turn",
    "describe_messages",
    "message_ids",
    "open_store",
    "tool_call",
    "user_message",
]


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[SqlChatStore]:
    """Open a store whose tables exist, until the block ends."""
    store = SqlChatStore(url)
    await schema.upgrade(store.database)
    try:
        yield store
    finally:
        await store.aclose()


def user_message(message_id: str, text: str = "Hello", **fields: Any) -> dict[str, Any]:
    """Return a message of the user, as `useChat` sends it."""
    message = {"id": message_id, "role": "user", "parts": [{"type": "text", "text": text}]}
    return {**message, **fields}


def tool_call(call_id: str, state: str = "input-available", **fields: Any) -> dict[str, Any]:
    """Return a call of the tool `clock`."""
    part = {"type": "tool-clock", "toolCallId": call_id, "state": state, "input": {"zone": "UTC"}}
    return {**part, **fields}


def assistant_message(message_id: str, *parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a message of the assistant: one step with these parts, or with a text."""
    content = parts or ({"type": "text", "text": "Fine.", "state": "done"},)
    message = {"id": message_id, "role": "assistant", "parts": [{"type": "step-start"}, *content]}
    return {**message, **fields}


def chat_request(chat_id: str = "c1", **body: Any) -> ChatRequest:
    """Return the request of a body."""
    return parse_request(json.dumps({"id": chat_id, **body}).encode())


async def begin_turn(
    store: SqlChatStore, run_id: str, user_id: str | None = None, chat_id: str = "c1", **body: Any
) -> Turn:
    """Begin a turn."""
    turn = await store.turn(chat_request(chat_id, **body), user_id, NEWEST_CLIENT_VERSION)
    await store.begin(turn, run_id=run_id)
    return turn


async def checkpoint(
    store: SqlChatStore, message: UIMessage, *, run_id: str, epoch: int = 0
) -> bool:
    """Store the message of a run so far. Return whether the process of the store owns the run."""
    progress = Progress(run_id, epoch, message, log_id=run_id, log_position="1-0")
    renewal = await store.ownership.renew([progress])
    return (run_id, epoch) in renewal.owned


async def complete_turn(
    store: SqlChatStore,
    run_id: str,
    *parts: dict[str, Any],
    user_id: str | None = None,
    outcome: Outcome = "finished",
    **body: Any,
) -> Turn:
    """Begin a turn and finish it with a message of these parts, or with a text."""
    turn = await begin_turn(store, run_id, user_id, **body)
    message = UIMessage.from_object(assistant_message(turn.message_id, *parts))
    assert await store.finish(turn, message, outcome, (), run_id=run_id)
    return turn


async def describe_messages(
    store: SqlChatStore, user_id: str | None = None, chat_id: str = "c1"
) -> list[str]:
    """Describe the stored messages of a chat: role and texts, or the states of the calls."""
    stored = await store.get(user_id, chat_id)
    return [] if stored is None else [_describe(message) for message in stored.messages]


async def message_ids(
    store: SqlChatStore, user_id: str | None = None, chat_id: str = "c1"
) -> list[str]:
    """Return the ids of a chat's messages."""
    stored = await store.get(user_id, chat_id)
    return [] if stored is None else [message.id for message in stored.messages]


def _describe(message: UIMessage) -> str:
    parts = (part.to_object() for part in message.parts)
    texts = [
        part.get("text") or part.get("state") for part in parts if part["type"] != "step-start"
    ]
    return f"{message.role}: {', '.join(map(str, texts))}"
