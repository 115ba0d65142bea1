"""Stores for tests, and the requests and answers that fill them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server.chat_request import ChatRequest, parse_request
from usechat_server.results import Outcome
from usechat_server.store import schema
from usechat_server.store.sql import SqlChatStore
from usechat_server.turn import Turn

__all__ = ["answer", "asked", "begun", "call", "ids", "opened", "said", "texts", "user"]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[SqlChatStore]:
    """A store whose tables are made, until the block ends."""
    store = SqlChatStore(url)
    await schema.upgrade(store.database)
    try:
        yield store
    finally:
        await store.aclose()


def user(message_id: str, text: str = "Hello", **fields: Any) -> dict[str, Any]:
    """A message of the user, as `useChat` sends it."""
    said = {"id": message_id, "role": "user", "parts": [{"type": "text", "text": text}]}
    return {**said, **fields}


def call(call_id: str, state: str = "input-available", **fields: Any) -> dict[str, Any]:
    """A call of the tool `clock`."""
    made = {"type": "tool-clock", "toolCallId": call_id, "state": state, "input": {"zone": "UTC"}}
    return {**made, **fields}


def answer(message_id: str, *parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A message of the assistant: one step with these parts, or with a text."""
    told = parts or ({"type": "text", "text": "Fine.", "state": "done"},)
    head = {"id": message_id, "role": "assistant", "parts": [{"type": "step-start"}, *told]}
    return {**head, **fields}


def asked(chat_id: str = "c1", **body: Any) -> ChatRequest:
    """A request, as its body says."""
    return parse_request(json.dumps({"id": chat_id, **body}).encode())


async def begun(
    chats: SqlChatStore, run_id: str, person: str | None = None, chat_id: str = "c1", **body: Any
) -> Turn:
    """A turn that runs."""
    turn = await chats.turn(asked(chat_id, **body), person, NEWEST_CLIENT_VERSION)
    await chats.begin(turn, run_id=run_id)
    return turn


async def said(
    chats: SqlChatStore,
    run_id: str,
    *parts: dict[str, Any],
    person: str | None = None,
    outcome: Outcome = "finished",
    **body: Any,
) -> Turn:
    """A turn that ended with an answer of these parts, or with a text."""
    turn = await begun(chats, run_id, person, **body)
    message = UIMessage.from_object(answer(turn.message_id, *parts))
    assert await chats.finish(turn, message, outcome, (), run_id=run_id)
    return turn


async def texts(chats: SqlChatStore, person: str | None = None, chat_id: str = "c1") -> list[str]:
    """What is stored of a chat, in short: role and text (or the states of the calls)."""
    stored = await chats.get(person, chat_id)
    return [] if stored is None else [_short(message) for message in stored.messages]


async def ids(chats: SqlChatStore, person: str | None = None, chat_id: str = "c1") -> list[str]:
    """The ids of a chat's messages."""
    stored = await chats.get(person, chat_id)
    return [] if stored is None else [message.id for message in stored.messages]


def _short(message: UIMessage) -> str:
    parts = (part.to_object() for part in message.parts)
    told = [part.get("text") or part.get("state") for part in parts if part["type"] != "step-start"]
    return f"{message.role}: {', '.join(map(str, told))}"
