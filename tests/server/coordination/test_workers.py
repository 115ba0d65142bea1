"""`serve --workers N`: processes that run, and shut down, together."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TypeVar

import httpx
from usechat_server.aio import PerLoop
from usechat_server.coordination.redis.commands import RedisCommands
from usechat_server.coordination.redis.nonces import RedisNonces

from tests.harness.common import DEADLINE
from tests.harness.fake_provider import FakeProvider, Pause, Reply, message, text
from tests.harness.redis_server import RedisServer
from tests.harness.serving import ServerProcess, serve
from tests.harness.stream_client import StreamClient

T = TypeVar("T")


def eventually(get: Callable[[], T], accept: Callable[[T], bool]) -> T:
    """Call `get` until its value is accepted, and return it."""
    deadline = time.monotonic() + DEADLINE
    while not accept(value := get()):
        assert time.monotonic() < deadline, value
        time.sleep(0.02)
    return value


def responding_pids(served: ServerProcess) -> set[int]:
    """Return the processes that respond: each request uses a new connection."""
    pids = set()
    for _ in range(30):
        with suppress(httpx.TransportError):
            pids.add(int(httpx.get(served.url, trust_env=False, timeout=DEADLINE).text))
    return pids


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat")
        return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def test_a_process_that_dies_is_replaced_and_none_outlives_its_parent() -> None:
    with serve(
        "tests.server.coordination.apps:plain", "usechat", args=("--workers", "2")
    ) as served:
        first = eventually(lambda: responding_pids(served), lambda pids: len(pids) == 2)
        assert served.process.pid not in first
        victim = min(first)
        os.kill(victim, signal.SIGKILL)
        current = eventually(
            lambda: responding_pids(served), lambda pids: len(pids) == 2 and victim not in pids
        )
        assert served.output.count("listening on") == 1
        served.process.kill()
        eventually(lambda: any(map(is_alive, current)), lambda alive: not alive)


def test_a_start_that_fails_ends_at_once_and_says_why_once() -> None:
    for target, reason in [
        ("tests.server.coordination.apps:nothing", "nothing"),
        ("tests.server.coordination.apps:agent", "USECHAT_REDIS_URL"),
    ]:
        command = str(Path(sys.executable).parent / "usechat-server")
        result = subprocess.run(
            [command, "serve", target, "--port", "0", "--workers", "2"],
            check=False,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        )
        assert result.returncode not in {0, None}
        assert result.stderr.count(reason) == 1, result.stderr
        assert "Traceback" not in result.stderr


def test_one_signal_drains_all_workers(redis: RedisServer, tmp_path: Path) -> None:
    with FakeProvider() as provider, ExitStack() as stack:
        provider.on(lambda _: Reply(message(text("Hel", Pause(), "lo"))))
        env = {
            "USECHAT_REDIS_URL": redis.url,
            "PROVIDER": provider.url,
            "USECHAT_SECRET": "a secret of thirty-two characters or more",
            "USECHAT_WORKERS": "2",
        }
        served = stack.enter_context(
            serve("tests.server.coordination.apps:chat", "usechat", env=env)
        )
        eventually(lambda: served.output.count("startup complete"), lambda times: times == 2)
        parts = [{"type": "text", "text": "Hello"}]
        clients = [
            StreamClient(
                "POST",
                f"{served.url}/api/chat",
                {"id": f"c{number}", "messages": [{"id": "u", "role": "user", "parts": parts}]},
            )
            for number in range(8)
        ]
        for client in clients:
            client.wait_for_text("Hel")
        served.process.terminate()
        eventually(lambda: served.output.count("draining:"), lambda times: times == 2)
        provider.release(len(clients))
        for client in clients:
            assert client.end().chunks[-1] == {"type": "finish", "finishReason": "stop"}
        assert served.process.wait(DEADLINE) == 0


async def test_an_approval_is_used_once_across_all_processes(redis: RedisServer) -> None:
    here, there = RedisCommands(redis.url), RedisCommands(redis.url)
    nonces = [RedisNonces(PerLoop(lambda: here)), RedisNonces(PerLoop(lambda: there))]
    uses = [one.consume("n", 60) for one in nonces * 3]
    assert sorted(await asyncio.gather(*uses)) == [False] * 5 + [True]
    await here.aclose()
    await there.aclose()
