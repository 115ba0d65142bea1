"""What an error of the database means: the operator's mistake, an outage, a value, or a bug."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Integer, cast, exc, func, literal, select, text
from starlette.types import Message
from ui_message_stream.messages import UIMessage
from usechat_server import Agent, create_app
from usechat_server.errors import StoreNotReady, StoreUnavailable
from usechat_server.results import Step, Usage
from usechat_server.store import schema
from usechat_server.store.database import Database
from usechat_server.store.database_errors import DataRefused
from usechat_server.store.sql import SqlChatStore
from usechat_server.store.tables import chats

from tests.harness.postgres import PostgresServer
from tests.harness.stores import (
    assistant_message,
    begin_turn,
    complete_turn,
    describe_messages,
    user_message,
)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(lambda: select(chats).where(chats.c.created_at == 10**30), id="big number"),
        pytest.param(lambda: select(chats).where(chats.c.created_at == 10**5000), id="bigger"),
        pytest.param(
            lambda: select(chats).where(chats.c.owner == "a\ud83d"), id="half a character"
        ),
        pytest.param(lambda: select(chats).where(chats.c.owner == "a\0"), id="NUL"),
    ],
)
async def test_a_value_that_the_database_does_not_take_is_no_outage(
    store: SqlChatStore, value: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    with suppress(DataRefused):  # SQLite takes NUL
        assert await store.database.read(lambda there: there.execute(value()).all()) == []
        return
    [record] = caplog.records
    assert record.message.startswith("a value was refused: ")
    assert "\n" not in record.message


@pytest.mark.parametrize(
    ("message_id", "step", "kept"),
    [
        (None, Step("big", Usage(output=10**30)), ["user: Hello", "assistant: Fine."]),
        (None, Step("\ud83d", Usage()), ["user: Hello", "assistant: Fine."]),
        ("\ud83d", Step("big", Usage()), ["user: Hello"]),
    ],
)
async def test_a_turn_ends_without_what_the_database_refuses(
    store: SqlChatStore, message_id: str | None, step: Step, kept: list[str]
) -> None:
    turn = await begin_turn(store, "r1", message=user_message("u1"))
    message = UIMessage.from_object(assistant_message(message_id or turn.message_id))
    assert await store.finish(turn, message, "finished", [step], run_id="r1")
    assert await describe_messages(store) == kept
    [stored] = await store.turns(None, "c1") or []
    assert (stored.outcome, stored.steps) == ("finished", [])
    await begin_turn(store, "r2", message=user_message("u2"))


async def test_a_value_that_is_too_long_is_no_outage(store: SqlChatStore) -> None:
    is_file = store.database.is_file
    too_long = func.zeroblob(2**31 - 1) if is_file else func.repeat("x", 2**31 - 1)
    with pytest.raises(DataRefused):
        await store.database.read(lambda connection: connection.execute(select(too_long)).all())


async def test_a_bug_is_no_outage(store: SqlChatStore) -> None:
    with pytest.raises(exc.DBAPIError):
        await store.database.read(lambda there: there.execute(text("SELECT nonsense")).all())
    await complete_turn(store, "r1", message=user_message("u1"))
    assert await describe_messages(store) == ["user: Hello", "assistant: Fine."]


def not_a_database(folder: Path, postgres: PostgresServer) -> str:
    (folder / "chats.db").write_text("Dear diary, " * 1000)
    return f"sqlite:///{folder}/chats.db"


def a_directory(folder: Path, postgres: PostgresServer) -> str:
    (folder / "chats.db").mkdir()
    return f"sqlite:///{folder}/chats.db"


def without_tables(folder: Path, postgres: PostgresServer) -> str:
    return postgres.database()


@pytest.mark.parametrize(
    ("make_url", "says"),
    [
        (not_a_database, "file is not a database"),
        (a_directory, "unable to open database file"),
        (without_tables, "Run: usechat-server db upgrade"),
    ],
)
async def test_the_start_reports_a_mistake_of_the_operator_in_one_line(
    make_url: Callable[[Path, PostgresServer], str],
    says: str,
    tmp_path: Path,
    postgres: PostgresServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = create_app(Agent("demo"), store=make_url(tmp_path, postgres))
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        sent.append(message)

    with pytest.raises(StoreNotReady, match=says):
        await app({"type": "lifespan", "app": app, "state": {}}, receive, send)
    assert sent == [{"type": "lifespan.startup.failed", "message": ""}]  # no traceback
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert says in record.message
    assert "\n" not in record.message
    assert record.exc_info is None


@pytest.mark.parametrize(
    "change",
    [
        "dbname=nope",
        "user=nope",
        "options=-c%20nonsense%3D1",
        "channel_binding=require",
        "target_session_attrs=standby",
        "sslmode=nonsense",
        "port=1",
        "host=nowhere.invalid",
    ],
)
async def test_a_refused_connection_is_reported_in_one_line(
    change: str, postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(f"{postgres.database()}&{change}")
    with pytest.raises(StoreUnavailable):
        await schema.check(database)
    [record] = caplog.records
    assert record.message.startswith("store unavailable: postgresql://")
    assert len(record.message) > len(f"store unavailable: {database}: ")
    assert "\n" not in record.message
    await database.aclose()


async def test_missing_rights_are_the_operators_mistake(postgres: PostgresServer) -> None:
    url = postgres.database()
    owner = Database(url)
    await schema.upgrade(owner)
    await owner.write(lambda connection: connection.execute(text("CREATE ROLE guest LOGIN")))
    guest = SqlChatStore(url.replace("test@", "guest@"))
    with pytest.raises(StoreNotReady, match="permission denied"):
        await guest.open()
    await guest.aclose()
    await owner.aclose()


async def test_a_transaction_that_takes_too_long_ends(store: SqlChatStore) -> None:
    """On SQLite, all other writers wait for it."""

    def never_end(connection: Connection) -> None:
        while True:
            connection.execute(select(cast(literal("1"), Integer)))

    with pytest.raises(StoreUnavailable):
        await store.database.write(never_end, seconds=0.05)
    await complete_turn(store, "r1", message=user_message("u1"))
    assert await describe_messages(store) == ["user: Hello", "assistant: Fine."]
