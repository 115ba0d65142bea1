"""With a store: the answer is kept while it is made, and whatever becomes of the process."""

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
from tests.harness.serving import Served, serve
from tests.harness.stream_client import StreamClient


def ask(number: int = 1) -> dict[str, Any]:
    return {"id": "c1", "messages": [user(f"Question {number}", id=f"u{number}")]}


def test_a_reload_right_after_the_end_shows_the_whole_answer(tmp_path: Path) -> None:
    app = create_app(Agent(ScriptedModel()), store=f"sqlite:///{tmp_path}/chats.db")
    with LiveServer(app) as server:
        for number in range(1, 11):
            with StreamClient("POST", f"{server.url}/api/chat", ask(number)) as client:
                message = client.end().message()
            chat = server.request("GET", "/api/chat/c1?resume=1").json()
            assert len(chat["messages"]) == 2 * number
            assert chat["messages"][-1]["id"] == message.id
            assert chat["messages"][-1]["parts"][-1]["text"] == "Hello there"
            assert chat["activeRunId"] is None
            assert server.request("GET", "/api/chat/c1/stream").status_code == 204


def test_a_page_that_loads_a_running_chat_comes_for_the_rest_whoever_else_got_the_end(
    tmp_path: Path,
) -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    app = create_app(Agent(model), store=f"sqlite:///{tmp_path}/chats.db")
    with LiveServer(app) as server, StreamClient("POST", f"{server.url}/api/chat", ask()) as first:
        first.wait_for_text("Hello")
        chat = server.request("GET", "/api/chat/c1?resume=1").json()
        assert [message["id"] for message in chat["messages"]] == ["u1"]
        assert chat["activeRunId"] == first.run_id
        # The answer ends, and another tab has the end, before this page comes for it.
        model.release()
        first.end()
        with StreamClient("GET", f"{server.url}/api/chat/c1/stream") as client:
            assert client.end().message() == first.message()
        assert server.request("GET", "/api/chat/c1/stream").status_code == 204


def test_a_process_that_is_killed_leaves_what_was_said_and_a_chat_that_goes_on(
    tmp_path: Path,
) -> None:
    env = {"USECHAT_STORE": f"sqlite:///{tmp_path}/chats.db"}
    with (
        serve("tests.harness.apps:endless", "usechat", env=env) as served,
        StreamClient("POST", f"{served.url}/api/chat", ask()) as client,
    ):
        client.wait_for_text("Hello there")
        until_stored(served, "Hello there")
        served.process.kill()
    with serve("tests.harness.apps:agent", "usechat", env=env) as served:
        [_, answer] = get(served)["messages"]
        assert answer["parts"][-1] == {"type": "text", "text": "Hello there", "state": "done"}
        assert get(served)["activeRunId"] is None
        with StreamClient("GET", f"{served.url}/api/chat/c1/stream") as client:
            assert client.end().status == 204
        with StreamClient("POST", f"{served.url}/api/chat", ask(2)) as client:
            assert client.end().done
        assert len(get(served)["messages"]) == 4


def get(served: Served) -> dict[str, Any]:
    chat: dict[str, Any] = httpx.get(f"{served.url}/api/chat/c1", trust_env=False).json()
    return chat


def until_stored(served: Served, said: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while said not in str(get(served)["messages"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Store:
    """The part of `ChatStore` that runs write to. A test makes it slow, or takes it away."""

    def __init__(self) -> None:
        self.away = False
        self.open = asyncio.Event()
        self.open.set()
        self.checkpoints: list[UIMessage] = []
        self.ends: list[tuple[str, Outcome, UIMessage]] = []
        self.attempts = 0
        self._change = asyncio.Condition()
        self._busy = False

    async def checkpoint(
        self, turn: Turn, message: UIMessage, *, run_id: str, epoch: int = 0
    ) -> bool:
        await self._write()
        assert not self.ends
        self.checkpoints.append(message)
        return True

    async def finish(
        self,
        turn: Turn,
        message: UIMessage,
        outcome: Outcome,
        steps: Sequence[Step],
        *,
        run_id: str,
        epoch: int = 0,
    ) -> bool:
        await self._write()
        self.ends.append((run_id, outcome, message))
        return True

    async def until(self, attempts: int) -> None:
        """Waits until so many writes were tried."""
        async with asyncio.timeout(LONG), self._change:
            await self._change.wait_for(lambda: self.attempts >= attempts)

    async def _write(self) -> None:
        assert not self._busy, "two writes of one run at once"
        self._busy = True
        try:
            async with self._change:
                self.attempts += 1
                self._change.notify_all()
            await self.open.wait()
            if self.away:
                raise StoreUnavailable
        finally:
            self._busy = False


def says(said: str) -> TextPart:
    return TextPart(text=said, state="done")


async def responder(store: Store, *script: ScriptEvent) -> tuple[Runs, StartedRun]:
    runs = Runs(RunConfig(store=store))  # type: ignore[arg-type]
    question = UIMessage(id="u", role="user", parts=[TextPart(text="?")])
    turn = Turn(
        user=None,
        chat_id="c",
        client_version=DEFAULT_CLIENT_VERSION,
        messages=[question],
        message_id="m",
    )
    return runs, await start_run(runs, turn, Agent(Script([*script, StepResult("stop")])))


async def test_an_answer_is_stored_again_and_again_while_it_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(persistence_module, "CHECKPOINT_SECONDS", 0.01)
    go_on = [asyncio.Event() for _ in range(2)]
    store = Store()
    runs, run = await responder(
        store,
        [TextStart(id="0"), TextDelta(id="0", delta="a")],
        go_on[0],
        *([TextDelta(id="0", delta="b")] for _ in range(2000)),
        go_on[1],
        [TextEnd(id="0")],
    )
    for event, said in zip(go_on, ("a", "a" + 2000 * "b"), strict=True):
        await store.until(store.attempts + 1)
        while store.checkpoints[-1].parts[-1] != TextPart(text=said, state="streaming"):
            await store.until(store.attempts + 1)
        event.set()
    await asyncio.wait_for(AsgiHost(run.response()).read_chunks(), LONG)
    await asyncio.wait_for(runs.aclose(), LONG)
    assert len(store.checkpoints) < 200  # it is time that counts, not what was said
    [(run_id, outcome, message)] = store.ends
    assert (run_id, outcome) == (run.run.id, "finished")
    assert message.parts[-1] == says("a" + 2000 * "b")


async def test_nothing_new_is_not_stored_and_a_step_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(persistence_module, "CHECKPOINT_SECONDS", LONG)
    go_on = asyncio.Event()
    store = Store()
    runs, run = await responder(
        store,
        [TextStart(id="0"), TextDelta(id="0", delta="a"), TextEnd(id="0"), FinishStep()],
        go_on,
        [StartStep(), TextStart(id="1")],
    )
    await store.until(1)
    assert store.checkpoints[0].parts[-1] == says("a")
    go_on.set()
    await asyncio.wait_for(AsgiHost(run.response()).read_chunks(), LONG)
    assert len(store.checkpoints) == 1
    await runs.aclose()


async def test_a_slow_checkpoint_never_overtakes_the_end() -> None:
    store = Store()
    store.open.clear()
    runs, run = await responder(
        store, [TextStart(id="0"), TextEnd(id="0"), FinishStep()], [StartStep()]
    )
    await store.until(1)
    host = AsgiHost(run.response())
    answer = host.request()
    await host.wait_for_body(lambda body: b"start-step" in body)
    assert not store.ends
    store.open.set()
    await asyncio.wait_for(answer, LONG)
    assert len(store.ends) == 1  # and before the page had the end
    await runs.aclose()


async def test_a_store_that_is_away_gets_the_answer_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_module, "STORED_SECONDS", 0.05)
    monkeypatch.setattr(persistence_module, "FIRST_PAUSE", 0.01)
    store = Store()
    store.away = True
    runs, run = await responder(store, [TextStart(id="0"), TextDelta(id="0", delta="a")])
    # The page does not wait for it.
    host = AsgiHost(run.response())
    await asyncio.wait_for(host.request(), LONG)
    assert host.complete
    await store.until(3)
    store.away = False
    await asyncio.wait_for(runs.drain(LONG), LONG)  # which waits for it
    [(_, outcome, message)] = store.ends
    assert outcome == "finished"
    assert message.parts[-1] == says("a")


async def test_a_store_that_stays_away_does_not_keep_a_server_from_going_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("usechat_server.runs.registry.DELIVERY_SECONDS", 0.05)
    before = asyncio.all_tasks()
    store = Store()
    store.away = True
    runs, run = await responder(store, [TextStart(id="0")], asyncio.Event())
    await asyncio.wait_for(runs.aclose(), LONG)
    assert run.log.has_ended
    assert asyncio.all_tasks() == before
