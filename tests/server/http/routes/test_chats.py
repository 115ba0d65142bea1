"""The endpoints of stored chats, over real sockets."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from ui_message_stream.messages import UIMessage
from usechat_server import Agent, ChatApp, create_app
from usechat_server.store.base import ChatStore, StoredChat
from usechat_server.store.sql import SqlChatStore

from tests.harness.common import DEADLINE, user_from_header
from tests.harness.live import LiveServer, ScriptedModel, chunks
from tests.harness.postgres import PostgresServer
from tests.harness.stores import (
    assistant_message,
    begin_turn,
    checkpoint,
    complete_turn,
    open_store,
    tool_call,
    user_message,
)


def chat_app(model: ScriptedModel, store: str | ChatStore | None = None) -> ChatApp:
    """Return an app whose users are named in the `x-user` header."""
    return create_app(Agent(model), user=user_from_header, anonymous=True, store=store)


class ChatClient:
    """A client of one user."""

    def __init__(self, server: LiveServer, user_id: str) -> None:
        self.server = server
        self.headers = {"x-user": user_id}

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        status: int = 200,
        client_version: str = "7.0.173",
    ) -> Any:
        """Send a request and return the JSON or the text of its response, which has this status."""
        headers = {**self.headers, "x-usechat-client": client_version}
        response = self.server.request(method, path, body, headers)
        assert response.status_code == status, response.text
        kind = response.headers.get("content-type", "")
        return response.json() if kind == "application/json" else response.text

    def send(self, chat_id: str, message_id: str, text: str = "Hello", **body: Any) -> Any:
        """Send a message and return the chunks of the whole response."""
        body = {"id": chat_id, "message": user_message(message_id, text), **body}
        return chunks(self.request("POST", "/api/chat", body))


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel()


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/chats.db"


@pytest.fixture
def server(model: ScriptedModel, store_url: str) -> Iterator[LiveServer]:
    with LiveServer(chat_app(model, store_url)) as server:
        yield server


@pytest.fixture
def ann(server: LiveServer) -> ChatClient:
    return ChatClient(server, "ann")


@contextmanager
def running_turn(client: ChatClient) -> Iterator[Iterator[str]]:
    """Run a turn in the chat c1 that has written its text and goes on; yield the next lines."""
    body = {"id": "c1", "message": user_message("u1")}
    url = f"{client.server.url}/api/chat"
    with httpx.stream("POST", url, json=body, headers=client.headers, timeout=DEADLINE) as response:
        lines = response.iter_lines()
        while "there" not in next(lines):
            pass
        yield lines


def store_response(store_url: str, *parts: dict[str, Any]) -> str:
    """Store a response with these parts in Ann's chat c1 and return its message id."""

    async def run() -> str:
        async with open_store(store_url) as store:
            return (
                await complete_turn(store, "r0", *parts, user_id="ann", message=user_message("u0"))
            ).message_id

    return asyncio.run(run())


def test_a_stored_chat_can_be_loaded(ann: ChatClient, model: ScriptedModel) -> None:
    before = datetime.now(UTC)
    start, *_ = ann.send("c1", "u1", "What is\n the time?")
    ann.send("c1", "u2", "And now?")
    chat = ann.request("GET", "/api/chat/c1")
    assert {key: chat[key] for key in ("id", "title", "activeRunId")} == {
        "id": "c1",
        "title": "What is the time?",
        "activeRunId": None,
    }
    assert before.isoformat()[:19] <= chat["createdAt"] < chat["updatedAt"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", chat["updatedAt"])
    first, response, second, _ = chat["messages"]
    assert first == user_message("u1", "What is\n the time?")
    assert second == user_message("u2", "And now?")
    assert response["id"] == start["messageId"]
    assert response["parts"] == [
        {"type": "step-start"},
        {"type": "text", "text": "Hello there", "state": "done"},
    ]
    # The model got the stored history, although the client sent only the newest message.
    assert [message.id for message in model.calls[1].messages] == ["u1", response["id"], "u2"]


@pytest.mark.parametrize("chat_id", ["a/b", "a b", "ä/stop/x", "100%", "chats?x=1#y", "..x"])
def test_a_chat_id_may_have_any_characters(ann: ChatClient, chat_id: str) -> None:
    ann.send(chat_id, "u1")
    path = f"/api/chat/{quote(chat_id, safe='')}"
    assert ann.request("GET", path)["id"] == chat_id
    assert len(ann.request("GET", f"{path}/branches")["branches"]) == 0
    ann.request("DELETE", path, status=204)
    ann.request("GET", path, status=404)


def test_a_new_title_stays(ann: ChatClient) -> None:
    ann.send("c1", "u1", "Hello " * 50)
    [listed] = ann.request("GET", "/api/chats")["chats"]
    assert len(listed["title"]) == 80
    assert listed["title"].endswith("…")
    renamed = ann.request("PATCH", "/api/chat/c1", {"title": "  Täglich\0 \n 1 "})
    assert renamed["title"] == "Täglich 1"
    ann.send("c1", "u1", "Edited", messageId="u1")
    assert ann.request("GET", "/api/chat/c1")["title"] == "Täglich 1"
    invalid: list[Any] = [{}, {"title": 1}, {"title": " "}, {"title": "x" * 201}, [], "x"]
    for body in invalid:
        assert "title" in ann.request("PATCH", "/api/chat/c1", body, status=400)


def test_the_title_is_that_of_the_current_text(ann: ChatClient) -> None:
    ann.send("c1", "u1", "One")
    ann.send("c1", "u1", "Eins", messageId="u1")
    assert ann.request("GET", "/api/chat/c1")["title"] == "Eins"


def test_another_users_chat_is_not_found(server: LiveServer, ann: ChatClient) -> None:
    ann.send("c1", "u1", "Secret")
    bob = ChatClient(server, "bob")
    for method, path, body in [
        ("GET", "/api/chat/{}", None),
        ("GET", "/api/chat/{}?resume=1", None),
        ("GET", "/api/chat/{}/branches", None),
        ("PATCH", "/api/chat/{}", {"title": "Mine"}),
        ("DELETE", "/api/chat/{}", None),
    ]:
        foreign = bob.request(method, path.format("c1"), body, status=404)
        assert foreign == bob.request(method, path.format("none"), body, status=404)
        assert foreign == "There is no such chat."
    assert bob.request("GET", "/api/chats")["chats"] == []
    # The id is free for a chat of his own.
    bob.send("c1", "u1", "Mine")
    assert len(bob.request("GET", "/api/chat/c1")["messages"]) == 2
    assert ann.request("GET", "/api/chat/c1")["messages"][0] == user_message("u1", "Secret")


def test_the_list_can_be_paged_while_chats_change(ann: ChatClient) -> None:
    for number in range(7):
        ann.send(f"c{number}", "u1")
    first = ann.request("GET", "/api/chats?limit=3")
    assert [chat["id"] for chat in first["chats"]] == ["c6", "c5", "c4"]
    ann.send("c7", "u1")  # a new one
    ann.send("c5", "u2")  # a message moves a chat to the front
    ann.request("DELETE", "/api/chat/c4", status=204)  # where the page of the list ended
    second = ann.request("GET", f"/api/chats?limit=3&cursor={first['nextCursor']}")
    assert [chat["id"] for chat in second["chats"]] == ["c3", "c2", "c1"]
    last = ann.request("GET", f"/api/chats?limit=3&cursor={second['nextCursor']}")
    assert [chat["id"] for chat in last["chats"]] == ["c0"]
    assert last["nextCursor"] is None
    anew = ann.request("GET", "/api/chats")
    assert [chat["id"] for chat in anew["chats"]][:3] == ["c5", "c7", "c6"]
    assert "messages" not in anew["chats"][0]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("limit=²", "limit"),
        ("cursor=none", "cursor"),
        ("cursor=", "cursor"),
        (f"cursor={'9' * 40}", "cursor"),
        ("cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OS4x", "cursor"),
    ],
)
def test_an_invalid_limit_or_cursor_is_refused(ann: ChatClient, query: str, says: str) -> None:
    assert says in ann.request("GET", f"/api/chats?{query}", status=400)


def test_a_client_that_reconnects_gets_the_running_response_once(store_url: str) -> None:
    model = ScriptedModel(hold=True)
    with LiveServer(chat_app(model, store_url)) as server:
        client = ChatClient(server, "ann")
        with running_turn(client) as lines:
            resumed = client.request("GET", "/api/chat/c1?resume=1")
            assert [message["id"] for message in resumed["messages"]] == ["u1"]
            assert resumed["activeRunId"]
            [listed] = client.request("GET", "/api/chats")["chats"]
            assert listed["activeRunId"] == resumed["activeRunId"]
            model.release()
            rest = "\n".join(lines)
        assert '"finish"' in rest
        # Another client received the end, and this one still gets all of it.
        whole = chunks(client.request("GET", "/api/chat/c1/stream"))
        assert "".join(chunk.get("delta", "") for chunk in whole) == "Hello there"
        fetched = client.request("GET", "/api/chat/c1?resume=1")
        assert [message["role"] for message in fetched["messages"]] == ["user", "assistant"]
        assert fetched["activeRunId"] is None
        client.request("GET", "/api/chat/c1/stream", status=204)


def test_deleting_a_chat_stops_its_run(store_url: str) -> None:
    model = ScriptedModel(hold=True)
    with LiveServer(chat_app(model, store_url)) as server:
        client = ChatClient(server, "ann")
        with running_turn(client) as lines:
            client.request("DELETE", "/api/chat/c1", status=204)
            assert model.closed.wait(DEADLINE)
            assert "[DONE]" in "\n".join(lines)
        client.request("GET", "/api/chat/c1", status=404)
        assert client.request("GET", "/api/chats")["chats"] == []


def test_the_response_of_a_deleted_chat_cannot_be_resumed(store_url: str) -> None:
    with LiveServer(chat_app(ScriptedModel(hold=True), store_url)) as server:
        client = ChatClient(server, "ann")
        with running_turn(client):
            pass  # the client disconnects before the end
        client.request("DELETE", "/api/chat/c1", status=204)
        client.request("GET", "/api/chat/c1/stream", status=204)


def test_a_run_that_ends_while_its_chat_is_loaded_is_shown_whole(store_url: str) -> None:
    read, ended = threading.Event(), threading.Event()

    class Slow(SqlChatStore):
        async def get(self, user: str | None, chat_id: str) -> StoredChat | None:
            stored = await super().get(user, chat_id)
            read.set()
            assert await asyncio.to_thread(ended.wait, DEADLINE)
            return stored

    model = ScriptedModel(hold=True)
    with (
        LiveServer(chat_app(model, Slow(store_url))) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        client = ChatClient(server, "ann")
        with running_turn(client) as lines:
            loading = pool.submit(client.request, "GET", "/api/chat/c1")
            assert read.wait(DEADLINE)
            model.release()
            assert "[DONE]" in "\n".join(lines)
        ended.set()
        loaded = loading.result()
        assert loaded["activeRunId"] is None
        assert loaded["messages"][1]["parts"][-1]["text"] == "Hello there"
        assert loaded["messages"][1]["parts"][-1]["state"] == "done"


def test_the_usage_of_a_chat_can_be_read(ann: ChatClient) -> None:
    start, *_ = ann.send("c1", "u1")
    [turn] = ann.request("GET", "/api/chat/c1/usage")["turns"]
    assert (turn["messageId"], turn["outcome"]) == (start["messageId"], "finished")
    assert turn["startedAt"] <= turn["endedAt"]
    assert [step["model"] for step in turn["steps"]] == ["scripted"]
    ChatClient(ann.server, "bob").request("GET", "/api/chat/c1/usage", status=404)


def test_branches_can_be_read(ann: ChatClient) -> None:
    ann.send("c1", "u1", "One")
    ann.send("c1", "u1", "Eins", messageId="u1")
    [branch] = ann.request("GET", "/api/chat/c1/branches")["branches"]
    assert (branch["number"], branch["after"]) == (1, None)
    assert branch["messages"][0] == user_message("u1", "One")
    assert branch["messages"][1]["role"] == "assistant"


def test_branches_and_usage_have_pages(ann: ChatClient) -> None:
    for text in ("One", "Two", "Three", "Four"):
        ann.send("c1", "u1", text, messageId="u1")
    for path, items, name, expected in [
        ("branches", "branches", "number", [1, 2, 3]),
        ("usage", "turns", "outcome", ["finished"] * 4),
    ]:
        url = f"/api/chat/c1/{path}?limit=2"
        first = ann.request("GET", url)
        rest = ann.request("GET", f"{url}&cursor={first['nextCursor']}")
        assert [item[name] for item in first[items] + rest[items]] == expected
        assert first[items] + rest[items] == ann.request("GET", f"/api/chat/c1/{path}")[items]
        assert rest["nextCursor"] is None
    ann.request("GET", "/api/chat/c1/branches?cursor=x", status=400)
    assert ann.request("GET", "/api/chat/c1/usage?cursor=x")["turns"] == []


@pytest.mark.parametrize(
    ("client_version", "states", "kinds"),
    [
        ("5.0.92", ["output-error", "input-available"], []),
        ("6.0.0", ["output-denied", "approval-responded"], []),
        ("7.0.173", ["output-denied", "approval-responded"], ["custom"]),
    ],
)
def test_messages_fit_the_client_version(
    model: ScriptedModel, store_url: str, client_version: str, states: list[str], kinds: list[str]
) -> None:
    denial = {"id": "p1", "approved": False, "reason": "No."}
    store_response(
        store_url,
        {"type": "custom", "kind": "anthropic.fallback"},
        tool_call("t1", "output-denied", approval=denial, title="Clock"),
        tool_call("t2", "approval-responded", approval={"id": "p2", "approved": True}),
    )
    with LiveServer(chat_app(model, store_url)) as server:
        chat = ChatClient(server, "ann").request(
            "GET", "/api/chat/c1", client_version=client_version
        )
    parts = chat["messages"][1]["parts"]
    assert [part["state"] for part in parts if part["type"] == "tool-clock"] == states
    assert [part["type"] for part in parts if part["type"] == "custom"] == kinds
    assert ("title" in parts[-2]) == (client_version != "5.0.92")
    if client_version != "5.0.92":
        assert parts[-2]["approval"] == denial


def test_a_response_that_a_process_left_is_continued_when_the_server_starts(
    store_url: str, model: ScriptedModel
) -> None:
    async def run_and_crash() -> None:
        async with open_store(store_url) as store:
            turn = await begin_turn(store, "r1", "ann", message=user_message("u1"))
            partial = assistant_message(
                turn.message_id, {"type": "text", "text": "Hel", "state": "streaming"}
            )
            assert await checkpoint(store, UIMessage.from_object(partial), run_id="r1")

    asyncio.run(run_and_crash())
    with LiveServer(chat_app(model, store_url)) as server:
        client = ChatClient(server, "ann")
        chat = client.request("GET", "/api/chat/c1?resume=1")
        # A client that resumes it waits for the lease of that process to expire.
        assert chat["activeRunId"] == "r1"
        resumed = server.request("GET", "/api/chat/c1/stream", headers={"x-user": "ann"})
        assert chunks(resumed.text)[-1]["type"] == "finish"
        client.send("c1", "u2", "Go on")
        assert len(client.request("GET", "/api/chat/c1")["messages"]) == 4


def test_an_unavailable_store_is_reported(postgres: PostgresServer, model: ScriptedModel) -> None:
    url = postgres.database()

    async def create_tables() -> None:
        async with open_store(url):
            pass

    asyncio.run(create_tables())
    with LiveServer(chat_app(model, SqlChatStore(url))) as server:
        client = ChatClient(server, "ann")
        client.send("c1", "u1")
        postgres.stop()
        try:
            for method, path in [("GET", "/api/chats"), ("GET", "/api/chat/c1")]:
                assert "try again" in client.request(method, path, status=503)
            body = {"id": "c1", "message": user_message("u2")}
            assert "try again" in client.request("POST", "/api/chat", body, status=503)
        finally:
            postgres.start()
        client.send("c1", "u2")
        assert len(client.request("GET", "/api/chat/c1")["messages"]) == 4


def test_without_a_store_there_are_no_chats(model: ScriptedModel) -> None:
    with LiveServer(chat_app(model)) as server:
        client = ChatClient(server, "ann")
        client.request("GET", "/api/chats", status=404)
        client.request("GET", "/api/chat/c1", status=404)
        assert "stores no chats" in client.request(
            "POST", "/api/chat", {"message": user_message("u1")}, status=400
        )
