"""Real servers as subprocesses on free loopback ports."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["HOSTS", "Host", "ServerProcess", "serve"]

#: `usechat` is `usechat-server serve`, which also serves agents.
Host = Literal["uvicorn", "hypercorn", "granian", "usechat"]
HOSTS: tuple[Host, ...] = ("uvicorn", "hypercorn", "granian")

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent
START_SECONDS = 30
END_SECONDS = 15


@dataclass
class ServerProcess:
    """A server that accepts connections."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    _output: Path

    @property
    def output(self) -> str:
        """What it has written to stdout and stderr."""
        return self._output.read_text(errors="replace")


@contextmanager
def serve(
    app: str,
    host: Host = "uvicorn",
    *,
    env: Mapping[str, str] | None = None,
    args: tuple[str, ...] = (),
    cwd: Path | None = None,
) -> Iterator[ServerProcess]:
    """Serve an app (`module:name`, also of `tests`) until the block ends.

    An empty `app` is the demo of `usechat-server serve`. `env` is added to the environment, `args`
    to the command line. The working directory is `cwd`, by default that of the tests.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "output")
        served = _start(app, host, env or {}, args, output, cwd=cwd)
        try:
            yield served
        finally:
            served.process.terminate()
            try:
                served.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                served.process.kill()
                served.process.wait()


def _start(
    app: str,
    host: Host,
    env: Mapping[str, str],
    args: tuple[str, ...],
    output: Path,
    *,
    cwd: Path | None,
) -> ServerProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **env}
    for _ in range(3):
        port = _free_port()
        name, *options = _command(host, app, port)
        with output.open("wb") as file:
            process = subprocess.Popen(
                [SCRIPTS / name, *options, *args],
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=cwd,
            )
        if _accepts(process, port):
            return ServerProcess(f"http://127.0.0.1:{port}", port, process, output)
        process.kill()
        process.wait()
        # Another process may have taken the port meanwhile; anything else is an error.
        if "in use" not in output.read_text(errors="replace"):
            break
    raise RuntimeError(f"{host} did not start:\n{output.read_text(errors='replace')}")


def _command(host: Host, app: str, port: int) -> list[str]:
    match host:
        case "uvicorn":
            return ["uvicorn", app, "--host", "127.0.0.1", "--port", str(port), "--no-access-log"]
        case "hypercorn":
            return ["hypercorn", app, "--bind", f"127.0.0.1:{port}"]
        case "granian":
            options = ["--interface", "asgi", "--host", "127.0.0.1", "--port", str(port)]
            return ["granian", *options, app]
        case "usechat":
            options = ["--host", "127.0.0.1", "--port", str(port)]
            return ["usechat-server", "serve", *filter(None, [app]), *options]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _accepts(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as client:
            client.settimeout(1)
            refused = client.connect_ex(("127.0.0.1", port))
            # A free port may be assigned to this socket, which then connects to itself.
            if not refused and client.getsockname() != client.getpeername():
                return True
        time.sleep(0.02)
    return False
