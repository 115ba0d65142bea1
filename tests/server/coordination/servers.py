"""Two servers that share a Redis and a model, and can be killed."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx

from tests.harness.common import DEADLINE
from tests.harness.fake_provider import FakeProvider
from tests.harness.redis_server import RedisServer
from tests.harness.serving import ServerProcess, serve
from tests.harness.stream_client import StreamClient

__all__ = ["Cluster"]


class Cluster:
    """The servers, what they share, and the clients that a test connects to them."""

    def __init__(self, redis: RedisServer, folder: Path, env: Mapping[str, str]) -> None:
        self.redis = redis
        self.provider = FakeProvider()
        #: TOOL_RUNS and TOOL_GATE of the apps
        self.runs, self.gate = folder / "runs", folder / "gate"
        self._env = env
        self._servers: list[tuple[ServerProcess, ExitStack]] = []
        self._clients = ExitStack()

    @property
    def a(self) -> ServerProcess:
        return self._servers[0][0]

    @property
    def b(self) -> ServerProcess:
        return self._servers[1][0]

    @property
    def servers(self) -> list[ServerProcess]:
        return [served for served, _ in self._servers]

    def start(self) -> None:
        """Start the servers that are not running."""
        running = [server for server in self._servers if server[0].process.poll() is None]
        with ThreadPoolExecutor() as pool:
            started = [pool.submit(self._start) for _ in range(2 - len(running))]
            self._servers = [*running, *(future.result() for future in started)]

    def reset(self) -> None:
        """Drop the recorded requests and tool runs."""
        self.provider.reset()
        self.runs.unlink(missing_ok=True)
        self.gate.unlink(missing_ok=True)

    def kill(self, served: ServerProcess) -> None:
        """Kill a server's process."""
        served.process.send_signal(signal.SIGKILL)
        served.process.wait()

    def post(
        self, server: ServerProcess, chat: str, text: str = "Hello", **options: Any
    ) -> StreamClient:
        """Send a message to one of the servers."""
        parts = [{"type": "text", "text": text}]
        body = {"id": chat, "messages": [{"id": "u1", "role": "user", "parts": parts}]}
        return self._clients.enter_context(
            StreamClient("POST", f"{server.url}/api/chat", body, **options)
        )

    def resume(self, server: ServerProcess, chat: str, **options: Any) -> StreamClient:
        """Resume a chat at one of the servers."""
        client = StreamClient("GET", f"{server.url}/api/chat/{chat}/stream", **options)
        return self._clients.enter_context(client)

    def stop(self, server: ServerProcess, chat: str) -> None:
        """Stop a chat at one of the servers."""
        url = f"{server.url}/api/chat/{chat}/stop"
        assert httpx.post(url, trust_env=False, timeout=DEADLINE).status_code == 204

    def tool_runs(self) -> list[str]:
        """Return the lines that the tools have written."""
        return self.runs.read_text().splitlines() if self.runs.exists() else []

    def close_clients(self) -> None:
        self._clients.close()

    def _start(self) -> tuple[ServerProcess, ExitStack]:
        env = {
            "USECHAT_REDIS_URL": self.redis.url,
            "USECHAT_SECRET": "a secret of thirty-two characters or more",
            "USECHAT_DRAIN_GRACE": "0",
            "PROVIDER": self.provider.url,
            "TOOL_RUNS": str(self.runs),
            "TOOL_GATE": str(self.gate),
            **self._env,
        }
        stack = ExitStack()
        served = stack.enter_context(
            serve("tests.server.coordination.apps:chat", "usechat", env=env)
        )
        return served, stack

    def __enter__(self) -> Self:
        self.provider.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.close_clients()
        with ThreadPoolExecutor() as pool:
            for _served, stack in self._servers:
                pool.submit(stack.close)
        self.provider.__exit__()
