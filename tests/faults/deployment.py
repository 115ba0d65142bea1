"""Two processes of a server, what they share, and a link between each pair, in which faults can be
injected."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx

from tests.faults.link import Connect, Link, tcp, unix
from tests.faults.plan import Database, FaultKind
from tests.harness.common import DEADLINE
from tests.harness.fake_provider import FakeProvider
from tests.harness.postgres import postgres_server
from tests.harness.redis_server import RedisServer
from tests.harness.serving import SCRIPTS, ServerProcess, serve

__all__ = ["Deployment", "Postgres", "Process", "Sqlite", "open_database"]


#: Faults that touch both processes.
_GLOBAL: frozenset[FaultKind] = frozenset(
    {"kill and empty redis", "empty redis", "freeze redis", "restart database"}
)


class Sqlite:
    """A SQLite file. A restart is a lock that keeps the processes from writing."""

    connect: Connect | None = None

    def __init__(self, folder: Path) -> None:
        self._path = folder / "chats.db"
        self._lock: sqlite3.Connection | None = None

    def url(self, port: int | None = None) -> str:
        return f"sqlite:///{self._path}"

    def stop(self) -> None:
        self._lock = sqlite3.connect(self._path, timeout=DEADLINE, check_same_thread=False)
        self._lock.execute("BEGIN IMMEDIATE")

    def start(self) -> None:
        if self._lock is not None:
            self._lock.rollback()
            self._lock.close()


class Postgres:
    """A database of a PostgreSQL server that each test has for itself."""

    def __init__(self, stack: ExitStack) -> None:
        self._server = stack.enter_context(postgres_server())
        self._url = self._server.database()
        folder = self._url.partition("?host=")[2]
        self.connect: Connect | None = unix(f"{folder}/.s.PGSQL.5432")

    def url(self, port: int | None = None) -> str:
        """Return the URL, through a link if there is a port."""
        if port is None:
            return self._url
        return self._url.partition("?")[0].replace("@/", f"@127.0.0.1:{port}/")

    def stop(self) -> None:
        self._server.stop(signal.SIGQUIT)

    def start(self) -> None:
        self._server.start()


def open_database(kind: Database, folder: Path, stack: ExitStack) -> Sqlite | Postgres:
    """Return a database with the store's tables."""
    database = Sqlite(folder) if kind == "sqlite" else Postgres(stack)
    command = [str(SCRIPTS / "usechat-server"), "db", "upgrade", "--store", database.url()]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return database


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

    async def start(self) -> None:
        served = await asyncio.to_thread(
            lambda: self._stack.enter_context(
                serve("tests.faults.worker:chat", "usechat", env=self._environment)
            )
        )
        self._starts += 1
        self._served = served
        self.client.connect = tcp(served.port)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop the process, unless it could not be started again after it was killed."""
        if self._served is None:
            return
        self.client.connect = None
        with suppress(ProcessLookupError):
            self.served.process.send_signal(how)
        await asyncio.to_thread(self.served.process.wait)
        log = self._folder / f"{self.name}-{self._starts}.log"
        log.write_text(self.served.output)
        self._stack.close()
        self._served = None

    async def wait_until_ready(self) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=DEADLINE) as client:
            while True:
                with suppress(httpx.HTTPError):
                    if (await client.get(f"{self.served.url}/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.1)


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
                "USECHAT_DRAIN_GRACE": "0",
            }
            self.processes.append(process)
        await asyncio.gather(*(process.start() for process in self.processes))
        for process in self.processes:
            stack.push_async_callback(process.stop)

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
            link.cut() if verb == "cut" else link.stall()
            yield
            link.restore()

    def tool_runs(self) -> list[tuple[str, str, str, str]]:
        """Return what the tools have written: tool, chat, begins or ends, process."""
        lines = self.ledger.read_text().splitlines()
        return [tuple(line.split()) for line in lines]  # type: ignore[misc]
