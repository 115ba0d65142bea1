"""Processes over one store, whose clock, faults and progress a test plays step by step.

Each process is a `Runs` with a store of its own on the same database. Redis is a place where they
publish copies of their logs, and which may be emptied.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from unittest import mock

from ui_message_stream.chunks import Chunk, TextDelta, TextEnd, TextStart
from ui_message_stream.messages import TextPart, ToolPart, UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server import Agent
from usechat_server.compose import ChatHandler
from usechat_server.coordination.base import ChatKey
from usechat_server.coordination.lease import Lease
from usechat_server.coordination.local import LocalCoordinator
from usechat_server.coordination.orphans import FormerLog
from usechat_server.errors import ChatError, StoreUnavailable
from usechat_server.providers.base import ModelCall, StepResult
from usechat_server.results import Usage
from usechat_server.run_log.log import Log
from usechat_server.runs import RunConfig, Runs, persistence, registry, run
from usechat_server.runs.checkpoints import Checkpoints
from usechat_server.runs.responder import Responder
from usechat_server.runs.responder_factory import ResponderFactory
from usechat_server.runs.run import Run
from usechat_server.store import schema
from usechat_server.store.sql import SqlChatStore
from usechat_server.tools import tool
from usechat_server.turn import Turn

from tests.harness.agent_chat import call_chunks
from tests.harness.asgi_host import LONG, chunks_of
from tests.harness.stores import chat_request, user_message

__all__ = ["Process", "World"]

#: Transactions after which nothing but such requests goes on.
_MANY = 16
BEFORE, AFTER = ["one ", "two ", "three "], ["four ", "five "]


class World:
    """The store, the time, what the tools did, and the processes."""

    def __init__(
        self, url: str, *, handler: Callable[[Process], ChatHandler] | None = None
    ) -> None:
        self.url = url
        #: creates what responds, instead of an agent
        self.handler = handler
        self.time = 1_000_000.0
        #: chat and question → how often its tool ran
        self.charges: Counter[str] = Counter()
        #: run id → what its process has published
        self.published: dict[str, tuple[str, bytes, Log]] = {}
        self.processes: list[Process] = []
        #: run and epoch → the process that owned it then
        self.owners: dict[tuple[str, int], str] = {}
        self.transactions = 0
        self._patches: list[Any] = [
            mock.patch.object(Checkpoints, "start"),
            mock.patch.object(registry, "POLL", 0.005),
            mock.patch.object(persistence, "FIRST_PAUSE", 0.005),
            mock.patch.object(persistence, "LONGEST_PAUSE", 0.005),
            mock.patch.object(run, "STORED_SECONDS", 0.05),
        ]

    async def open(self, processes: int = 2) -> None:
        self._tasks_before = asyncio.all_tasks()
        for patch in self._patches:
            patch.start()
        self.observer = SqlChatStore(self.url, clock=lambda: self.time)
        await schema.upgrade(self.observer.database)
        self.processes = [Process(self) for _ in range(processes)]

    async def close(self) -> None:
        for patch in self._patches:
            patch.stop()
        tasks = asyncio.all_tasks() - self._tasks_before - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for process in self.processes:
            await process.store.aclose()
        await self.observer.aclose()

    async def settle(self) -> None:
        """Wait until nothing goes on any more that does not wait for the test."""
        quiet, last = 0, self.transactions + _MANY
        # A request that waits looks into the store again and again.
        while quiet < 4 and self.transactions < last:
            await asyncio.sleep(0.001)
            for _ in range(25):  # on a busy machine, little happens in a millisecond
                await asyncio.sleep(0)
            quiet = 0 if any(process.writing for process in self.processes) else quiet + 1

    async def tick(self, seconds: float = 0.0) -> None:
        """Let time pass, then let every process tick that is not suspended."""
        self.time += seconds
        for process in self.processes:
            if process.is_running:
                process.spawn(process.checkpoints.tick())
        await self.settle()
        await self.note_owners()

    async def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds)):
            await self.tick(1.0)

    def empty_redis(self) -> None:
        self.published.clear()

    async def stored(self, chat_id: str) -> tuple[UIMessage | None, Sequence[str | None]]:
        """Return the response that is stored, and the outcomes of the chat's turns."""
        chat = await self.observer.get(None, chat_id)
        turns = await self.observer.turns(None, chat_id) or []
        message = chat.messages[-1] if chat is not None else None
        is_response = message is not None and message.role == "assistant"
        return message if is_response else None, [turn.outcome for turn in turns]

    async def note_owners(self) -> None:
        """Check that each epoch of a run has had one owner."""
        query = "SELECT run_id, epoch, process FROM usechat_turns"
        rows: Any = await self.observer.database.read(
            lambda connection: connection.exec_driver_sql(query).all()
        )
        for run_id, epoch, process in rows:
            assert self.owners.setdefault((run_id, epoch), process) == process


class Process:
    """One process: its store, its runs, and what its model and its tools wait for."""

    def __init__(self, world: World, *, store: SqlChatStore | None = None) -> None:
        """Start it. With the store of another, it is another app in the same process."""
        self.world = world
        self.is_dead = self.is_suspended = self.is_cut_off = False
        #: whether each transaction is committed, and this process does not learn of it
        self.loses_replies = False
        self.writing = 0
        self._resumed = asyncio.Event()
        #: one more piece of a response, or one more tool, each time
        self._steps = asyncio.Semaphore(0)
        self._tasks: set[asyncio.Task[Any]] = set()
        #: chat → the readers of this process
        self.readers: dict[str, list[Log]] = {}
        self.refused: list[ChatError] = []
        self.store = store or SqlChatStore(world.url, clock=lambda: world.time)
        self._run = self.store.database._run
        self.store.database._run = self._access  # type: ignore[method-assign]

        @tool
        async def charge(chat: str) -> str:
            """Charge the customer."""
            world.charges[chat] += 1
            await self.step()
            return "charged"

        self.agent = Agent(Model(self), tools=[charge], metadata=None)
        handler = None if world.handler is None else world.handler(self)
        self.responders = ResponderFactory(
            self.store.approvals, agent=None if handler else self.agent, handler=handler
        )
        self.runs = Runs(
            RunConfig(idle_timeout=LONG, store=self.store),
            coordinator=lambda _: Coordinator(world),
            responder=self.responders.for_takeover,
            clock=lambda: world.time,
        )

    @property
    def checkpoints(self) -> Checkpoints:
        checkpoints = self.runs._checkpoints
        assert checkpoints is not None
        return checkpoints

    @property
    def is_running(self) -> bool:
        return not (self.is_dead or self.is_suspended)

    def spawn(self, work: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def step(self) -> None:
        """Wait until the test lets this process do one thing more."""
        await self._steps.acquire()

    async def advance(self, steps: int = 1) -> None:
        for _ in range(steps):
            self._steps.release()
            await self.world.settle()

    async def post(self, chat_id: str, message_id: str = "u1") -> None:
        """Send a question, and read the response here."""

        async def begin(lease: Lease) -> tuple[Turn, Responder]:
            text = f"{chat_id} {message_id}"
            request = chat_request(chat_id, message=user_message(message_id, text))
            turn = await self.store.turn(request, None, NEWEST_CLIENT_VERSION)
            lease.epoch = await self.store.begin(
                turn, run_id=lease.run_id, epoch=lease.epoch, request_digest=message_id
            )
            return turn, await self.responders.for_request(turn, in_thread=False)

        async def send() -> None:
            try:
                subscription = await self.runs.start_or_join(
                    ChatKey(None, chat_id), message_id, begin
                )
            except ChatError as error:
                self.refused.append(error)
            else:
                self.readers.setdefault(chat_id, []).append(subscription.log)

        self.spawn(send())
        await self.world.settle()

    async def resume(self, chat_id: str) -> None:
        """Read the chat's response here, as a client that comes back."""

        async def send() -> None:
            subscription = await self.runs.resume(ChatKey(None, chat_id))
            if subscription is not None:
                self.readers.setdefault(chat_id, []).append(subscription.log)

        self.spawn(send())
        await self.world.settle()

    def publish(self) -> None:
        """Let Redis have what the runs of this process have written."""
        for each in self.runs.active_runs:
            self.world.published[each.id] = (
                each._lease.log_id,
                each.turn.to_json(with_history=False),
                _copy(each),
            )

    def suspend(self) -> None:
        self.is_suspended = True
        self._resumed.clear()

    def wake(self) -> None:
        self.is_suspended = False
        self._resumed.set()

    def crash(self) -> None:
        """Kill this process."""
        self.is_dead = True
        for task in self._tasks:
            task.cancel()

    async def restart(self) -> Process:
        """Start another process in place of one that was killed."""
        successor = Process(self.world)
        self.world.processes[self.world.processes.index(self)] = successor
        return successor

    def shown_ends(self, chat_id: str) -> list[tuple[Chunk, UIMessage]]:
        """Return the last chunk and the message of each reader here that was shown an end."""
        ends = []
        for log in self.readers.get(chat_id, []):
            if log.has_ended:
                reader = log.reader(NEWEST_CLIENT_VERSION)
                data = b""
                while piece := reader.read_nowait():
                    data += piece
                ends.append((chunks_of(data)[-1], log.message()))
        return ends

    async def _access(self, *arguments: Any, **options: Any) -> Any:
        """Access the store, as far as the state of this process allows."""
        if self.is_dead:
            await asyncio.Event().wait()
        if self.is_suspended:
            await self._resumed.wait()
        if self.is_dead:
            await asyncio.Event().wait()
        if self.is_cut_off:
            raise StoreUnavailable
        self.writing += 1
        self.world.transactions += 1
        try:
            result = await self._run(*arguments, **options)
        finally:
            self.writing -= 1
        if self.loses_replies and options["write"]:
            raise StoreUnavailable
        return result


class Coordinator(LocalCoordinator):
    """Finds what other processes have published."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    async def former_log(self, key: ChatKey, run_id: str) -> FormerLog | None:  # type: ignore[override]
        if (published := self._world.published.get(run_id)) is None:
            return None
        log_id, turn, log = published
        return FormerLog(turn, log_id, _copy_log(log), False, False, False)


class Model:
    """Writes text, calls the tool, and writes more text: one piece at a time."""

    name = "model"
    requires: frozenset[str] = frozenset()

    def __init__(self, process: Process) -> None:
        self.process = process
        self.calls = 0

    def check(self, call: ModelCall) -> None:
        pass

    def stream(self, call: ModelCall) -> ModelStream:
        self.calls += 1
        return ModelStream(self, call)

    async def aclose(self) -> None:
        pass


class ModelStream:
    def __init__(self, model: Model, call: ModelCall) -> None:
        self.result: StepResult | None = None
        self.details: dict[str, Any] = {}
        self.usage = Usage()
        self._model, self._call = model, call

    async def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        last = max(n for n, each in enumerate(self._call.messages) if each.role == "user")
        question, *rest = self._call.messages[last:]
        has_called = any(isinstance(part, ToolPart) for each in rest for part in each.parts)
        step = self._model.process.step
        yield [TextStart(id="0")]
        for text in AFTER if has_called else BEFORE:
            await step()
            yield [TextDelta(id="0", delta=text)]
        yield [TextEnd(id="0")]
        if not has_called:
            await step()
            [part] = question.parts
            assert isinstance(part, TextPart)
            call_id = f"call-{id(self._model.process)}-{self._model.calls}"
            yield call_chunks(call_id, "charge", chat=part.text)
        self.result = StepResult("stop" if has_called else "tool-calls")

    async def aclose(self) -> None:
        pass


def _copy(run: Run) -> Log:
    return _copy_log(run.log)


def _copy_log(log: Log) -> Log:
    copy, position = Log(log._continued), (0, 0)
    while log.is_behind(position):
        chunks, position = log.read_chunks(position)
        copy.append(chunks)
    return copy
