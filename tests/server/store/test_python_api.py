"""The store as an app uses it itself."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from usechat_server import Agent, create_app
from usechat_server.store import Chat, ChatPage, SqlChatStore, StoredChat, retention, rows

from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer, ScriptedModel, text
from tests.harness.stores import begin_turn, complete_turn, describe_messages, user_message
from tests.harness.stream_client import StreamClient

DOCS = Path(__file__).parents[3] / "docs" / "storage.md"


async def test_an_app_lists_reads_renames_and_deletes_chats(store: SqlChatStore) -> None:
    for chat_id in ("c1", "c2", "c3"):
        await complete_turn(
            store, f"r-{chat_id}", user_id="ann", chat_id=chat_id, message=user_message("u1")
        )
    newest = await store.list("ann", cursor=None, limit=2)
    assert isinstance(newest, ChatPage)
    assert [chat.id for chat in newest.chats] == ["c3", "c2"]
    rest = await store.list("ann", newest.next_cursor, 2)
    assert ([chat.id for chat in rest.chats], rest.next_cursor) == (["c1"], None)

    stored = await store.get("ann", "c1")
    assert isinstance(stored, StoredChat)
    assert [message.role for message in stored.messages] == ["user", "assistant"]
    renamed = await store.rename("ann", "c1", "Holidays")
    assert isinstance(renamed, Chat)
    assert renamed.title == "Holidays"
    assert await store.delete("ann", "c1")

    assert await store.get("ann", "c1") is None
    assert await store.get("bob", "c2") is None
    assert await store.rename("bob", "c2", "Mine") is None
    assert not await store.delete("bob", "c2")


async def test_the_snippet_of_the_docs_exports_the_chats_of_a_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    snippets = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    [snippet] = [snippet for snippet in snippets if "export" in snippet]
    names: dict[str, Any] = {}
    exec(snippet, names)
    store: SqlChatStore = names["store"]
    await store.open()
    for name in ("ann", "bob"):
        await complete_turn(store, f"r-{name}", user_id=name, message=user_message("u1"))
    [chat] = await names["export"]("ann")
    assert [message["role"] for message in chat["messages"]] == ["user", "assistant"]
    await store.aclose()


async def test_all_chats_of_a_user_are_deleted(store: SqlChatStore) -> None:
    for number in range(3):
        for user in ("ann", "bob"):
            await complete_turn(
                store,
                f"r-{user}-{number}",
                user_id=user,
                chat_id=f"c{number}",
                message=user_message("u1"),
            )
    assert await store.delete_all("ann") == 3
    assert (await store.list("ann", None, 10)).chats == []
    assert len((await store.list("bob", None, 10)).chats) == 3


async def test_old_chats_are_pruned(store: SqlChatStore, monkeypatch: pytest.MonkeyPatch) -> None:
    now = rows.now()
    a_day = 24 * 3600 * 1_000_000
    monkeypatch.setattr(rows, "now", lambda: now - 100 * a_day)
    for number in range(retention.BATCH + 1):
        message = user_message("u1")
        await complete_turn(store, f"r{number}", chat_id=f"old{number}", message=message)
    await begin_turn(store, "running", chat_id="running", message=user_message("u1"))
    await complete_turn(store, "first", chat_id="kept", message=user_message("u1"))
    monkeypatch.setattr(rows, "now", lambda: now)
    await complete_turn(store, "edit", chat_id="kept", message=user_message("u1", "Edited"))
    await complete_turn(store, "new", chat_id="new", message=user_message("u1"))
    assert await store.prune(timedelta(days=90)) == retention.BATCH + 1
    kept = {chat.id for chat in (await store.list(None, None, 10)).chats}
    assert kept == {"running", "kept", "new"}
    assert await describe_messages(store, chat_id="kept") == ["user: Edited", "assistant: Fine."]
    assert await store.branches(None, "kept") == []
    assert await store.prune(timedelta(days=90)) == 0


def test_a_deletion_in_an_app_stops_the_run(tmp_path: Path) -> None:
    store = SqlChatStore(f"sqlite:///{tmp_path}/chats.db")
    model = ScriptedModel(*text("Hello"), hold=True)
    chat = create_app(Agent(model), store=store)

    async def delete(_: Request) -> Response:
        return Response(status_code=204 if await store.delete(None, "c1") else 404)

    routes = [Route("/delete", delete, methods=["POST"]), Mount("/", chat)]
    with LiveServer(Starlette(routes=routes, lifespan=chat.lifespan)) as server:
        body = {"id": "c1", "messages": [user_message("u1")]}
        with StreamClient("POST", f"{server.url}/api/chat", body) as client:
            client.wait_for_text("Hello")
            assert server.request("POST", "/delete").status_code == 204
            assert client.end().chunks[-1]["type"] == "abort"
        assert model.closed.wait(DEADLINE)
        assert server.request("GET", "/api/chat/c1").status_code == 404
