"""The migrations make what the code expects; a database that is not ready is told readably."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from ui_message_stream.messages import UIMessage
from usechat_server.errors import StoreNotReady, StoreUnavailable
from usechat_server.results import Step, Usage
from usechat_server.store import schema
from usechat_server.store.database import Database
from usechat_server.store.sql import SqlChatStore
from usechat_server.store.tables import metadata

from tests.harness.postgres import PostgresServer
from tests.harness.stores import (
    assistant_message,
    begin_turn,
    complete_turn,
    describe_messages,
    user_message,
)


def differences(connection: Connection) -> list[object]:
    options = {"version_table": schema.VERSION_TABLE, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


async def execute(database: Database, statement: str) -> None:
    await database.write(lambda connection: connection.execute(text(statement)))


async def test_the_migrations_create_the_tables_of_the_code(url: str) -> None:
    database = Database(url)
    await schema.upgrade(database)
    assert await database.read(differences) == []
    indexes = await database.read(
        lambda connection: inspect(connection).get_indexes("usechat_turns")
    )
    # Autogeneration does not look at what an index leaves out.
    [partial] = [index for index in indexes if index["name"] == "ix_usechat_turns_open"]
    assert any("outcome IS NULL" in str(option) for option in partial["dialect_options"].values())
    await database.aclose()


async def test_concurrent_upgrades_wait_for_each_other(url: str) -> None:
    databases = [Database(url) for _ in range(8)]
    await asyncio.gather(*map(schema.upgrade, databases))
    assert [await schema.current(one) for one in databases] == [schema.newest()] * 8
    for one in databases:
        await one.aclose()


async def test_a_failed_upgrade_leaves_nothing_behind(url: str) -> None:
    database = Database(url)
    # The last table that the first migration makes.
    await execute(database, "CREATE TABLE usechat_approvals (id INTEGER)")
    with pytest.raises(StoreNotReady, match=r"^\S+ cannot be upgraded: .*already exists.*$"):
        await schema.upgrade(database)
    tables = await database.read(lambda connection: inspect(connection).get_table_names())
    assert tables == ["usechat_approvals"]
    await database.aclose()


async def test_a_new_file_needs_no_command(tmp_path: Path) -> None:
    store = SqlChatStore(f"sqlite:///{tmp_path}/new.db")
    await store.open()
    await complete_turn(store, "r1", message=user_message("u1"))
    assert await describe_messages(store) == ["user: Hello", "assistant: Fine."]
    await store.aclose()


async def test_a_new_postgresql_database_needs_the_command(postgres: PostgresServer) -> None:
    store = SqlChatStore(postgres.database())
    with pytest.raises(ValueError, match="Run: usechat-server db upgrade"):
        await store.open()
    await schema.upgrade(store.database)
    await store.open()
    await store.aclose()


@pytest.mark.parametrize(
    ("revision", "says"),
    [
        ("9999", "later release"),
        ("0001", "Run: usechat-server db upgrade"),
        (None, "Run: usechat-server db upgrade"),
    ],
)
async def test_the_tables_of_another_release_are_not_used(
    url: str, revision: str | None, says: str
) -> None:
    database = Database(url)
    await schema.upgrade(database)
    await execute(database, f"DELETE FROM {schema.VERSION_TABLE}")
    if revision is not None:
        await execute(database, f"INSERT INTO {schema.VERSION_TABLE} VALUES ('{revision}')")
    store = SqlChatStore(url)
    with pytest.raises(ValueError, match=says):
        await store.open()
    await store.aclose()
    await database.aclose()


async def test_the_tables_can_be_downgraded(url: str) -> None:
    database = Database(url)
    await schema.upgrade(database)

    def downgrade(connection: Connection) -> None:
        config = Config()
        folder = Path(schema.__file__).parent / "migrations"
        config.set_main_option("script_location", str(folder))
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")

    await database.write(downgrade)
    assert await schema.current(database) == "0001"
    await schema.upgrade(database)
    await schema.check(database)
    await database.aclose()


def test_the_apps_own_migrations_do_not_collide(url: str) -> None:
    # Both may use Alembic in one database; ours are named so that they do not meet.
    assert {table.name.partition("_")[0] for table in metadata.sorted_tables} == {"usechat"}
    assert schema.VERSION_TABLE.startswith("usechat_")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("mysql://localhost/chats", "unsupported database .mysql.*sqlite:///chats.db"),
        ("chats.db", "sqlite:///chats.db"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite://chats.db", "names no file"),
        ("", "invalid store URL"),
    ],
)
def test_an_unsupported_url_is_refused(wrong: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SqlChatStore(wrong)


def test_no_error_repeats_a_password() -> None:
    assert "hush" not in str(Database("postgresql://me:hush@127.0.0.1/chats"))
    with pytest.raises(ValueError, match="invalid store URL") as refusal:
        SqlChatStore("postgresql:/me:hush@127.0.0.1/chats")
    assert "hush" not in str(refusal.value)


def run_db(*arguments: str, store: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "usechat-server", "db", *arguments],
        env={**os.environ, "USECHAT_STORE": store},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_checks_and_creates_the_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/chats.db"
    missing = run_db("check", store=url)
    assert missing.returncode == 2
    assert "Run: usechat-server db upgrade" in missing.stderr
    upgraded = run_db("upgrade", "--store", url)
    assert (upgraded.returncode, upgraded.stderr) == (0, "")
    assert f"has revision {schema.newest()} now (before: no tables)" in upgraded.stdout
    ready = run_db("check", store=url)
    assert (ready.returncode, ready.stderr) == (0, "")
    assert schema.newest() in ready.stdout


def test_the_command_deletes_old_chats(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/chats.db"
    run_db("upgrade", store=url)
    pruned = run_db("prune", "--older-than", "90d", store=url)
    assert (pruned.returncode, pruned.stderr) == (0, "")
    assert "deleted 0 chats" in pruned.stdout
    for wrong in (
        ("prune",),
        ("prune", "--older-than", "3 weeks"),
        ("check", "--older-than", "1d"),
    ):
        failed = run_db(*wrong, store=url)
        assert failed.returncode == 2
        assert "90d" in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "USECHAT_STORE"),
        (
            ("--store", "sqlite:////nowhere/at/all/chats.db"),
            "folder does not exist: /nowhere/at/all",
        ),
        (("--store", "postgresql://me:hush@127.0.0.1:1/chats"), "store unavailable"),
    ],
)
def test_the_command_says_what_is_wrong(arguments: tuple[str, ...], says: str) -> None:
    failed = run_db("upgrade", *arguments)
    assert failed.returncode == 2
    assert says in failed.stderr
    assert "Traceback" not in failed.stderr
    assert "hush" not in failed.stderr


async def test_an_unavailable_database_is_reported_and_used_again(postgres: PostgresServer) -> None:
    store = SqlChatStore(postgres.database())
    await schema.upgrade(store.database)
    await complete_turn(store, "r1", message=user_message("u1"))
    postgres.stop()
    try:
        for _ in range(2):
            with pytest.raises(StoreUnavailable) as away:
                await store.get(None, "c1")
            assert away.value.status == 503
            assert "test1" not in away.value.text
    finally:
        postgres.start()
    assert await describe_messages(store) == ["user: Hello", "assistant: Fine."]
    await store.aclose()


async def test_the_query_of_the_docs_returns_the_usage_of_a_user(store: SqlChatStore) -> None:
    page = (Path(__file__).parents[3] / "docs" / "storage.md").read_text()
    [query] = re.findall(r"^```sql\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for run, user in (("r1", "ann"), ("r2", "ann"), ("r3", "bob")):
        turn = await begin_turn(store, run, user, message=user_message(f"u{run}"))
        message = UIMessage.from_object(assistant_message(turn.message_id))
        steps = [Step("small", Usage(input=2, output=3)), Step("big", Usage(input=5))]
        assert await store.finish(turn, message, "finished", steps, run_id=run)
    for deleted in (None, ("ann", "c1"), ("bob", "c1")):
        if deleted:  # what it cost stays
            assert await store.delete(*deleted)
        rows = await store.database.read(lambda connection: connection.execute(text(query)).all())
        assert sorted(map(tuple, rows)) == [("big", 10, None), ("small", 4, 6)]
    await store.delete_all("ann")
    rows = await store.database.read(lambda connection: connection.execute(text(query)).all())
    assert list(rows) == []


def test_a_store_works_in_any_event_loop(url: str) -> None:
    store = SqlChatStore(url)

    async def once(number: int) -> list[str]:
        if number == 0:
            await schema.upgrade(store.database)
        await complete_turn(store, f"r{number}", message=user_message(f"u{number}"))
        await store.aclose()
        messages = await describe_messages(store)  # it can be used again, too
        await store.aclose()
        return messages

    for number in range(2):
        assert len(asyncio.run(once(number))) == 2 * number + 2
