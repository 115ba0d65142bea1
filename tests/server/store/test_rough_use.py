"""Callers that are cancelled, writers that meet, and chats that are long."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, update
from starlette.types import ASGIApp, Message, Scope
from ui_message_stream.chunks import ToolInputAvailable
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server import Agent, create_app
from usechat_server.client_history import CLIENT_HISTORY_KEY
from usechat_server.errors import StoreUnavailable
from usechat_server.store import tables
from usechat_server.store.sql import SqlChatStore

from tests.harness.live import ScriptedModel
from tests.harness.stores import (
    assistant_message,
    begin_turn,
    chat_request,
    checkpoint,
    complete_turn,
    describe_messages,
    message_ids,
    open_store,
    tool_call,
    user_message,
)


async def test_a_cancelled_write_happens_fully_or_not_at_all(store: SqlChatStore) -> None:
    """A user who leaves cancels the request, wherever it is."""
    chance = random.Random(1)
    for number in range(40):
        before = await describe_messages(store)
        turn = await store.turn(
            chat_request(message=user_message(f"u{number}")), None, NEWEST_CLIENT_VERSION
        )
        task = asyncio.create_task(store.begin(turn, run_id=f"r{number}"))
        for _ in range(chance.randrange(60)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        open_turns = [one.run_id for one in await store.open_turns()]
        grown = [*before, "user: Hello"]
        assert (await describe_messages(store), open_turns) in [
            (before, []),
            (grown, [f"r{number}"]),
        ]
        await store.interrupt(open_turns)
    # More were cancelled than there are connections.
    await asyncio.gather(
        *(
            complete_turn(store, f"s{n}", chat_id=f"s{n}", message=user_message("u"))
            for n in range(20)
        )
    )


async def test_writers_of_one_chat_wait_for_each_other(store: SqlChatStore, url: str) -> None:
    async with open_store(url) as other:
        for number in range(10):
            turn = await begin_turn(store, f"r{number}", message=user_message("u1"))
            message = UIMessage.from_object(assistant_message(turn.message_id, tool_call("t1")))
            asking = ToolInputAvailable(tool_call_id="t1", tool_name="clock", input={})
            await asyncio.gather(
                checkpoint(store, message, run_id=f"r{number}"),
                other.approvals.request(turn, asking),
                store.approvals.request(turn, asking),
                other.rename(None, "c1", "Title"),
                other.finish(turn, message, "aborted", (), run_id=f"r{number}"),
                store.interrupt([f"r{number}"]),
                other.delete(None, "c1"),
            )
            assert await store.get(None, "c1") is None
            assert await store.open_turns() == []


async def test_writers_of_a_file_get_their_turn_in_order(tmp_path: Path) -> None:
    """SQLite's own lock is not fair: some writers wait many seconds."""
    written: list[int] = []

    async def write(store: SqlChatStore, number: int) -> None:
        def work(connection: Connection) -> None:
            written.append(number)
            connection.execute(update(tables.chats).values(title=str(number)))

        await store.database.write(work)

    async with open_store(f"sqlite:///{tmp_path}/chats.db") as store:
        await asyncio.gather(*(write(store, number) for number in range(40)))
    assert written == list(range(40))


async def test_a_long_chat_can_be_continued(store: SqlChatStore) -> None:
    part = {"type": "text", "text": "y" * 4000}
    history = [user_message("u0")]
    for number in range(150):
        history.append(assistant_message(f"a{number}", part, metadata={CLIENT_HISTORY_KEY: True}))
        history.append(user_message(f"v{number}", "x" * 4000))
    await complete_turn(store, "r1", messages=history)
    await complete_turn(store, "r2", message=user_message("new"))
    stored = await store.get(None, "c1")
    assert stored is not None
    assert len(stored.messages) == 304
    assert [one.to_object() for one in stored.messages[:301]] == history


async def test_a_long_history_takes_no_more_statements_than_a_short_one(
    store: SqlChatStore,
) -> None:
    """Other users wait for the transaction of a new chat's history: on SQLite all writers do."""
    statements: list[str] = []

    def count(*arguments: Any) -> None:
        statements.append(arguments[2])

    async def begin(chat_id: str, length: int) -> list[str]:
        history = [user_message(f"u{number}") for number in range(length)]
        statements.clear()
        await begin_turn(store, chat_id, chat_id=chat_id, messages=history)
        return list(statements)

    event.listen(Engine, "before_cursor_execute", count)
    try:
        short = await begin("short", 2)
        assert await begin("long", 5000) == short
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert len(await message_ids(store, chat_id="long")) == 5000


async def test_chats_can_be_deleted_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = {"type": "text", "text": "y" * 100_000}
    async with open_store(f"sqlite:///{tmp_path}/chats.db") as store:
        await complete_turn(store, "r1", text, message=user_message("u1"), chat_id="big")
        turn = await begin_turn(store, "r2", message=user_message("u1"))
        disk = shutil.disk_usage(tmp_path)._replace(total=1_000_000, free=250_000)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: disk)
        with pytest.raises(StoreUnavailable, match="no space left"):
            await begin_turn(store, "r3", message=user_message("u1"), chat_id="new")
        message = UIMessage.from_object(assistant_message(turn.message_id))
        with pytest.raises(StoreUnavailable, match="no space left"):
            await store.finish(turn, message, "finished", (), run_id="r2")
        assert await store.delete(None, "big")
        assert await store.finish(turn, message, "finished", (), run_id="r2")
        await complete_turn(store, "r4", message=user_message("u1"), chat_id="new")
        assert await describe_messages(store, chat_id="new") == ["user: Hello", "assistant: Fine."]


async def test_a_cancelled_request_leaves_no_open_turn(store: SqlChatStore) -> None:
    """Some servers cancel the request of a client that has disconnected, wherever it is."""
    app = create_app(Agent(ScriptedModel()), store=store)
    chance = random.Random(2)
    for number in range(20):
        body = json.dumps({"id": f"c{number}", "message": user_message("u1")}).encode()
        request = asyncio.create_task(post(app, body))
        await asyncio.sleep(0)
        for _ in range(chance.randrange(150)):
            await asyncio.sleep(0)
        request.cancel()
        await asyncio.wait([request])
    await app.drain(20)
    assert await store.open_turns() == []


async def post(app: ASGIApp, body: bytes) -> None:
    """One request to the app, as its host hands it over."""
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/api/chat",
        "raw_path": b"/api/chat",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 1),
    }
    received = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        if (message := next(received, None)) is not None:
            return message
        await asyncio.Event().wait()  # the client stays connected
        raise AssertionError

    async def send(message: Message) -> None:
        pass

    await app(scope, receive, send)
