"""Stores of servers that share a Redis, which numbers the epochs of runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from usechat_server import Agent, Settings, create_app
from usechat_server.store import command

from tests.harness.live import LiveServer, ScriptedModel, chunks
from tests.harness.redis_server import RedisServer, redis_server
from tests.harness.stores import user_message


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def test_turns_are_stored(url: str, redis: RedisServer) -> None:
    asyncio.run(command.upgrade(url))
    secret = SecretStr("a secret of thirty-two characters or more")
    settings = Settings(redis_url=redis.url, secret=secret)
    app = create_app(Agent(ScriptedModel()), store=url, settings=settings)
    with LiveServer(app) as server:
        for number in (1, 2):
            body = {"id": "c1", "message": user_message(f"u{number}")}
            response = server.request("POST", "/api/chat", body)
            assert response.status_code == 200, response.text
            assert chunks(response.text)[-1]["type"] == "finish"
        messages = server.request("GET", "/api/chat/c1").json()["messages"]
        turns = server.request("GET", "/api/chat/c1/usage").json()["turns"]
    assert [message["role"] for message in messages] == ["user", "assistant"] * 2
    assert [turn["outcome"] for turn in turns] == ["finished"] * 2
