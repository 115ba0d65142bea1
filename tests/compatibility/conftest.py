"""Copies of the data of earlier releases, each in a database or Redis of its own."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.compatibility.backend import DATA, upgrade
from tests.harness.fake_provider import FakeProvider
from tests.harness.postgres import NOT_INSTALLED, PostgresServer, binary_directory, postgres_server
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
    if binary_directory() is None:
        pytest.skip(NOT_INSTALLED)
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def released(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of the stored chats as the release left them."""
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("released")
        shutil.copy(DATA / "chats.db", folder)
        return f"sqlite:///{folder}/chats.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.database()
    _execute(url, (DATA / "chats.sql").read_text(encoding="utf-8"))
    return url


@pytest.fixture(scope="session")
def upgraded(released: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a copy, as an operator gets it ready for this release."""
    url = _copy(released, tmp_path_factory.mktemp("upgraded"))
    upgrade(url)
    return url


@pytest.fixture
def old_store(released: str, tmp_path: Path) -> str:
    """The URL of a copy that was not upgraded, which the test may change."""
    return _copy(released, tmp_path)


@pytest.fixture
def store(upgraded: str, tmp_path: Path) -> str:
    """The URL of a copy that was upgraded, which the test may change."""
    return _copy(upgraded, tmp_path)


def _copy(url: str, folder: Path) -> str:
    if url.startswith("sqlite"):
        source = sqlite3.connect(url.removeprefix("sqlite:///"))
        target = sqlite3.connect(folder / "chats.db")
        source.backup(target)
        source.close()
        target.close()
        return f"sqlite:///{folder}/chats.db"
    name = urlsplit(url).path[1:]
    copy = f"{name}_copy{next(_numbers)}"
    _execute(url.replace(f"/{name}?", "/postgres?"), f"CREATE DATABASE {copy} TEMPLATE {name}")
    return url.replace(f"/{name}?", f"/{copy}?")


def _execute(url: str, statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())
