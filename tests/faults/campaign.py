"""Runs the rounds of a fault test, and keeps the books."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from usechat_server.errors import StoreUnavailable
from usechat_server.store.sql import SqlChatStore

from tests.faults.deployment import Deployment, Process
from tests.faults.model import HELLO, Model, message_text
from tests.faults.plan import Fault, Round, Tab
from tests.faults.records import FaultRecord, Sample, Turn
from tests.faults.tab import TabClient

__all__ = ["Campaign"]

#: Seconds that a round may take, however it goes.
ROUND_SECONDS = 90.0
#: Seconds between two looks at the store.
SAMPLE_SECONDS = 0.25


class Campaign:
    """Runs one round after another."""

    def __init__(self, deployment: Deployment, store: SqlChatStore, seed: int) -> None:
        self.turns: list[Turn] = []
        #: tool, chat, begins or ends, process
        self.tool_runs: list[tuple[str, str, str, str]] = []
        self.faults: list[FaultRecord] = []
        #: (time, seconds) by which this process itself was late
        self.delays: list[tuple[float, float]] = []
        self._deployment = deployment
        self._store = store
        self._model = Model(self._on_request)
        self._seed = seed
        self._by_chat: dict[str, Turn] = {}
        deployment.provider.on(self._model.reply)

    async def run_round(self, plan: Round) -> None:
        """Ask the questions and inject the faults; when both are over, ask the next questions."""
        await self._deployment.serve(plan.app)
        turns = [Turn(question, plan.app) for question in plan.questions]
        records: list[FaultRecord] = []
        for turn in turns:
            self._model.questions[turn.question.chat] = turn.question
            self._by_chat[turn.question.chat] = turn
        self.turns += turns
        first_fault = asyncio.Event()
        if not plan.faults:
            first_fault.set()
        observers = [
            asyncio.create_task(self._sample(turns)),
            asyncio.create_task(self._measure_delays()),
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for turn in turns:
                    group.create_task(self._run_turn(turn, first_fault))
                for fault in plan.faults:
                    group.create_task(
                        self._inject(fault, turns[fault.victim], records, first_fault)
                    )
        finally:
            for observer in observers:
                observer.cancel()
        self.faults += records
        for turn in turns:
            for record in records:
                if not turn.ended or turn.ended >= record.began:
                    touched = record.is_global or record.process in turn.processes
                    (turn.faults if touched else turn.other_faults).append(record)
                else:
                    turn.later_faults.append(record)
        await self._deployment.wait_until_well()
        await asyncio.gather(*(self._conclude(turn) for turn in turns))
        self.tool_runs = self._deployment.tool_runs()

    async def _run_turn(self, turn: Turn, first_fault: asyncio.Event) -> None:
        question = turn.question
        turn.tabs = [
            TabClient(
                question.chat,
                tab,
                self._balancer(f"{question.chat} {number}"),
                self._on_chunk(turn),
            )
            for number, tab in enumerate(question.tabs)
        ]
        if question.waits_for_fault:
            await first_fault.wait()
        turn.began = monotonic()
        try:
            async with asyncio.timeout(ROUND_SECONDS), asyncio.TaskGroup() as group:
                asking = group.create_task(
                    turn.tabs[0].converse(
                        f"{question.chat} {question.after}",
                        f"u-{question.chat}",
                        question.answer_seconds,
                    )
                )
                for tab in turn.tabs[1:]:
                    group.create_task(_open_later(turn, tab, asking))
        except TimeoutError:
            turn.failure = f"not over after {ROUND_SECONDS} s"
        except ExceptionGroup as error:
            turn.failure = repr(error.exceptions[0])
        turn.ended = monotonic()
        turn.notify()

    async def _inject(
        self, fault: Fault, victim: Turn, records: list[FaultRecord], first_fault: asyncio.Event
    ) -> None:
        await victim.reached(fault.moment)
        processes = self._deployment.processes
        owner = victim.owner
        process = next(
            process for process in processes if (process.name == owner) == fault.hits_owner
        )
        record = FaultRecord(
            fault, process.name, self._deployment.is_global(fault.kind), monotonic()
        )
        records.append(record)
        first_fault.set()
        async with self._deployment.fault(fault.kind, process):
            await asyncio.sleep(fault.seconds)
        record.ended = monotonic()

    async def _conclude(self, turn: Turn) -> None:
        """Load the chat in each tab and from the store, and ask the next question."""
        chat = turn.question.chat
        try:
            async with asyncio.timeout(ROUND_SECONDS):
                for tab in turn.tabs:
                    await tab.follow()  # a tab may have been shown an end before it was stored
                    turn.reloaded.append(await tab.load())
                stored = await self._store.get(None, chat)
                if stored is not None and stored.messages[-1].role == "assistant":
                    turn.stored = stored.messages[-1]
                turn.outcomes = [each.outcome for each in await self._store.turns(None, chat) or ()]
                turn.hello = TabClient(
                    chat,
                    Tab(turn.question.tabs[0].client_version),
                    self._balancer(f"{chat} {HELLO}"),
                    lambda _: None,
                )
                await turn.hello.ask(f"{chat} {HELLO}", f"h-{chat}")
        except TimeoutError:
            turn.failure = turn.failure or f"not concluded after {ROUND_SECONDS} s"

    async def _sample(self, turns: list[Turn]) -> None:
        """Note what the store has of each response that is not over."""
        while True:
            for turn in turns:
                if not turn.began or turn.ended:
                    continue
                began = monotonic()
                with suppress(StoreUnavailable):
                    stored = await self._store.get(None, turn.question.chat)
                    message = stored.messages[-1] if stored is not None else None
                    text = message_text(message) if message and message.role != "user" else ""
                    turn.samples.append(Sample(began, monotonic(), text))
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _measure_delays(self) -> None:
        while True:
            before = monotonic()
            await asyncio.sleep(0.05)
            self.delays.append((before, monotonic() - before - 0.05))

    def _balancer(self, tab: str) -> Callable[[], Process]:
        """Return what chooses the process for each request of a tab: one that runs, if any does."""
        chance = random.Random(f"{self._seed} {tab}")

        def choose_process() -> Process:
            first, second = chance.sample(self._deployment.processes, 2)
            return second if first.client.connect is None else first

        return choose_process

    def _on_chunk(self, turn: Turn) -> Any:
        received: Counter[str] = Counter()

        def on_chunk(chunk: dict[str, Any]) -> None:
            kind = chunk["type"]
            received[kind] += 1
            if received[kind] > turn.received[kind]:
                turn.received[kind] = received[kind]
                turn.notify()

        return on_chunk

    def _on_request(self, chat: str, port: int) -> None:
        name = next(
            process.name for process in self._deployment.processes if process.provider.port == port
        )
        self._by_chat[chat].requests.append((monotonic(), name))


async def _open_later(turn: Turn, tab: TabClient, asking: asyncio.Task[None]) -> None:
    """Open another tab at its moment."""
    assert tab.plan.opens is not None
    reached = asyncio.ensure_future(turn.reached(tab.plan.opens))
    await asyncio.wait([reached, asking], return_when=asyncio.FIRST_COMPLETED)
    reached.cancel()
    await tab.follow()
