"""A run that is over leaves nothing in memory, without waiting for the garbage collector.

The collector looks at old objects very rarely, so a history that is part of a reference cycle may
stay for hours.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Any, Literal
from weakref import ref

import pytest
from anthropic import AsyncAnthropic
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from starlette.types import ASGIApp
from usechat_server import Agent, Settings, StreamWriter, ToolContext, create_app, tool
from usechat_server.providers.base import StepResult
from usechat_server.turn import Turn

from tests.harness import fake_provider
from tests.harness.agent_chat import call_chunks, text_chunks
from tests.harness.common import DEADLINE
from tests.harness.fake_provider import FakeProvider, Reply, message
from tests.harness.redis_server import redis_server
from tests.harness.scripted_model import ScriptedModel, ScriptEvent


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    logging.disable()  # pytest keeps the records, which have tracebacks
    yield
    logging.disable(logging.NOTSET)
    gc.enable()


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[ref[Turn]]:
    """All turns, alive or not."""
    turns: list[ref[Turn]] = []
    create = Turn.__init__

    def record(turn: Turn, *args: Any, **fields: Any) -> None:
        turns.append(ref(turn))
        create(turn, *args, **fields)

    monkeypatch.setattr(Turn, "__init__", record)
    return turns


class Client:
    """A client of an app in this process, which leaves as soon as it has read some text."""

    def __init__(self, app: ASGIApp, until: bytes | None = None) -> None:
        self._app = app
        self._until = until
        self._left = asyncio.Event()

    async def post(self, text: str = "Hello") -> bytes:
        """Send a message, and return what was read of the response."""
        self.body = b""
        message = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": text}]}
        body = json.dumps({"id": "c1", "messages": [message]}).encode()
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Any:
            with suppress(StopIteration):
                return next(messages)
            await self._left.wait()
            return {"type": "http.disconnect"}

        scope: Any = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": "/api/chat",
            "raw_path": b"/api/chat",
            "root_path": "",
            "query_string": b"",
            "scheme": "http",
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 1),
            "headers": [(b"content-type", b"application/json"), (b"host", b"127.0.0.1")],
        }
        await asyncio.wait_for(self._app(scope, receive, self._send), DEADLINE)
        return self.body

    async def _send(self, message: Any) -> None:
        self.body += message.get("body", b"")
        if self._until is not None and self._until in self.body:
            self._left.set()


async def wait_until_freed(turns: list[ref[Turn]]) -> None:
    """Wait for the second in which a run may end."""
    assert turns
    for _ in range(100):
        if not any(turn() for turn in turns):
            return
        await asyncio.sleep(0.01)

    alive = [turn() for turn in turns if turn() is not None]
    raise AssertionError(f"{len(alive)} of {len(turns)} turns are in memory: {referrers(alive[0])}")


def referrers(value: object) -> list[str]:
    return [f"{type(each).__name__} {str(each)[:200]}" for each in gc.get_referrers(value)]


@tool
async def hang() -> None:
    """Hang."""
    await asyncio.Event().wait()


@tool
def block(ctx: ToolContext) -> None:
    """Block a thread until the call is cancelled."""
    while not ctx.cancelled:
        sleep(0.001)


@tool
def fail() -> None:
    """Fail."""
    raise ValueError


def call(name: str) -> list[ScriptEvent]:
    return [text_chunks("Let me see."), call_chunks("a", name), StepResult("tool-calls")]


def done() -> list[ScriptEvent]:
    return [text_chunks(), StepResult("stop")]


def waits() -> list[ScriptEvent]:
    return [text_chunks("Wait"), asyncio.Event()]


def breaks() -> Iterator[ScriptEvent]:
    yield text_chunks()
    yield RuntimeError("bug")


#: What the model does, and what the client has read when it leaves.
CASES: dict[str, tuple[Callable[[], list[Iterable[ScriptEvent]]], bytes | None]] = {
    "it ends": (lambda: [done()], None),
    "a tool fails": (lambda: [call("fail"), done()], None),
    "the model fails": (lambda: [breaks()], None),
    "the client leaves": (lambda: [waits()], b"Wait"),
    "the client leaves a tool": (lambda: [call("hang")], b"input-available"),
    "the client leaves a thread": (lambda: [call("block")], b"input-available"),
}


@pytest.mark.parametrize("has_store", [False, True])
@pytest.mark.parametrize("name", CASES)
async def test_a_run_leaves_no_turn_in_memory(
    name: str, has_store: bool, turns: list[ref[Turn]], tmp_path: Path
) -> None:
    scripts, until = CASES[name]
    model = ScriptedModel(*scripts())
    agent = Agent(model, tools=[hang, block, fail])
    store = f"sqlite:///{tmp_path}/chats.db" if has_store else None
    app = create_app(agent, settings=Settings(store=store, resume=0))
    async with app.lifespan(app):
        await Client(app, until).post()
        await wait_until_freed(turns)


@pytest.mark.parametrize("name", CASES)
async def test_a_run_with_telemetry_leaves_no_turn_in_memory(
    name: str, turns: list[ref[Turn]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A process can set each of them once.
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", TracerProvider())
    monkeypatch.setattr("opentelemetry.metrics._internal._METER_PROVIDER", MeterProvider())
    scripts, until = CASES[name]
    agent = Agent(ScriptedModel(*scripts()), tools=[hang, block, fail])
    app = create_app(agent, settings=Settings(resume=0, trace_content=True))
    async with app.lifespan(app):
        await Client(app, until).post()
        await wait_until_freed(turns)


@pytest.mark.parametrize("name", ["it ends", "the client leaves a tool"])
async def test_a_run_in_redis_leaves_no_turn_in_memory(name: str, turns: list[ref[Turn]]) -> None:
    scripts, until = CASES[name]
    with redis_server() as redis:
        agent = Agent(ScriptedModel(*scripts()), tools=[hang])
        app = create_app(agent, settings=Settings(redis_url=redis.url, resume=0))
        async with app.lifespan(app):
            await Client(app, until).post()
            await wait_until_freed(turns)


@pytest.mark.parametrize("then", ["eof", "hang", "reset"])
async def test_claude_leaves_no_turn_in_memory(
    then: Literal["eof", "hang", "reset"], turns: list[ref[Turn]]
) -> None:
    with FakeProvider() as provider:
        events = message(fake_provider.text("Wait"))
        if then != "eof":
            events = events[:-1]
        provider.script(Reply(events, then=then))
        client = AsyncAnthropic(base_url=provider.url, api_key="any", max_retries=0)
        app = create_app(Agent("claude-sonnet-5-5", client=client), settings=Settings(resume=0))
        async with app.lifespan(app):
            await Client(app, b"Wait" if then == "hang" else None).post()
            await wait_until_freed(turns)


async def test_histories_of_clients_that_left_take_no_memory() -> None:
    model = ScriptedModel(waits())
    app = create_app(Agent(model), settings=Settings(resume=0))
    async with app.lifespan(app):
        await Client(app, b"Wait").post()
        before = resident_bytes()
        for _ in range(20):
            await Client(app, b"Wait").post("x" * 5_000_000)
            model.calls.clear()
            model.streams.clear()
        assert resident_bytes() - before < 50_000_000


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("until", [None, b"Wait"])
async def test_a_handlers_run_leaves_no_turn_in_memory(
    until: bytes | None, turns: list[ref[Turn]]
) -> None:
    agent = Agent(ScriptedModel(done() if until is None else waits()))

    async def respond(turn: Turn, writer: StreamWriter) -> None:
        await writer.merge(agent.stream(turn))

    app = create_app(handler=respond)
    async with app.lifespan(app):
        await Client(app, until).post()
        await wait_until_freed(turns)
