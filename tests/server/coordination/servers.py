"""Two servers that share a Redis and a model, and may be killed."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx

from tests.harness.fake_provider import FakeProvider
from tests.harness.pages import Page
from tests.harness.redis_server import RedisServer
from tests.harness.serving import Served, serve

__all__ = ["Cluster"]

#: Seconds after which something that must happen has not.
DEADLINE = 30.0


class Cluster:
    """The servers, what they share, and the pages that a test opens on them."""

    def __init__(self, redis: RedisServer, folder: Path, env: Mapping[str, str]) -> None:
        self.redis = redis
        self.provider = FakeProvider()
        #: where tools write what they do, and what holds them while it exists
        self.runs, self.gate = folder / "runs", folder / "gate"
        self._given = env
        self._servers: list[tuple[Served, ExitStack]] = []
        self._pages = ExitStack()

    @property
    def a(self) -> Served:
        return self._servers[0][0]

    @property
    def b(self) -> Served:
        return self._servers[1][0]

    @property
    def servers(self) -> list[Served]:
        return [served for served, _ in self._servers]

    def start(self) -> None:
        """Starts the servers that do not run."""
        living = [server for server in self._servers if server[0].process.poll() is None]
        with ThreadPoolExecutor() as pool:
            starting = [pool.submit(self._start) for _ in range(2 - len(living))]
            self._servers = [*living, *(start.result() for start in starting)]

    def forget(self) -> None:
        """Drops what the model was asked, and what tools did."""
        self.provider.forget()
        self.runs.unlink(missing_ok=True)
        self.gate.unlink(missing_ok=True)

    def kill(self, served: Served) -> None:
        served.process.send_signal(signal.SIGKILL)
        served.process.wait()

    def post(self, at: Served, chat: str, said: str = "Hello", **options: Any) -> Page:
        parts = [{"type": "text", "text": said}]
        body = {"id": chat, "messages": [{"id": "u1", "role": "user", "parts": parts}]}
        return self._pages.enter_context(Page("POST", f"{at.url}/api/chat", body, **options))

    def resume(self, at: Served, chat: str, **options: Any) -> Page:
        page = Page("GET", f"{at.url}/api/chat/{chat}/stream", **options)
        return self._pages.enter_context(page)

    def stop(self, at: Served, chat: str) -> None:
        url = f"{at.url}/api/chat/{chat}/stop"
        assert httpx.post(url, trust_env=False, timeout=DEADLINE).status_code == 204

    def tool_runs(self) -> list[str]:
        return self.runs.read_text().splitlines() if self.runs.exists() else []

    def close_pages(self) -> None:
        self._pages.close()

    def _start(self) -> tuple[Served, ExitStack]:
        env = {
            "USECHAT_REDIS_URL": self.redis.url,
            "USECHAT_SECRET": "a secret of thirty-two characters or more",
            "USECHAT_DRAIN_GRACE": "0",
            "PROVIDER": self.provider.url,
            "TOOL_RUNS": str(self.runs),
            "TOOL_GATE": str(self.gate),
            **self._given,
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
        self.close_pages()
        with ThreadPoolExecutor() as pool:
            for _served, stack in self._servers:
                pool.submit(stack.close)
        self.provider.__exit__()
