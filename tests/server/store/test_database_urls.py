"""The database URLs that hosting providers and other programs give out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, text
from usechat_server.store import schema
from usechat_server.store.database import Database
from usechat_server.store.database_url import parse_url
from usechat_server.store.sql import SqlChatStore

from tests.harness.pgbouncer import NOT_INSTALLED, find_pgbouncer, pgbouncer
from tests.harness.postgres import PostgresServer
from tests.harness.stores import complete_turn, describe_messages, user_message

NEON = "ep-cool-1-pooler.eu-central-1.aws.neon.tech"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            f"postgresql://me:hush@{NEON}/neondb?sslmode=require&channel_binding=require",
            {"host": NEON, "sslmode": "require", "channel_binding": "require"},
        ),
        (
            "postgresql://me:hush@db.test/x?options=endpoint%3Dep-cool-1",
            {"options": "endpoint=ep-cool-1"},
        ),
        (
            "postgres://postgres.ref:hush@aws-0.pooler.supabase.com:6543/postgres"
            "?pgbouncer=true&connection_limit=1&sslmode=require&supa=base-pooler.x",
            {"user": "postgres.ref", "port": "6543", "sslmode": "require"},
        ),
        (
            "postgresql://me:hush@x.rds.amazonaws.com:5432/x?sslmode=verify-full&sslrootcert=/b.pem",
            {"sslmode": "verify-full", "sslrootcert": "/b.pem"},
        ),
        ("postgresql://me:hush@monorail.proxy.rlwy.net:4321/railway", {"dbname": "railway"}),
        ("postgresql+asyncpg://me:hush@db.test/x?ssl=require", {"sslmode": "require"}),
        ("postgresql+psycopg://me:hush@db.test/x?ssl=true", {"sslmode": "require"}),
        (
            "postgresql://me:hush@a.test:1,b.test:2/x?target_session_attrs=read-write",
            {"host": "a.test,b.test", "port": "1,2", "target_session_attrs": "read-write"},
        ),
        ("postgresql:///x?host=%2Fvar%2Frun%2Fpostgresql", {"host": "/var/run/postgresql"}),
        ("postgresql://%2Fvar%2Frun/x?user=me", {"host": "/var/run", "user": "me"}),
        ("postgresql://me:h%40sh@[::1]:5/x", {"host": "::1", "password": "h@sh"}),
        # Settings of the server, as asyncpg passes on what it does not know.
        (
            "postgresql://me:hush@db.test/x?search_path=chats&timezone=UTC&application_name=a",
            {"options": "-c search_path=chats -c timezone=UTC", "application_name": "a"},
        ),
        (
            "postgresql://me:hush@db.test/x?schema=a%20b&options=-c%20geqo%3Doff",
            {"options": "-c geqo=off -c search_path=a\\ b"},
        ),
        ("postgresql://me:hush@db.test/x?database=y\n", {"dbname": "y"}),
    ],
)
def test_a_url_of_a_hosting_provider_is_understood(url: str, expected: dict[str, Any]) -> None:
    parsed = parse_url(url)
    parameters = conninfo_to_dict(parsed.address)
    assert {name: parameters.get(name) for name in expected} == expected
    assert {"pgbouncer", "connection_limit", "supa", "schema"}.isdisjoint(parameters)
    assert "hush" not in parsed.label


@pytest.mark.parametrize(
    "wrong",
    [
        "postgresql://me:h@ush@db.test/x",
        "postgresql://me:h/ush@db.test/x",
        "postgresql://me:h%zush@db.test/x",
        "postgresql://me:h%u@db.test/x?sslmode=require",
        "postgresql://me:hush@db.test/x?sslmode",
        "postgresql://me:hush@[::1/x",
        "mysql://me:hush@db.test/x",
        "postgresql:/me:hush@db.test/x",
    ],
)
def test_an_invalid_url_is_refused_without_its_password(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"^(invalid store URL|unsupported database)") as refusal:
        parse_url(wrong)
    assert "ush" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


async def test_settings_of_a_url_reach_the_server(postgres: PostgresServer) -> None:
    path = "search_path=chats,%20public"
    database = Database(f"{postgres.database()}&{path}&statement_timeout=1234&gssencmode=disable")

    def show(connection: Connection) -> tuple[Any, Any]:
        return (
            connection.scalar(text("SHOW search_path")),
            connection.scalar(text("SHOW statement_timeout")),
        )

    assert await database.read(show) == ("chats, public", "1234ms")
    await database.aclose()


async def test_pgbouncer_may_give_each_transaction_another_connection(
    postgres: PostgresServer,
) -> None:
    if find_pgbouncer() is None:
        pytest.skip(NOT_INSTALLED)
    with pgbouncer(postgres.database()) as url:
        store = SqlChatStore(url)
        await asyncio.gather(schema.upgrade(store.database), schema.upgrade(Database(url)))
        await store.open()

        async def chat(number: int) -> list[str]:
            for turn in range(3):
                message = user_message(f"u{turn}", f"{number}.{turn}")
                await complete_turn(
                    store, f"r{number}.{turn}", chat_id=f"c{number}", message=message
                )
            return await describe_messages(store, chat_id=f"c{number}")

        chats = await asyncio.gather(*map(chat, range(20)))
        await store.aclose()
    assert chats == [
        [text for turn in range(3) for text in (f"user: {number}.{turn}", "assistant: Fine.")]
        for number in range(20)
    ]
