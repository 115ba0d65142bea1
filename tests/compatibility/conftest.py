"""Copies of the data of earlier releases, each in a database or Redis of its own."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg  # type: ignore[import-untyped]
import pytest

from tests.compatibility.backend import DATA, upgrade
from tests.harness.fake_provider import FakeProvider
from tests.harness.postgres import NOT_INSTALLED, PostgresServer, found, postgres_server
from tests.harness.redis_server import RedisServer, redis_server

_numbers = itertools.count(1)


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with FakeProvider() as server:
        yield server


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    if found() is None:
        pytest.skip(NOT_INSTALLED)
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of the stored chats, as an operator gets them ready for this release."""
    if request.param == "sqlite":
        file = tmp_path_factory.mktemp("original") / "chats.db"
        shutil.copy(DATA / "chats.db", file)
        url = f"sqlite:///{file}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.database()
        asyncio.run(_execute(url, (DATA / "chats.sql").read_text(encoding="utf-8")))
    upgrade(url)
    return url


@pytest.fixture
def store(original: str, tmp_path: Path) -> str:
    """The URL of a copy that the test may change."""
    if original.startswith("sqlite"):
        source = sqlite3.connect(original.removeprefix("sqlite:///"))
        target = sqlite3.connect(tmp_path / "chats.db")
        source.backup(target)
        source.close()
        target.close()
        return f"sqlite:///{tmp_path}/chats.db"
    name = urlsplit(original).path[1:]
    copy = f"{name}_copy{next(_numbers)}"
    asyncio.run(_execute(original, f"CREATE DATABASE {copy} TEMPLATE {name}", "postgres"))
    return original.replace(f"/{name}?", f"/{copy}?")


async def _execute(url: str, statements: str, database: str | None = None) -> None:
    connection = await asyncpg.connect(url, database=database)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()
