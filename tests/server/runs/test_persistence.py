"""With a store, a message is stored while it is written, and survives its process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from ui_message_stream.chunks import FinishStep, StartStep, TextDelta, TextEnd, TextStart
from ui_message_stream.messages import TextPart, UIMessage
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION
from usechat_server import Agent, create_app
from usechat_server.coordination.ownership import Orphan, Progress, Renewal
from usechat_server.errors import StoreUnavailable
from usechat_server.providers.base import StepResult
from usechat_server.results import Outcome, Step
from usechat_server.runs import RunConfig, Runs
from usechat_server.runs import persistence as persistence_module
from usechat_server.runs import run as run_module
from usechat_server.turn import Turn

from tests.harness.asgi_host import LONG, AsgiHost
from tests.harness.common import DEADLINE
from tests.harness.lifecycle import StartedRun, start_run
from tests.harness.live import LiveServer, ScriptedModel, text, user
from tests.harness.scripted_model import ScriptedModel as Script
from tests.harness.scripted_model import ScriptEvent
from tests.harness.serving import ServerProcess, serve
from tests.harness.stream_client import StreamClient


def post_body(number: int = 1) -> dict[str, Any]:
    return {"id": "c1", "messages": [user(f"Question {number}", id=f"u{number}")]}


def test_a_reload_right_after_the_end_loads_the_whole_message(tmp_path: Path) -> None:
    app = create_app(Agent(ScriptedModel()), store=f"sqlite:///{tmp_path}/chats.db")
    with LiveServer(app) as server:
        for number in range(1, 11):
            with StreamClient("POST", f"{server.url}/api/chat", post_body(number)) as client:
                message = client.end().message()
            chat = server.request("GET", "/api/chat/c1?resume=1").json()
            assert len(chat["messages"]) == 2 * number
            assert chat["messages"][-1]["id"] == message.id
            assert chat["messages"][-1]["parts"][-1]["text"] == "Hello there"
            assert chat["activeRunId"] is None
            assert server.request("GET", "/api/chat/c1/stream").status_code == 204


def test_a_client_that_loads_a_running_chat_can_resume_it_even_if_another_got_the_end(
    tmp_path: Path,
) -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    app = create_app(Agent(model), store=f"sqlite:///{tmp_path}/chats.db")
    with (
        LiveServer(app) as server,
        StreamClient("POST", f"{server.url}/api/chat", post_body()) as first,
    ):
        first.wait_for_text("Hello")
        chat = server.request("GET", "/api/chat/c1?resume=1").json()
        assert [message["id"] for message in chat["messages"]] == ["u1"]
        assert chat["activeRunId"] == first.run_id
        # The run ends, and another tab has the end, before this client resumes it.
        model.release()
        first.end()
        with StreamClient("GET", f"{server.url}/api/chat/c1/stream") as client:
            assert client.end().message() == first.message()
        assert server.request("GET", "/api/chat/c1/stream").status_code == 204


def test_a_process_that_restarts_takes_over_what_it_left(tmp_path: Path) -> None:
    env = {"USECHAT_STORE": f"sqlite:///{tmp_path}/chats.db"}
    with (
        serve("tests.harness.apps:endless", "usechat", env=env) as served,
        StreamClient("POST", f"{served.url}/api/chat", post_body()) as client,
    ):
        client.wait_for_text("Hello there")
        wait_until_stored(served, "Hello there")
        served.process.kill()
    with serve("tests.harness.apps:agent", "usechat", env=env) as served:
        chat = get_chat(served)
        assert chat["messages"][1]["parts"][-1]["text"] == "Hello there"
        assert chat["activeRunId"] == client.run_id
        with StreamClient("GET", f"{served.url}/api/chat/c1/stream") as resumed:
            assert resumed.end().chunks[-1]["type"] == "finish"
        chat = get_chat(served)
        assert chat["activeRunId"] is None
        assert len(chat["messages"]) == 2
        with StreamClient("POST", f"{served.url}/api/chat", post_body(2)) as client:
            assert client.end().done
        assert len(get_chat(served)["messages"]) == 4


def get_chat(served: ServerProcess) -> dict[str, Any]:
    chat: dict[str, Any] = httpx.get(f"{served.url}/api/chat/c1", trust_env=False).json()
    return chat


def wait_until_stored(served: ServerProcess, expected: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while expected not in str(get_chat(served)["messages"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Everything:
    """What a process owns that never loses a run."""

    def __contains__(self, run: object) -> bool:
        return True


class Store:
    """The part of `ChatStore` that runs write to. A test can make it unavailable."""

    running = ()

    def __init__(self) -> None:
        self.is_unavailable = False
        self.checkpoints: list[UIMessage] = []
        self.ends: list[tuple[str, Outcome, UIMessage]] = []
        self.attempts = 0
        self.ownership = self
        self._change = asyncio.Condition()

    def add_runs(self, runs: object) -> None:
        pass

    async def renew(self, progress: Sequence[Progress]) -> Renewal:
        if progress:
            await self._write()
            self.checkpoints += [run.message for run in progress]
        return Renewal(Everything(), ())  # type: ignore[arg-type]

    async def orphans(self) -> Sequence[Orphan]:
        return ()

    async def leave(self) -> None:
        pass

    async def finish(
        self, turn: Turn, message: UIMessage, outcome: Outcome, steps: Sequence[Step], **fields: Any
    ) -> bool:
        await self._write()
        self.ends.append((fields["run_id"], outcome, message))
        return True

    async def wait_for_attempts(self, attempts: int) -> None:
        """Wait until so many writes were attempted."""
        async with asyncio.timeout(LONG), self._change:
            await self._change.wait_for(lambda: self.attempts >= attempts)

    async def _write(self) -> None:
        async with self._change:
            self.attempts += 1
            self._change.notify_all()
        if self.is_unavailable:
            raise StoreUnavailable


def text_part(expected: str) -> TextPart:
    return TextPart(text=expected, state="done")


async def start_with_store(
    store: Store, *script: ScriptEvent, seconds: float = 1.0
) -> tuple[Runs, StartedRun]:
    runs = Runs(RunConfig(store=store, checkpoint_seconds=seconds))  # type: ignore[arg-type]
    question = UIMessage(id="u", role="user", parts=[TextPart(text="?")])
    turn = Turn(
        user=None,
        chat_id="c",
        client_version=DEFAULT_CLIENT_VERSION,
        messages=[question],
        message_id="m",
    )
    return runs, await start_run(runs, turn, Agent(Script([*script, StepResult("stop")])))


async def test_a_message_in_progress_is_stored_at_intervals() -> None:
    may_continue = [asyncio.Event() for _ in range(2)]
    store = Store()
    runs, run = await start_with_store(
        store,
        [TextStart(id="0"), TextDelta(id="0", delta="a")],
        may_continue[0],
        *([TextDelta(id="0", delta="b")] for _ in range(2000)),
        may_continue[1],
        [TextEnd(id="0")],
        seconds=0.01,
    )
    for event, expected in zip(may_continue, ("a", "a" + 2000 * "b"), strict=True):
        await store.wait_for_attempts(store.attempts + 1)
        while store.checkpoints[-1].parts[-1] != TextPart(text=expected, state="streaming"):
            await store.wait_for_attempts(store.attempts + 1)
        event.set()
    await asyncio.wait_for(AsgiHost(run.response()).read_chunks(), LONG)
    await asyncio.wait_for(runs.aclose(), LONG)
    assert len(store.checkpoints) < 200  # the interval counts, not the number of chunks
    [(run_id, outcome, message)] = store.ends
    assert (run_id, outcome) == (run.run.id, "finished")
    assert message.parts[-1] == text_part("a" + 2000 * "b")


async def test_a_step_is_stored_at_once_and_an_unchanged_message_is_not() -> None:
    may_continue = asyncio.Event()
    store = Store()
    runs, run = await start_with_store(
        store,
        [TextStart(id="0"), TextDelta(id="0", delta="a"), TextEnd(id="0"), FinishStep()],
        may_continue,
        [StartStep(), TextStart(id="1")],
        seconds=LONG,
    )
    await store.wait_for_attempts(1)
    assert store.checkpoints[0].parts[-1] == text_part("a")
    may_continue.set()
    await asyncio.wait_for(AsgiHost(run.response()).read_chunks(), LONG)
    assert len(store.checkpoints) == 1
    await runs.aclose()


async def test_an_unavailable_store_gets_the_message_once_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_module, "STORED_SECONDS", 0.05)
    monkeypatch.setattr(persistence_module, "FIRST_PAUSE", 0.01)
    store = Store()
    store.is_unavailable = True
    runs, run = await start_with_store(store, [TextStart(id="0"), TextDelta(id="0", delta="a")])
    # The client does not wait for it.
    host = AsgiHost(run.response())
    await asyncio.wait_for(host.request(), LONG)
    assert host.complete
    await store.wait_for_attempts(3)
    store.is_unavailable = False
    await asyncio.wait_for(runs.drain(LONG), LONG)  # waits for the store
    [(_, outcome, message)] = store.ends
    assert outcome == "finished"
    assert message.parts[-1] == text_part("a")


async def test_a_store_that_stays_unavailable_does_not_block_the_shutdown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("usechat_server.runs.registry.DELIVERY_SECONDS", 0.05)
    before = asyncio.all_tasks()
    store = Store()
    store.is_unavailable = True
    runs, run = await start_with_store(store, [TextStart(id="0")], asyncio.Event())
    await asyncio.wait_for(runs.aclose(), LONG)
    assert run.log.has_ended
    assert asyncio.all_tasks() == before
