"""Start the fake provider, a server and the measurements, each in a process on cores of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from install_peers import NODE, PYDANTIC_AI_PYTHON
from process_usage import process_tree
from services import Service, start_services

__all__ = [
    "DIRECT",
    "RESULTS",
    "SERVERS",
    "RunningServer",
    "ServerCommand",
    "measure",
    "start_provider",
    "start_server",
]

_BENCH = Path(__file__).parent
#: The reports, their numbers and the output of the servers; git ignores it.
RESULTS = _BENCH / "results"
_CORES = sorted(os.sched_getaffinity(0))
#: The server has the last core to itself; provider and client share the others.
_SERVER_CORE, _OTHER_CORES = _CORES[-1:], _CORES[:-1] or _CORES

_USECHAT_SERVER = str(Path(sys.executable).with_name("usechat-server"))
_UVICORN = ["-m", "uvicorn", "--host", "127.0.0.1", "--log-level", "warning", "--no-access-log"]


class RunningServer(NamedTuple):
    """A server, with its worker processes."""

    url: str
    pids: list[int]
    #: a second server that shares the first one's chats, if the command asks for one
    second_url: str | None = None


@dataclass(frozen=True)
class ServerCommand:
    """How a server is started."""

    #: folder under `servers/`
    folder: str
    #: the port follows `--port`, if that is the last argument, and is in $PORT
    arguments: list[str]
    #: what else runs
    services: tuple[Service, ...] = ()
    #: whether a second server runs beside it, on the cores of the load
    has_second: bool = False


_SERVE = [_USECHAT_SERVER, "serve", "app:app", "--port"]

SERVERS = {
    "usechat-uvicorn": ServerCommand("usechat", [sys.executable, *_UVICORN, "app:app", "--port"]),
    "usechat-serve": ServerCommand("usechat", _SERVE),
    "usechat-sqlite": ServerCommand("usechat", _SERVE, ("sqlite",)),
    "usechat-postgres": ServerCommand("usechat", _SERVE, ("postgres",)),
    "usechat-redis": ServerCommand("usechat", _SERVE, ("sqlite", "redis"), has_second=True),
    "usechat-2-workers": ServerCommand(
        "usechat",
        [_USECHAT_SERVER, "serve", "app:app", "--workers", "2", "--port"],
        ("sqlite", "redis"),
    ),
    "minimal-proxy": ServerCommand(
        "minimal_proxy", [sys.executable, *_UVICORN, "app:app", "--port"]
    ),
    "aisdk-node": ServerCommand("aisdk", [str(NODE), "server.mjs"]),
    "pydantic-ai": ServerCommand(
        "pydantic_ai", [str(PYDANTIC_AI_PYTHON), *_UVICORN, "app:app", "--port"]
    ),
}
#: No server: the client talks to the provider, which shows the limits of the benchmark itself.
DIRECT = "direct"


def _pin(cores: list[int], command: list[str]) -> list[str]:
    return ["taskset", "--cpu-list", ",".join(map(str, cores)), *command]


def _stop(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def start_provider() -> Iterator[RunningServer]:
    """Run a fake provider."""
    process = subprocess.Popen(
        _pin(_OTHER_CORES, [sys.executable, str(_BENCH / "fake_provider.py")]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield RunningServer(f"http://127.0.0.1:{int(process.stdout.readline())}", [process.pid])
    finally:
        _stop(process)


@contextmanager
def start_server(name: str, provider: RunningServer) -> Iterator[RunningServer]:
    """Run a server in a new process, whose output goes to `results/servers.log`.

    Args:
        name: a key of SERVERS, or DIRECT.
        provider: where the server sends its requests.
    """
    if name == DIRECT:
        yield RunningServer(f"{provider.url}/v1/messages", provider.pids)
        return
    server = SERVERS[name]
    RESULTS.mkdir(exist_ok=True)
    with ExitStack() as stack:
        environment = os.environ | {
            "NODE_ENV": "production",
            "ANTHROPIC_BASE_URL": provider.url,
            "ANTHROPIC_API_KEY": "bench",
            **stack.enter_context(start_services(server.services)),
        }
        if "postgres" in server.services:
            subprocess.run([_USECHAT_SERVER, "db", "upgrade"], env=environment, check=True)
        start = partial(_start_process, stack, server, environment)
        first, port = start(_SERVER_CORE)
        second_url = f"http://127.0.0.1:{start(_OTHER_CORES)[1]}" if server.has_second else None
        pids = process_tree(first.pid)
        yield RunningServer(f"http://127.0.0.1:{port}/api/chat", pids, second_url)


def _start_process(
    stack: ExitStack, server: ServerCommand, environment: dict[str, str], cores: list[int]
) -> tuple[subprocess.Popen[bytes], int]:
    """Start one process of a server, and return it with its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    has_port_argument = server.arguments[-1] == "--port"
    command = [*server.arguments, str(port)] if has_port_argument else server.arguments
    log = stack.enter_context((RESULTS / "servers.log").open("ab"))
    process = subprocess.Popen(
        _pin(cores, command),
        cwd=_BENCH / "servers" / server.folder,
        env=environment | {"PORT": str(port)},
        stdout=log,
        stderr=log,
    )
    stack.callback(_stop, process)
    _wait_until_listening(process, port)
    return process, port


def _wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{process.args!r} does not accept connections")


def measure(
    measurement: str, server: RunningServer, provider: RunningServer, **arguments: Any
) -> dict[str, Any]:
    """Run one measurement of `measure.py`.

    Args:
        measurement: its name.
        server: what is measured.
        provider: the provider of that server.
        arguments: those of the measurement.

    Returns:
        The measured values.

    Raises:
        RuntimeError: the measurement failed.
    """
    target = {"url": server.url, "provider": provider.url, "pids": server.pids}
    if server.second_url is not None:
        target["second_url"] = server.second_url
    task = json.dumps({"measurement": measurement, **target, **arguments})
    completed = subprocess.run(
        _pin(_OTHER_CORES, [sys.executable, str(_BENCH / "measure.py"), task]),
        stdout=subprocess.PIPE,
        timeout=600,
        check=False,
    )
    if completed.returncode:
        raise RuntimeError(f"the measurement {measurement} failed")
    values: dict[str, Any] = json.loads(completed.stdout)
    return values
