"""Whatever clients do: a turn is one model call, a chat has one run at a time, and every reader
that stays has the whole message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from ui_message_stream.chunks import (
    Abort,
    Chunk,
    Error,
    Finish,
    FinishStep,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
)
from ui_message_stream.messages import TextPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.state import StreamState
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server.agent import Agent
from usechat_server.approvals import MemoryNonces, SignedApprovals
from usechat_server.coordination.base import ChatKey
from usechat_server.coordination.lease import Lease
from usechat_server.coordination.ownership import Orphan, Progress, Renewal
from usechat_server.coordination.subscription import LogSubscription
from usechat_server.errors import ChatError
from usechat_server.http.run_response import run_response
from usechat_server.loop.loop import AgentLoop
from usechat_server.providers.base import ModelCall, StepResult
from usechat_server.results import Outcome, RunResult, Step, Usage
from usechat_server.run_log.encoding import ui_message_stream
from usechat_server.runs import Hooks, RunConfig, Runs
from usechat_server.runs.responder import Responder
from usechat_server.turn import Turn

from tests.harness.asgi_host import LONG, AsgiHost

KEY = ChatKey("ann", "c")
NEVER = 3600.0


class Provider:
    """A model whose calls write a piece each time that a test releases one."""

    name = "provider"
    requires: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.calls: list[Call] = []
        #: calls that began while another one was open
        self.overlaps = 0

    def check(self, call: ModelCall) -> None:
        pass

    def stream(self, call: ModelCall) -> Call:
        return Call(self)

    async def aclose(self) -> None:
        pass

    @property
    def open(self) -> list[Call]:
        return [call for call in self.calls if not call.closed]


class Call:
    """Writes the pieces in this order."""

    SCRIPT: tuple[Sequence[Chunk], ...] = (
        [TextStart(id="0")],
        [TextDelta(id="0", delta="Hel")],
        [TextDelta(id="0", delta="lo")],
        [TextEnd(id="0"), FinishStep(), StartStep(), TextStart(id="1")],
        [TextDelta(id="1", delta="there")],
        [TextEnd(id="1")],
    )

    def __init__(self, provider: Provider) -> None:
        self.result: StepResult | None = None
        self.details: dict[str, Any] = {}
        self.usage = Usage()
        self.closed = False
        self._provider = provider
        self._steps = asyncio.Semaphore(0)

    def release_pieces(self, pieces: int) -> None:
        for _ in range(pieces):
            self._steps.release()

    async def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        self._provider.overlaps += len(self._provider.open)
        self._provider.calls.append(self)
        for batch in self.SCRIPT:
            await self._steps.acquire()
            yield batch
        self.result = StepResult("stop")

    async def aclose(self) -> None:
        self.closed = True


class Everything:
    """What a process owns that never loses a run."""

    def __contains__(self, run: object) -> bool:
        return True


@dataclass
class Store:
    """Records what was stored of each run."""

    running = ()
    ends: dict[str, tuple[Outcome, UIMessage]] = field(default_factory=dict)
    #: writes that came after the end of their run
    late: int = 0

    @property
    def ownership(self) -> Store:
        return self

    def add_runs(self, runs: object) -> None:
        pass

    async def renew(self, progress: Sequence[Progress]) -> Renewal:
        await asyncio.sleep(0)
        return Renewal(Everything(), ())  # type: ignore[arg-type]

    async def orphans(self) -> Sequence[Orphan]:
        return ()

    async def owner(self, user: str | None, chat_id: str) -> None:
        return None

    async def leave(self) -> None:
        pass

    async def finish(
        self, turn: Turn, message: UIMessage, outcome: Outcome, steps: Sequence[Step], **fields: Any
    ) -> bool:
        await asyncio.sleep(0)
        self.late += fields["run_id"] in self.ends
        self.ends[fields["run_id"]] = (outcome, message)
        return True


@dataclass
class Reader:
    """A client that reads a run."""

    run_id: str
    host: AsgiHost
    request: asyncio.Task[None]
    left: bool = False


class ChatWorld:
    """A chat, its clients and the provider."""

    def __init__(self, *, resume: bool, stored: bool, replace: bool) -> None:
        self.provider = Provider()
        self.store = Store()
        self.results: list[RunResult] = []
        self.readers: list[Reader] = []
        self.turns: list[str] = []
        #: the statuses of rejected posts
        self.rejected: list[int] = []
        self._agent = Agent(self.provider)
        self._approvals = SignedApprovals(None, MemoryNonces())
        hooks = Hooks(on_finish=self._finished)
        store: Any = self.store if stored else None
        self.stored = stored
        self.resume = resume
        self.runs = Runs(
            RunConfig(NEVER if resume else 0.0, store, hooks),
            on_busy="replace" if replace else "refuse",
        )

    async def post(self, question: int) -> None:
        async def begin(lease: Lease) -> tuple[Turn, Responder]:
            await asyncio.sleep(0)
            self.turns.append(lease.run_id)
            message = UIMessage(id=f"u{question}", role="user", parts=[TextPart(text="?")])
            turn = Turn(
                user="ann",
                chat_id="c",
                client_version=NEWEST_CLIENT_VERSION,
                messages=[message],
                message_id=f"m-{lease.run_id}",
            )
            loop = AgentLoop(self._agent.spec, self._agent.spec.first_call(turn), self._approvals)
            return turn, loop

        try:
            subscription = await self.runs.start_or_join(KEY, str(question), begin)
        except ChatError as rejection:
            self.rejected.append(rejection.status)
        else:
            self._read(subscription)

    async def resume_run(self) -> None:
        subscription = await self.runs.resume(KEY) if self.resume else None
        if subscription is not None:
            self._read(subscription, from_start=True)

    async def stop(self, guarded: bool) -> None:
        before = await self.runs.coordinator.active_run_ids([KEY])
        run_id = self.turns[-1] if guarded and self.turns else None
        await self.runs.stop(KEY, run_id=run_id)
        after = await self.runs.coordinator.active_run_ids([KEY])
        if not guarded and before:
            assert after != before  # another run may have started

    def disconnect(self, index: int) -> None:
        reading = [reader for reader in self.readers if not reader.request.done()]
        if reading:
            reader = reading[index % len(reading)]
            reader.left = True
            reader.host.disconnect()

    def _read(self, subscription: LogSubscription, *, from_start: bool = False) -> None:
        host = AsgiHost(
            run_response(
                subscription,
                self.runs.coordinator,
                KEY,
                ui_message_stream(NEWEST_CLIENT_VERSION),
                from_start=from_start,
                keep_alive=NEVER,
                send_timeout=NEVER,
            )
        )
        self.readers.append(Reader(subscription.run_id, host, host.request()))

    async def _finished(self, result: RunResult) -> None:
        self.results.append(result)


ACTIONS = st.one_of(
    st.tuples(st.just("post"), st.integers(0, 2)),
    st.tuples(st.just("resume"), st.just(0)),
    st.tuples(st.just("disconnect"), st.integers(0, 5)),
    st.tuples(st.just("stop"), st.booleans()),
    st.tuples(st.just("write"), st.integers(1, 6)),
    st.tuples(st.just("yield"), st.integers(0, 12)),
)


async def play(world: ChatWorld, actions: list[tuple[str, int]], grace: bool) -> None:
    requests: set[asyncio.Task[None]] = set()
    for action, number in actions:
        match action:
            case "post":
                requests.add(asyncio.create_task(world.post(number)))
            case "resume":
                requests.add(asyncio.create_task(world.resume_run()))
            case "stop":
                requests.add(asyncio.create_task(world.stop(bool(number))))
            case "disconnect":
                world.disconnect(number)
            case "write":
                for call in world.provider.open:
                    call.release_pieces(number)
            case "yield":
                for _ in range(number):
                    await asyncio.sleep(0)
    if grace:
        for call in world.provider.open:
            call.release_pieces(len(Call.SCRIPT))
    await asyncio.wait_for(world.runs.drain(0.02 if grace else 0), LONG)
    for task in requests:
        await asyncio.wait_for(task, LONG)
    await asyncio.wait_for(world.runs.aclose(), LONG)
    for reader in world.readers:
        await asyncio.wait_for(reader.request, LONG)


def check(world: ChatWorld) -> None:
    # Each turn is one model call, unless it was stopped before, and each call is closed.
    assert len(world.provider.calls) <= len(world.turns)
    assert set(world.rejected) <= {409, 503}
    assert world.provider.open == []
    assert not world.provider.overlaps
    assert not world.store.late
    assert world.runs.active_runs == []
    # Each turn has one end.
    assert len(world.results) == len(world.turns)
    ids = {result.turn.message_id for result in world.results}
    assert ids == {f"m-{turn}" for turn in world.turns}
    if world.stored:
        assert world.store.ends.keys() == set(world.turns)
    messages: dict[str, UIMessage] = {}
    for reader in world.readers:
        grammar = StreamState(client_version=NEWEST_CLIENT_VERSION)
        for chunk in reader.host.chunks:
            grammar.check(chunk)
        if reader.left:
            continue
        assert reader.host.complete
        assert reader.host.body.endswith(b"data: [DONE]\n\n")
        assert isinstance(reader.host.chunks[-1], (Finish, Abort, Error))
        message = reduce(reader.host.chunks)
        assert messages.setdefault(reader.run_id, message) == message
        if world.stored:
            assert world.store.ends[reader.run_id][1] == message


@settings(max_examples=300, deadline=None)
@given(
    st.lists(ACTIONS, max_size=14),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_every_turn_is_one_run_and_every_reader_has_the_whole_message(
    actions: list[tuple[str, int]], resume: bool, stored: bool, replace: bool, grace: bool
) -> None:
    async def main() -> None:
        world = ChatWorld(resume=resume, stored=stored, replace=replace)
        await play(world, actions, grace)
        check(world)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with patch("usechat_server.runs.busy_chats.BUSY_SECONDS", 0.005):
        asyncio.run(main())
