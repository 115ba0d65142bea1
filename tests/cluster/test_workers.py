"""`serve --workers N`: processes that live, and go down, together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import httpx
from harness.serving import Served, serve

T = TypeVar("T")

DEADLINE = 30.0


def eventually(get: Callable[[], T], wanted: Callable[[T], bool]) -> T:
    deadline = time.monotonic() + DEADLINE
    while not wanted(got := get()):
        assert time.monotonic() < deadline, got
        time.sleep(0.02)
    return got


def pids(served: Served) -> set[int]:
    """The processes that answer: each request comes on a connection of its own."""
    found = set()
    for _ in range(30):
        with suppress(httpx.TransportError):
            found.add(int(httpx.get(served.url, trust_env=False, timeout=DEADLINE).text))
    return found


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat")
        return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def test_a_process_that_dies_is_replaced_and_all_end_together() -> None:
    with serve("cluster.apps:plain", "usechat", args=("--workers", "2")) as served:
        first = eventually(lambda: pids(served), lambda found: len(found) == 2)
        assert served.process.pid not in first
        victim = min(first)
        os.kill(victim, signal.SIGKILL)
        now = eventually(
            lambda: pids(served), lambda found: len(found) == 2 and victim not in found
        )
        assert served.output.count("Listening on") == 1
        served.process.terminate()
        assert served.process.wait(DEADLINE) == 0
        assert not any(map(is_alive, now))


def test_no_process_outlives_its_parent() -> None:
    with serve("cluster.apps:plain", "usechat", args=("--workers", "2")) as served:
        workers = eventually(lambda: pids(served), lambda found: len(found) == 2)
        served.process.kill()
        eventually(lambda: any(map(is_alive, workers)), lambda alive: not alive)


def test_what_cannot_start_ends_at_once_and_says_why_once() -> None:
    for target, text in [
        ("cluster.apps:nothing", "nothing"),
        ("cluster.apps:agent", "USECHAT_REDIS_URL"),
    ]:
        command = str(Path(sys.executable).parent / "usechat-server")
        done = subprocess.run(
            [command, "serve", target, "--port", "0", "--workers", "2"],
            check=False,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )
        assert done.returncode not in {0, None}
        assert done.stderr.count(text) == 1, done.stderr
        assert "Traceback" not in done.stderr
