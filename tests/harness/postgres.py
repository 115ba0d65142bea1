"""A PostgreSQL server in a temporary directory, on its own socket.

with postgres_server() as server:
    url = server.database()
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

__all__ = ["NOT_INSTALLED", "PostgresServer", "binary_directory", "postgres_server"]

NOT_INSTALLED = (
    "PostgreSQL is not installed: no `postgres` on the PATH or below /usr/lib/postgresql"
)
START_SECONDS = 60.0


def binary_directory() -> Path | None:
    """Return the directory of PostgreSQL's programs, or None if it is not installed."""
    if program := shutil.which("postgres"):
        return Path(program).resolve().parent
    # Debian keeps them off the PATH.
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


class PostgresServer:
    """Creates databases, and can be stopped and started again."""

    def __init__(self, programs: Path, folder: Path, account: str | None) -> None:
        self._programs = programs
        self._folder = folder
        self._account = account
        self._database_count = 0
        self._process: subprocess.Popen[bytes] | None = None

    def database(self) -> str:
        """Create an empty database and return its URL."""
        self._database_count += 1
        name = f"test{self._database_count}"
        self._execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def start(self) -> None:
        """Start the server and wait until it accepts connections."""
        with (self._folder / "log").open("ab") as log:
            self._process = self._popen(
                # Nothing has to survive a crash.
                ["postgres", "-D", self._folder / "data", "-F", "-c", "listen_addresses=",
                 "-c", f"unix_socket_directories={self._folder}"],
                log,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._execute("SELECT 1")
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self._folder / "log").read_text()) from error
                time.sleep(0.02)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Close all connections and stop the server."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def make(self) -> None:
        """Create the files of the server."""
        options = ["--username=test", "--auth=trust", "--encoding=UTF8", "--no-sync"]
        with (self._folder / "log").open("ab") as log:
            process = self._popen(["initdb", "-D", self._folder / "data", *options], log)
        if process.wait():
            raise RuntimeError((self._folder / "log").read_text())

    def _popen(self, command: list[str | Path], log: Any) -> subprocess.Popen[bytes]:
        program, *options = command
        return subprocess.Popen(
            [self._programs / program, *options],
            stdout=log,
            stderr=subprocess.STDOUT,
            # The server does not run as root.
            user=self._account,
            cwd=self._folder,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )

    def _url(self, name: str) -> str:
        return f"postgresql://test@/{name}?host={self._folder}"

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a server until the block ends.

    Raises:
        RuntimeError: PostgreSQL is not installed.
    """
    programs = binary_directory()
    if programs is None:
        raise RuntimeError(NOT_INSTALLED)
    account = "postgres" if os.geteuid() == 0 else None
    # Not in pytest's directory, which other accounts cannot read.
    with tempfile.TemporaryDirectory(prefix="usechat-pg-") as name:
        folder = Path(name)
        if account is not None:
            os.chown(folder, pwd.getpwnam(account).pw_uid, -1)
        server = PostgresServer(programs, folder, account)
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)  # at once: its files are deleted
