"""What a page asks of a server that keeps its chats, over real sockets."""

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
    complete_turn,
    open_store,
    tool_call,
    user_message,
)


def chat_app(model: ScriptedModel, store: str | ChatStore | None = None) -> ChatApp:
    """Return an app whose users are named in the `x-user` header."""
    return create_app(Agent(model), user=user_from_header, anonymous=True, store=store)


class Page:
    """A signed-in person's page."""

    def __init__(self, server: LiveServer, person: str) -> None:
        self.server = server
        self.headers = {"x-user": person}

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        status: int = 200,
        client_version: str = "7.0.173",
    ) -> Any:
        """An answer of this status: its JSON, or its text."""
        headers = {**self.headers, "x-usechat-client": client_version}
        answered = self.server.request(method, path, body, headers)
        assert answered.status_code == status, answered.text
        kind = answered.headers.get("content-type", "")
        return answered.json() if kind == "application/json" else answered.text

    def say(self, chat_id: str, message_id: str, text: str = "Hello", **body: Any) -> Any:
        """A turn, read to its end."""
        body = {"id": chat_id, "message": user_message(message_id, text), **body}
        return chunks(self.ask("POST", "/api/chat", body))


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel()


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/chats.db"


@pytest.fixture
def server(model: ScriptedModel, store: str) -> Iterator[LiveServer]:
    with LiveServer(chat_app(model, store)) as server:
        yield server


@pytest.fixture
def ann(server: LiveServer) -> Page:
    return Page(server, "ann")


@contextmanager
def running(page: Page) -> Iterator[Iterator[str]]:
    """A turn in the chat c1 that has said all it has to say, and goes on: the lines that follow."""
    body = {"id": "c1", "message": user_message("u1")}
    url = f"{page.server.url}/api/chat"
    with httpx.stream("POST", url, json=body, headers=page.headers, timeout=DEADLINE) as answered:
        lines = answered.iter_lines()
        while "there" not in next(lines):
            pass
        yield lines


def filled(store: str, *parts: dict[str, Any]) -> str:
    """Stores an answer of these parts in Ann's chat c1; its id."""

    async def fill() -> str:
        async with open_store(store) as chats:
            return (
                await complete_turn(chats, "r0", *parts, user_id="ann", message=user_message("u0"))
            ).message_id

    return asyncio.run(fill())


def test_a_chat_as_it_is_kept(ann: Page, model: ScriptedModel) -> None:
    before = datetime.now(UTC)
    start, *_ = ann.say("c1", "u1", "What is\n the time?")
    ann.say("c1", "u2", "And now?")
    chat = ann.ask("GET", "/api/chat/c1")
    assert {key: chat[key] for key in ("id", "title", "activeRunId")} == {
        "id": "c1",
        "title": "What is the time?",
        "activeRunId": None,
    }
    assert before.isoformat()[:19] <= chat["createdAt"] < chat["updatedAt"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", chat["updatedAt"])
    first, told, second, _ = chat["messages"]
    assert first == user_message("u1", "What is\n the time?")
    assert second == user_message("u2", "And now?")
    assert told["id"] == start["messageId"]
    assert told["parts"] == [
        {"type": "step-start"},
        {"type": "text", "text": "Hello there", "state": "done"},
    ]
    # The model was told what is kept, though the page sent the newest message only.
    assert [one.id for one in model.calls[1].messages] == ["u1", told["id"], "u2"]


@pytest.mark.parametrize("chat_id", ["a/b", "a b", "ä/stop/x", "100%", "chats?x=1#y", "..x"])
def test_any_chat_id_can_be_asked_for(ann: Page, chat_id: str) -> None:
    ann.say(chat_id, "u1")
    path = f"/api/chat/{quote(chat_id, safe='')}"
    assert ann.ask("GET", path)["id"] == chat_id
    assert len(ann.ask("GET", f"{path}/branches")["branches"]) == 0
    ann.ask("DELETE", path, status=204)
    ann.ask("GET", path, status=404)


def test_a_new_title_stays(ann: Page) -> None:
    ann.say("c1", "u1", "Hello " * 50)
    [listed] = ann.ask("GET", "/api/chats")["chats"]
    assert len(listed["title"]) == 80
    assert listed["title"].endswith("…")
    renamed = ann.ask("PATCH", "/api/chat/c1", {"title": "  Täglich\0 \n 1 "})
    assert renamed["title"] == "Täglich 1"
    ann.say("c1", "u1", "Edited", messageId="u1")
    assert ann.ask("GET", "/api/chat/c1")["title"] == "Täglich 1"
    refused: list[Any] = [{}, {"title": 1}, {"title": " "}, {"title": "x" * 201}, [], "x"]
    for wrong in refused:
        assert "title" in ann.ask("PATCH", "/api/chat/c1", wrong, status=400)


def test_the_title_is_that_of_the_text_that_is_there(ann: Page) -> None:
    ann.say("c1", "u1", "One")
    ann.say("c1", "u1", "Eins", messageId="u1")
    assert ann.ask("GET", "/api/chat/c1")["title"] == "Eins"


def test_a_chat_of_somebody_else_is_like_none(server: LiveServer, ann: Page) -> None:
    ann.say("c1", "u1", "Secret")
    bob = Page(server, "bob")
    for method, path, body in [
        ("GET", "/api/chat/{}", None),
        ("GET", "/api/chat/{}?resume=1", None),
        ("GET", "/api/chat/{}/branches", None),
        ("PATCH", "/api/chat/{}", {"title": "Mine"}),
        ("DELETE", "/api/chat/{}", None),
    ]:
        foreign = bob.ask(method, path.format("c1"), body, status=404)
        assert foreign == bob.ask(method, path.format("none"), body, status=404)
        assert foreign == "There is no such chat."
    assert bob.ask("GET", "/api/chats")["chats"] == []
    # The id is free for a chat of his own.
    bob.say("c1", "u1", "Mine")
    assert len(bob.ask("GET", "/api/chat/c1")["messages"]) == 2
    assert ann.ask("GET", "/api/chat/c1")["messages"][0] == user_message("u1", "Secret")


def test_the_list_is_read_in_pages_while_chats_come_and_change(ann: Page) -> None:
    for number in range(7):
        ann.say(f"c{number}", "u1")
    first = ann.ask("GET", "/api/chats?limit=3")
    assert [chat["id"] for chat in first["chats"]] == ["c6", "c5", "c4"]
    ann.say("c7", "u1")  # a new one
    ann.say("c5", "u2")  # one that was told moves to the front
    ann.ask("DELETE", "/api/chat/c4", status=204)  # where the page ended
    second = ann.ask("GET", f"/api/chats?limit=3&cursor={first['nextCursor']}")
    assert [chat["id"] for chat in second["chats"]] == ["c3", "c2", "c1"]
    last = ann.ask("GET", f"/api/chats?limit=3&cursor={second['nextCursor']}")
    assert [chat["id"] for chat in last["chats"]] == ["c0"]
    assert last["nextCursor"] is None
    anew = ann.ask("GET", "/api/chats")
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
def test_what_is_no_page_is_refused(ann: Page, query: str, says: str) -> None:
    assert says in ann.ask("GET", f"/api/chats?{query}", status=400)


def test_a_page_that_comes_back_gets_the_running_answer_once(store: str) -> None:
    model = ScriptedModel(hold=True)
    with LiveServer(chat_app(model, store)) as server:
        page = Page(server, "ann")
        with running(page) as lines:
            resumed = page.ask("GET", "/api/chat/c1?resume=1")
            assert [message["id"] for message in resumed["messages"]] == ["u1"]
            assert resumed["activeRunId"]
            [listed] = page.ask("GET", "/api/chats")["chats"]
            assert listed["activeRunId"] == resumed["activeRunId"]
            model.release()
            rest = "\n".join(lines)
        assert '"finish"' in rest
        # Somebody else has got the end, and this page gets all of it all the same.
        whole = chunks(page.ask("GET", "/api/chat/c1/stream"))
        assert "".join(chunk.get("delta", "") for chunk in whole) == "Hello there"
        fetched = page.ask("GET", "/api/chat/c1?resume=1")
        assert [message["role"] for message in fetched["messages"]] == ["user", "assistant"]
        assert fetched["activeRunId"] is None
        page.ask("GET", "/api/chat/c1/stream", status=204)


def test_a_chat_that_is_deleted_stops(store: str) -> None:
    model = ScriptedModel(hold=True)
    with LiveServer(chat_app(model, store)) as server:
        page = Page(server, "ann")
        with running(page) as lines:
            page.ask("DELETE", "/api/chat/c1", status=204)
            assert model.closed.wait(DEADLINE)
            assert "[DONE]" in "\n".join(lines)
        page.ask("GET", "/api/chat/c1", status=404)
        assert page.ask("GET", "/api/chats")["chats"] == []


def test_nobody_comes_back_to_an_answer_of_a_deleted_chat(store: str) -> None:
    with LiveServer(chat_app(ScriptedModel(hold=True), store)) as server:
        page = Page(server, "ann")
        with running(page):
            pass  # it is gone before the end
        page.ask("DELETE", "/api/chat/c1", status=204)
        page.ask("GET", "/api/chat/c1/stream", status=204)


def test_an_answer_that_ends_while_its_chat_is_read_is_shown_whole(store: str) -> None:
    read, ended = threading.Event(), threading.Event()

    class Slow(SqlChatStore):
        async def get(self, person: str | None, chat_id: str) -> StoredChat | None:
            found = await super().get(person, chat_id)
            read.set()
            assert await asyncio.to_thread(ended.wait, DEADLINE)
            return found

    model = ScriptedModel(hold=True)
    with (
        LiveServer(chat_app(model, Slow(store))) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        page = Page(server, "ann")
        with running(page) as lines:
            loading = pool.submit(page.ask, "GET", "/api/chat/c1")
            assert read.wait(DEADLINE)
            model.release()
            assert "[DONE]" in "\n".join(lines)
        ended.set()
        loaded = loading.result()
        assert loaded["activeRunId"] is None
        assert loaded["messages"][1]["parts"][-1]["text"] == "Hello there"
        assert loaded["messages"][1]["parts"][-1]["state"] == "done"


def test_what_a_chat_cost_can_be_read(ann: Page) -> None:
    start, *_ = ann.say("c1", "u1")
    [turn] = ann.ask("GET", "/api/chat/c1/usage")["turns"]
    assert (turn["messageId"], turn["outcome"]) == (start["messageId"], "finished")
    assert turn["startedAt"] <= turn["endedAt"]
    assert [step["model"] for step in turn["steps"]] == ["scripted"]
    Page(ann.server, "bob").ask("GET", "/api/chat/c1/usage", status=404)


def test_what_was_replaced_can_be_read(ann: Page) -> None:
    ann.say("c1", "u1", "One")
    ann.say("c1", "u1", "Eins", messageId="u1")
    [branch] = ann.ask("GET", "/api/chat/c1/branches")["branches"]
    assert (branch["number"], branch["after"]) == (1, None)
    assert branch["messages"][0] == user_message("u1", "One")
    assert branch["messages"][1]["role"] == "assistant"


@pytest.mark.parametrize(
    ("client_version", "states", "kinds"),
    [
        ("5.0.92", ["output-error", "input-available"], []),
        ("6.0.0", ["output-denied", "approval-responded"], []),
        ("7.0.173", ["output-denied", "approval-responded"], ["custom"]),
    ],
)
def test_messages_are_written_for_the_reader(
    model: ScriptedModel, store: str, client_version: str, states: list[str], kinds: list[str]
) -> None:
    denied = {"id": "p1", "approved": False, "reason": "No."}
    filled(
        store,
        {"type": "custom", "kind": "anthropic.fallback"},
        tool_call("t1", "output-denied", approval=denied, title="Clock"),
        tool_call("t2", "approval-responded", approval={"id": "p2", "approved": True}),
    )
    with LiveServer(chat_app(model, store)) as server:
        chat = Page(server, "ann").ask("GET", "/api/chat/c1", client_version=client_version)
    parts = chat["messages"][1]["parts"]
    assert [part["state"] for part in parts if part["type"] == "tool-clock"] == states
    assert [part["type"] for part in parts if part["type"] == "custom"] == kinds
    assert ("title" in parts[-2]) == (client_version != "5.0.92")
    if client_version != "5.0.92":
        assert parts[-2]["approval"] == denied


def test_an_answer_that_was_cut_is_closed_when_the_server_starts(
    store: str, model: ScriptedModel
) -> None:
    async def cut() -> None:
        async with open_store(store) as chats:
            turn = await begin_turn(chats, "r1", "ann", message=user_message("u1"))
            half = assistant_message(
                turn.message_id, {"type": "text", "text": "Hel", "state": "streaming"}
            )
            assert await chats.checkpoint(turn, UIMessage.from_object(half), run_id="r1")

    asyncio.run(cut())
    with LiveServer(chat_app(model, store)) as server:
        page = Page(server, "ann")
        chat = page.ask("GET", "/api/chat/c1?resume=1")
        assert chat["activeRunId"] is None
        assert chat["messages"][1]["parts"][-1] == {"type": "text", "text": "Hel", "state": "done"}
        page.say("c1", "u2", "Go on")
        assert len(page.ask("GET", "/api/chat/c1")["messages"]) == 4


def test_a_store_that_is_away_is_told(postgres: PostgresServer, model: ScriptedModel) -> None:
    url = postgres.database()

    async def make() -> None:
        async with open_store(url):
            pass

    asyncio.run(make())
    with LiveServer(chat_app(model, SqlChatStore(url))) as server:
        page = Page(server, "ann")
        page.say("c1", "u1")
        postgres.stop()
        try:
            for method, path in [("GET", "/api/chats"), ("GET", "/api/chat/c1")]:
                assert "try again" in page.ask(method, path, status=503)
            said_now = {"id": "c1", "message": user_message("u2")}
            assert "try again" in page.ask("POST", "/api/chat", said_now, status=503)
        finally:
            postgres.start()
        page.say("c1", "u2")
        assert len(page.ask("GET", "/api/chat/c1")["messages"]) == 4


def test_without_a_store_there_are_no_chats(model: ScriptedModel) -> None:
    with LiveServer(chat_app(model)) as server:
        page = Page(server, "ann")
        page.ask("GET", "/api/chats", status=404)
        page.ask("GET", "/api/chat/c1", status=404)
        assert "stores no chats" in page.ask(
            "POST", "/api/chat", {"message": user_message("u1")}, status=400
        )
