"""What an agent sends to the fake provider."""

from __future__ import annotations

import asyncio
from typing import Any

from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION
from usechat_server import Agent, ClientTool, Turn

from tests.harness.fake_provider import FakeProvider, RecordedRequest
from tests.server.providers.anthropic.messages import (
    STEP_START,
    assistant_message,
    text_part,
    user_message,
)

__all__ = ["CLOCK", "MODEL", "read_response", "response_message", "sent_request"]

MODEL = "claude-sonnet-5-5"
CLOCK = ClientTool("clock", "The time.", {"type": "object"})


def response_message(*parts: dict[str, Any], message_id: str = "a") -> UIMessage:
    return assistant_message(STEP_START, *parts, message_id=message_id)


async def read_response(agent: Agent, turn: Turn) -> None:
    """Call the model, and read its response."""
    stream = agent.spec.first_call(turn)
    assert stream is not None
    async for _ in stream:
        pass


def sent_request(provider: FakeProvider, agent: Agent, *history: UIMessage) -> RecordedRequest:
    """Return the request that an agent sends for a history."""
    messages = list(history) or [user_message(text_part("Hi"))]
    turn = Turn(None, "c", DEFAULT_CLIENT_VERSION, messages, message_id="new")

    async def call() -> None:
        await read_response(agent, turn)
        await agent.spec.model.aclose()

    before = len(provider.requests)
    asyncio.run(call())
    return next(r for r in provider.requests[before:] if r.path.endswith("/messages"))
