"""PgBouncer in front of a PostgreSQL server, in transaction mode.

with pgbouncer(postgres.database()) as url:
    ...
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

__all__ = ["NOT_INSTALLED", "find_pgbouncer", "pgbouncer"]

NOT_INSTALLED = "PgBouncer is not installed: no `pgbouncer` on the PATH or in /usr/sbin"
START_SECONDS = 30.0


def find_pgbouncer() -> str | None:
    """Return the program, or None if it is not installed."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def pgbouncer(database_url: str) -> Iterator[str]:
    """Run PgBouncer until the block ends. Yields the URL of the database behind it.

    Each transaction gets the server connection that was used least recently, and there are fewer
    than clients: what a session keeps between two transactions is not there in the second one.
    """
    parts = urlsplit(database_url)
    name, [host] = parts.path[1:], parse_qs(parts.query)["host"]
    program = find_pgbouncer()
    if program is None:
        raise RuntimeError(NOT_INSTALLED)
    with tempfile.TemporaryDirectory(prefix="usechat-bouncer-") as directory:
        folder = Path(directory)
        config = folder / "pgbouncer.ini"
        config.write_text(
            f"[databases]\n{name} = host={host} dbname={name} user=test\n"
            "[pgbouncer]\n"
            "listen_addr =\n"
            f"unix_socket_dir = {folder}\n"
            "auth_type = any\n"
            "pool_mode = transaction\n"
            "default_pool_size = 3\n"
            "server_round_robin = 1\n"
        )
        account = None
        if os.geteuid() == 0:  # it refuses to run as root
            account = "postgres"
            os.chown(folder, pwd.getpwnam(account).pw_uid, -1)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [program, config], stdout=log, stderr=subprocess.STDOUT, user=account
            )
        try:
            _wait_for_socket(folder / ".s.PGSQL.6432", process, folder / "log")
            yield f"postgresql://test@/{name}?host={folder}&port=6432"
        finally:
            process.kill()
            process.wait()


def _wait_for_socket(path: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with socket.socket(socket.AF_UNIX) as connection:
            if connection.connect_ex(str(path)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log.read_text())
        time.sleep(0.02)
