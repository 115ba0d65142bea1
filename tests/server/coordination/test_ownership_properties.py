"""Claims, pauses, crashes, outages, an emptied Redis and late writes, in any order, against the
table of states in docs/processes.md."""

from __future__ import annotations

import asyncio
import os
import tempfile

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from ui_message_stream.chunks import Error
from ui_message_stream.messages import TextPart

from tests.harness.postgres import PostgresServer
from tests.server.coordination.ownership_world import AFTER, BEFORE, Process, World

#: One takes about a second.
EXAMPLES = int(os.environ.get("USECHAT_EXAMPLES", "80")) // 10
CHATS = ["c0", "c1"]
numbers = st.integers(0, 1)


class Ownership(RuleBasedStateMachine):
    """Two processes and two chats."""

    def __init__(self, url: str | None = None) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.world = World(url or f"sqlite:///{self.folder.name}/chats.db")
        self.questions = 0
        #: everything that was ever a process, with what its readers were shown
        self.all: list[Process] = []

    @initialize()
    def open(self) -> None:
        self.runner.run(self.world.open())
        self.all += self.world.processes

    @rule(number=numbers, chat=st.sampled_from(CHATS))
    def post(self, number: int, chat: str) -> None:
        process = self.world.processes[number]
        if process.is_running:
            self.questions += 1
            self.runner.run(process.post(chat, f"u{self.questions}"))

    @rule(number=numbers, chat=st.sampled_from(CHATS))
    def resume(self, number: int, chat: str) -> None:
        process = self.world.processes[number]
        if process.is_running:
            self.runner.run(process.resume(chat))

    @rule(number=numbers, steps=st.integers(1, 4))
    def advance(self, number: int, steps: int) -> None:
        process = self.world.processes[number]
        if process.is_running:
            self.runner.run(process.advance(steps))

    @rule(seconds=st.sampled_from([1, 1, 3, 7]))
    def pass_time(self, seconds: int) -> None:
        self.runner.run(self.world.pass_time(seconds))

    @rule(number=numbers)
    def suspend_or_wake(self, number: int) -> None:
        process = self.world.processes[number]
        if process.is_suspended:
            process.wake()
        else:
            process.suspend()
        self.runner.run(self.world.settle())

    @rule(number=numbers)
    def crash(self, number: int) -> None:
        process = self.world.processes[number]
        process.crash()
        self.all.append(self.runner.run(process.restart()))

    @rule(number=numbers)
    def cut_off_or_reconnect(self, number: int) -> None:
        process = self.world.processes[number]
        process.is_cut_off = not process.is_cut_off
        self.runner.run(self.world.settle())

    @rule(number=numbers)
    def lose_or_get_replies(self, number: int) -> None:
        process = self.world.processes[number]
        process.loses_replies = not process.loses_replies
        self.runner.run(self.world.settle())

    @rule(number=numbers)
    def publish(self, number: int) -> None:
        self.world.processes[number].publish()

    @precondition(lambda self: self.world.published)
    @rule()
    def empty_redis(self) -> None:
        self.world.empty_redis()

    def teardown(self) -> None:
        try:
            if self.world.processes:
                self.runner.run(self._end())
        finally:
            if self.world.processes:
                self.runner.run(self.world.close())
            self.runner.close()
            self.folder.cleanup()

    async def _end(self) -> None:
        """Let all faults pass, then check what the clients were shown and what is stored."""
        for process in self.world.processes:
            process.is_cut_off = process.loses_replies = False
            process.wake()
        rounds = 0
        while rounds < 4 or (rounds < 4 + self.questions and await self._is_active()):
            rounds += 1
            await self.world.pass_time(7)
            for process in self.world.processes:
                await process.advance(8)
        for chat in CHATS:
            await self._check(chat)

    async def _is_active(self) -> bool:
        """Whether a turn is open: a question may have waited for the one before."""
        outcomes = [(await self.world.stored(chat))[1] for chat in CHATS]
        return any(None in chat_outcomes for chat_outcomes in outcomes)

    async def _check(self, chat: str) -> None:
        message, outcomes = await self.world.stored(chat)
        assert None not in outcomes, "a question waits for a response for ever"
        if outcomes and outcomes[-1] == "finished":
            assert message is not None
            texts = [part.text for part in message.parts if isinstance(part, TextPart)]
            assert texts == ["".join(BEFORE), "".join(AFTER)]
        stored = {each.id: each for each in await self._messages(chat)}
        for process in self.all:
            for end, received in process.shown_ends(chat):
                if not isinstance(end, Error) and received.parts:
                    assert received == stored[received.id], (
                        "an end was shown that is not the stored one"
                    )
        for question in range(1, self.questions + 1):
            assert self.world.charges[f"{chat} u{question}"] <= 1, "a tool ran twice"

    async def _messages(self, chat: str) -> list:  # type: ignore[type-arg]
        stored = await self.world.observer.get(None, chat)
        branches = await self.world.observer.branches(None, chat) or []
        messages = [] if stored is None else list(stored.messages)
        return [*messages, *(message for branch in branches for message in branch.messages)]


TestOwnership = Ownership.TestCase
TestOwnership.settings = settings(max_examples=EXAMPLES, stateful_step_count=20)


def test_ownership_in_postgresql(postgres: PostgresServer) -> None:
    """Its transactions run at the same time and lock rows; those of SQLite run one by one."""

    class InPostgresql(Ownership):
        def __init__(self) -> None:
            super().__init__(postgres.database())

    run_state_machine_as_test(
        InPostgresql, settings=settings(max_examples=EXAMPLES // 2, stateful_step_count=20)
    )
