"""Two processes of a server, what they share, and a link between each pair, in which faults can be
injected."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from pathlib import Path
from time import monotonic

import httpx

from tests.faults.databases import Postgres, Sqlite
from tests.faults.link import Link, tcp
from tests.faults.plan import App, FaultKind
from tests.harness.common import DEADLINE
from tests.harness.fake_provider import FakeProvider
from tests.harness.redis_server import RedisServer
from tests.harness.serving import ServerProcess, serve

__all__ = ["Deployment", "Process"]


#: Seconds that the responses of a process have which is told to stop: time enough for some.
DRAIN_GRACE = "2"
#: Faults that touch both processes.
_GLOBAL: frozenset[FaultKind] = frozenset(
    {"kill and empty redis", "empty redis", "freeze redis", "restart database"}
)


class Process:
    """A process of the server, which is started again after it was killed."""

    def __init__(self, name: str, environment: dict[str, str], folder: Path) -> None:
        self.name = name
        self.client, self.redis, self.database, self.provider = (Link() for _ in range(4))
        #: held by a fault
        self.lock = asyncio.Lock()
        self._environment = environment
        self._folder = folder
        self._starts = 0
        self._stack = ExitStack()
        self._app: App | None = None
        self._served: ServerProcess | None = None

    @property
    def links(self) -> dict[str, Link]:
        return {
            "client": self.client,
            "redis": self.redis,
            "database": self.database,
            "provider": self.provider,
        }

    @property
    def served(self) -> ServerProcess:
        assert self._served is not None
        return self._served

    async def serve(self, app: App) -> None:
        """Serve an app from now on. No run may be under way."""
        if app != self._app:
            self._app = app
            await self.stop()
            await self.start()

    async def start(self) -> None:
        name = f"tests.faults.worker:{self._app}_app"
        served = await asyncio.to_thread(
            lambda: self._stack.enter_context(serve(name, "usechat", env=self._environment))
        )
        self._starts += 1
        self._served = served
        self.client.connect = tcp(served.port)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop the process, unless it could not be started again after it was killed."""
        if self._served is not None:
            self.client.connect = None
            await self._end(how)

    async def drain(self) -> None:
        """Tell the process to stop, which accepts connections until it has ended."""
        await self._end(signal.SIGTERM)
        self.client.connect = None

    async def _end(self, how: signal.Signals) -> None:
        process = self.served.process
        with suppress(ProcessLookupError):
            process.send_signal(how)
        try:
            await asyncio.to_thread(process.wait, DEADLINE)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGUSR1)  # it writes where its threads are
            await asyncio.sleep(1)
            raise AssertionError(
                f"{self.name} did not end {DEADLINE} s after {how.name}:\n{self.served.output}"
            ) from None
        log = self._folder / f"{self.name}-{self._starts}.log"
        log.write_text(self.served.output)
        self._stack.close()
        self._served = None

    async def wait_until_ready(self) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE) as client:
            deadline = monotonic() + DEADLINE
            while monotonic() < deadline:
                with suppress(httpx.HTTPError):
                    if (await client.get(f"{self.served.url}/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.1)
        raise AssertionError(f"{self.name} is not ready after {DEADLINE} s:\n{self.served.output}")


class Deployment:
    """The processes, Redis, the database, the provider, and the faults that can be injected."""

    def __init__(
        self, provider: FakeProvider, redis: RedisServer, database: Sqlite | Postgres, folder: Path
    ) -> None:
        self.provider = provider
        self.redis = redis
        self.database = database
        self.ledger = folder / "ledger"
        self._folder = folder
        self._redis_lock, self._database_lock = asyncio.Lock(), asyncio.Lock()
        self.processes: list[Process] = []

    async def open(self, stack: AsyncExitStack, mutation: str) -> None:
        self.ledger.touch()
        for name in ("A", "B"):
            environment: dict[str, str] = {}
            process = Process(name, environment, self._folder)
            process.redis.connect = tcp(self.redis.port)
            process.database.connect = self.database.connect
            process.provider.connect = tcp(int(self.provider.url.rpartition(":")[2]))
            for link in process.links.values():
                await stack.enter_async_context(link)
            environment |= {
                "FAULT_SLOT": name,
                "FAULT_LEDGER": str(self.ledger),
                "FAULT_PROVIDER": f"http://127.0.0.1:{process.provider.port}",
                "USECHAT_FAULT_MUTATION": mutation,
                "USECHAT_REDIS_URL": f"redis://127.0.0.1:{process.redis.port}/0",
                "USECHAT_STORE": self.database.url(process.database.port),
                "USECHAT_SECRET": "a secret of thirty-two characters or more",
                "USECHAT_DRAIN_GRACE": DRAIN_GRACE,
            }
            self.processes.append(process)
            stack.push_async_callback(process.stop)

    async def serve(self, app: App) -> None:
        """Have each process serve an app."""
        await asyncio.gather(*(process.serve(app) for process in self.processes))

    async def wait_until_well(self) -> None:
        """Wait until each process reaches what it needs."""
        await asyncio.gather(*(process.wait_until_ready() for process in self.processes))

    def is_global(self, kind: FaultKind) -> bool:
        """Whether a fault touches both processes. A process that is paused may hold the lock of a
        SQLite file, so that the other one cannot write."""
        if kind == "pause":
            return isinstance(self.database, Sqlite)
        return kind in _GLOBAL

    @asynccontextmanager
    async def fault(self, kind: FaultKind, process: Process) -> AsyncIterator[None]:
        """Have a fault until the block ends. It waits for the end of another one of the same part,
        and may need a moment at its end to start what it has stopped."""
        verb, _, part = kind.partition(" ")
        match verb, part:
            case "kill", "":
                parts = [self._killed(process)]
            case "kill", _:
                parts = [self._killed(process), self._redis_stopped()]
            case "drain", _:
                parts = [self._drained(process)]
            case "pause", _:
                parts = [self._paused(process)]
            case "empty", _:
                parts = [self._redis_stopped()]
            case "freeze", _:
                parts = [self._redis_frozen()]
            case "restart", _:
                parts = [self._database_stopped()]
            case _:
                parts = [self._link_broken(process.links[part], verb)]
        async with AsyncExitStack() as stack:
            for each in parts:
                await stack.enter_async_context(each)
            yield

    @asynccontextmanager
    async def _killed(self, process: Process) -> AsyncIterator[None]:
        async with process.lock:
            await process.stop(signal.SIGKILL)
            yield
            await process.start()

    @asynccontextmanager
    async def _drained(self, process: Process) -> AsyncIterator[None]:
        async with process.lock:
            await process.drain()
            yield
            await process.start()

    @asynccontextmanager
    async def _paused(self, process: Process) -> AsyncIterator[None]:
        async with process.lock:
            process.served.process.send_signal(signal.SIGSTOP)
            yield
            process.served.process.send_signal(signal.SIGCONT)

    @asynccontextmanager
    async def _redis_stopped(self) -> AsyncIterator[None]:
        async with self._redis_lock:
            await asyncio.to_thread(self.redis.stop)
            yield
            await asyncio.to_thread(self.redis.start)

    @asynccontextmanager
    async def _redis_frozen(self) -> AsyncIterator[None]:
        async with self._redis_lock:
            self.redis.pause()
            yield
            self.redis.resume()

    @asynccontextmanager
    async def _database_stopped(self) -> AsyncIterator[None]:
        async with self._database_lock:
            await asyncio.to_thread(self.database.stop)
            yield
            await asyncio.to_thread(self.database.start)

    @asynccontextmanager
    async def _link_broken(self, link: Link, verb: str) -> AsyncIterator[None]:
        async with link.lock:
            {"cut": link.cut, "stall": link.stall, "mute": link.mute}[verb]()
            yield
            link.restore()

    def tool_runs(self) -> list[tuple[str, str, str, str]]:
        """Return what the tools have written: tool, chat, begins or ends, process."""
        lines = self.ledger.read_text().splitlines()
        return [tuple(line.split()) for line in lines]  # type: ignore[misc]
