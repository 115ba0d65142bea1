"""Starts the provider, a server and the client, each a process of its own on its own cores."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from install import NODE, PEER_PYTHON

__all__ = ["RESULTS", "SERVERS", "Kind", "Running", "client", "provider", "serving"]

_BENCH = Path(__file__).parent
#: what is written on the way; git ignores it
RESULTS = _BENCH / "results"
_CORES = sorted(os.sched_getaffinity(0))
#: The server has the last core alone; provider and client share the others.
_SERVER_CORE, _OTHER_CORES = _CORES[-1:], _CORES[:-1] or _CORES

_PATH = "/api/chat"
_SERVE = ["serve", "ours:app", "--port"]
_UVICORN = ["-m", "uvicorn", "--host", "127.0.0.1", "--log-level", "warning", "--no-access-log"]


class Running(NamedTuple):
    """A process that serves."""

    url: str
    pid: int


@dataclass(frozen=True)
class Kind:
    """A server to measure."""

    #: the command; the port is added as its last argument or is in $PORT
    command: list[str]
    folder: str = "servers"


SERVERS = {
    "ours": Kind([sys.executable, *_UVICORN, "ours:app", "--port"]),
    "ours-serve": Kind([str(Path(sys.executable).with_name("usechat-server")), *_SERVE]),
    "aisdk-node": Kind([str(NODE), "server.mjs"], folder="servers/aisdk"),
    "pydantic-ai": Kind(
        [str(PEER_PYTHON), *_UVICORN, "app:app", "--port"], folder="servers/pydantic_ai"
    ),
}


def _pinned(cores: list[int], command: list[str]) -> list[str]:
    return ["taskset", "--cpu-list", ",".join(map(str, cores)), *command]


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def provider() -> Iterator[Running]:
    """A fake provider."""
    process = subprocess.Popen(
        _pinned(_OTHER_CORES, [sys.executable, str(_BENCH / "provider.py")]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield Running(f"http://127.0.0.1:{int(process.stdout.readline())}", process.pid)
    finally:
        _end(process)


@contextmanager
def serving(name: str, upstream: Running) -> Iterator[Running]:
    """A fresh server process and its chat's URL. What it prints goes to a log.

    "direct" is no server at all: the client talks to the provider, to see what the harness can do.
    """
    if name == "direct":
        yield Running(f"{upstream.url}/v1/messages", upstream.pid)
        return
    kind = SERVERS[name]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*kind.command, str(port)] if kind.command[-1] == "--port" else kind.command
    environment = os.environ | {
        "PORT": str(port),
        "NODE_ENV": "production",
        "ANTHROPIC_BASE_URL": upstream.url,
        "ANTHROPIC_API_KEY": "bench",
    }
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / "servers.log").open("ab") as log:
        process = subprocess.Popen(
            _pinned(_SERVER_CORE, command),
            cwd=_BENCH / kind.folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_it_accepts(process, port)
        yield Running(f"http://127.0.0.1:{port}{_PATH}", process.pid)
    finally:
        _end(process)


def _wait_until_it_accepts(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{process.args!r} does not accept connections")


def client(job: str, server: Running, upstream: Running, **arguments: Any) -> dict[str, Any]:
    """Runs one job of client.py. Raises RuntimeError if it fails."""
    where = {"job": job, "url": server.url, "provider": upstream.url, "pid": server.pid}
    task = json.dumps(where | arguments)
    done = subprocess.run(
        _pinned(_OTHER_CORES, [sys.executable, str(_BENCH / "client.py"), task]),
        stdout=subprocess.PIPE,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the client failed in {job}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result
