"""JSON that is nested deeply: one limit wherever the server reads, and no chat that it ends.

The server's threads have the stacks of musl (Alpine), 1 MiB, in which a parser that follows
the nesting further ends the process.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ui_message_stream.json_codec import TOO_DEEP
from usechat_server import Agent, create_app

from tests.harness.live import LiveServer, ScriptedModel, chunks, user
from tests.harness.stores import assistant_message, open_store

DEPTHS = (150, 200, 201, 205, 970, 5_000, 20_000)


def nested(levels: int) -> Any:
    """JSON with as many levels: `json.dumps` itself could not write the deepest ones."""
    return Raw(
        '{"a":[' * (levels // 2) + "[" * (levels % 2) + "]" * (levels % 2) + "]}" * (levels // 2)
    )


class Raw(str):
    """JSON text inside a value that `dumps` writes."""


def dumps(value: Any) -> bytes:
    texts: list[str] = []

    def replace(item: Any) -> Any:
        if isinstance(item, Raw):
            texts.append(item)
            return f"raw-{len(texts) - 1}-raw"
        if isinstance(item, dict):
            return {key: replace(child) for key, child in item.items()}
        return [replace(child) for child in item] if isinstance(item, list) else item

    text = json.dumps(replace(value))
    for index, raw in enumerate(texts):
        text = text.replace(f'"raw-{index}-raw"', raw)
    return text.encode()


def call(**fields: Any) -> dict[str, Any]:
    part = {"type": "tool-clock", "toolCallId": "t1", "state": "output-available"}
    return {**part, "input": {}, "output": 1, **fields}


FAILED_CALL = {"type": "tool-clock", "toolCallId": "t1", "state": "output-error", "errorText": "no"}

#: Where a client can put a deep value -> the history with it, before the question "Hello".
HISTORIES: dict[str, Any] = {
    "input": lambda deep: [user("Hi"), assistant_message("a1", call(input=deep))],
    "raw input": lambda deep: [
        user("Hi"),
        assistant_message("a1", {**FAILED_CALL, "rawInput": deep}),
    ],
    "output": lambda deep: [user("Hi"), assistant_message("a1", call(output=deep))],
    "data": lambda deep: [user("Hi"), assistant_message("a1", {"type": "data-x", "data": deep})],
    "metadata": lambda deep: [user("Hi"), assistant_message("a1", metadata=deep)],
    "provider metadata": lambda deep: [
        user("Hi"),
        assistant_message(
            "a1", {"type": "text", "text": "Hi", "providerMetadata": {"x": {"y": deep}}}
        ),
    ],
    "user metadata": lambda deep: [user("Hi", metadata=deep), assistant_message("a1")],
    "unknown field": lambda deep: [user("Hi", fresh=deep), assistant_message("a1")],
}


@pytest.fixture(scope="module")
def small_stacks() -> Iterator[None]:
    before = threading.stack_size(1 << 20)
    yield
    threading.stack_size(before)


@pytest.fixture(scope="module", params=["stored", "not stored"])
def server(
    request: pytest.FixtureRequest, small_stacks: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    store = None
    if request.param == "stored":
        store = f"sqlite:///{tmp_path_factory.mktemp('depth')}/chats.db"
    with LiveServer(create_app(Agent(ScriptedModel()), store=store)) as server:
        yield server


def post(server: LiveServer, body: Any) -> Any:
    return server.request("POST", "/api/chat", content=dumps(body))


@pytest.mark.parametrize("place", HISTORIES)
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_chat_with_deep_values_goes_on(server: LiveServer, place: str, depth: int) -> None:
    is_stored = server.request("GET", "/api/chats").status_code == 200
    chat_id = f"{place} {depth}"
    history = HISTORIES[place](nested(depth))
    for number in range(2):
        history.append(user("Hello", id=f"hello-{number}"))
        response = post(server, {"id": chat_id, "messages": history})
        assert response.status_code == 200, response.text
        assert [chunk["type"] for chunk in chunks(response.text)][-1] == "finish"
        if is_stored:
            stored = server.request("GET", f"/api/chat/{chat_id}")
            assert stored.status_code == 200
            assert TOO_DEEP in stored.text or depth <= 205 or place != "user metadata"
            assert TOO_DEEP not in stored.text or depth >= 200
            history = stored.json()["messages"]
    if is_stored:
        assert server.request("DELETE", f"/api/chat/{chat_id}").status_code == 204


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_deep_custom_field_is_refused(server: LiveServer, depth: int) -> None:
    for filler in ("", "x" * 1_100_000):  # longer bodies are parsed in a thread
        body = {
            "id": f"field {depth}",
            "messages": [user("Hello")],
            "x": nested(depth),
            "y": filler,
        }
        response = post(server, body)
        assert response.status_code == (200 if depth < 205 else 400)
        assert ("nested too deeply: at most 200 levels" in response.text) == (depth >= 205)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("text", ["[", '{"a":', '{"messages":[', '{"title":['])
def test_deep_json_that_is_not_closed_is_refused(server: LiveServer, depth: int, text: str) -> None:
    for method, path in (
        ("POST", "/api/chat"),
        ("POST", "/api/chat/c1/stop"),
        ("PATCH", "/api/chat/c1"),
    ):
        response = server.request(method, path, content=text.encode() * depth)
        assert response.status_code in (400, 404, 405, 413)


def test_a_deep_message_of_an_earlier_release_can_be_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/chats.db"

    async def create() -> None:
        async with open_store(url):
            pass

    asyncio.run(create())
    with LiveServer(create_app(Agent(ScriptedModel()), store=url)) as server:
        chunks(server.chat(user("Hello")).text)
        message = assistant_message("a1", call(output=nested(960)))
        with sqlite3.connect(tmp_path / "chats.db") as database:
            database.execute(
                "UPDATE usechat_messages SET content = ? WHERE role = 'assistant'",
                (dumps(message).decode(),),
            )
        stored = server.request("GET", "/api/chat/c1")
        assert TOO_DEEP in stored.text
        assert server.chat(user("Hello again", id="u2")).status_code == 200
