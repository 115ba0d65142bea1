"""The databases of a fault test, which can be stopped and started again."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import ExitStack
from pathlib import Path

from tests.faults.link import Connect, unix
from tests.faults.plan import Database
from tests.harness.common import DEADLINE
from tests.harness.postgres import postgres_server

__all__ = ["Postgres", "Sqlite", "open_database"]


class Sqlite:
    """A SQLite file. A restart is a lock that keeps the processes from writing."""

    connect: Connect | None = None

    def __init__(self, folder: Path) -> None:
        self._path = folder / "chats.db"
        self._lock: sqlite3.Connection | None = None

    def url(self, port: int | None = None) -> str:
        return f"sqlite:///{self._path}"

    def stop(self) -> None:
        self._lock = sqlite3.connect(self._path, timeout=DEADLINE, check_same_thread=False)
        self._lock.execute("BEGIN IMMEDIATE")

    def start(self) -> None:
        if self._lock is not None:
            self._lock.rollback()
            self._lock.close()


class Postgres:
    """A database of a PostgreSQL server that each test has for itself."""

    def __init__(self, stack: ExitStack) -> None:
        self._server = stack.enter_context(postgres_server())
        self._url = self._server.database()
        folder = self._url.partition("?host=")[2]
        self.connect: Connect | None = unix(f"{folder}/.s.PGSQL.5432")

    def url(self, port: int | None = None) -> str:
        """Return the URL, through a link if there is a port."""
        if port is None:
            return self._url
        return self._url.partition("?")[0].replace("@/", f"@127.0.0.1:{port}/")

    def stop(self) -> None:
        self._server.stop(signal.SIGQUIT)

    def start(self) -> None:
        self._server.start()


def open_database(kind: Database, folder: Path, stack: ExitStack) -> Sqlite | Postgres:
    """Return an empty database."""
    return Sqlite(folder) if kind == "sqlite" else Postgres(stack)
