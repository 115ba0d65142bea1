"""When a response is ended early, the connection to the provider is closed first, for good."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from ui_message_stream.messages import TextPart, UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server import Agent, StreamWriter
from usechat_server.results import Outcome
from usechat_server.runs import Runs
from usechat_server.telemetry.run_record import RunRecord
from usechat_server.turn import Turn

from tests.harness.asgi_host import AsgiHost
from tests.harness.common import DEADLINE
from tests.harness.fake_provider import FakeProvider, Reply, message, text
from tests.harness.lifecycle import start_run

QUESTION = UIMessage(id="u", role="user", parts=[TextPart(text="Hi")])
TURN: Turn = Turn(
    user=None,
    chat_id="c",
    client_version=NEWEST_CLIENT_VERSION,
    messages=[QUESTION],
    message_id="m",
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """As in `serve`. The event loop of asyncio itself closes sockets in its next turn."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url)
        yield provider


@pytest.mark.parametrize("is_answered", [True, False], ids=["silent", "before headers"])
@pytest.mark.parametrize("how", ["disconnect", "stop", "timeout"])
async def test_the_connection_to_the_provider_is_closed_first(
    provider: FakeProvider, how: str, is_answered: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "usechat.run")
    provider.script(Reply(message(text("Hello"))[:-1], then="hang", gate=not is_answered))
    is_closed: list[bool] = []

    class Handler(logging.Handler):
        """Blocks the event loop: what it waits for must have been done."""

        def emit(self, record: logging.LogRecord) -> None:
            is_closed.append(provider.request().closed.wait(DEADLINE))

    agent = Agent("claude-sonnet-5-5", timeout=2 if how == "timeout" else None)
    handler = Handler()
    logger = logging.getLogger("usechat.run")
    logger.addHandler(handler)
    try:
        run = await start_run(Runs(), TURN, agent)
        host = AsgiHost(run.response())
        response = host.request()
        await asyncio.to_thread(provider.request)
        if is_answered and how != "timeout":
            await host.wait_for_body(lambda body: b"Hello" in body)
        if how == "disconnect":
            host.disconnect()
        elif how == "stop":
            run.stop()
        await asyncio.wait_for(response, DEADLINE)
    finally:
        logger.removeHandler(handler)
        await agent.aclose()
    assert is_closed == [True]


@pytest.mark.parametrize("is_answered", [True, False], ids=["text", "before headers"])
@pytest.mark.parametrize("kind", ["merged", "in a task", "read"])
@pytest.mark.parametrize("how", ["disconnect", "stop"])
async def test_the_agent_of_a_handler_does_not_call_its_fallback_then(
    provider: FakeProvider,
    how: str,
    kind: str,
    is_answered: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reply = Reply(message(text("Hello"))[:-1], then="hang", gate=not is_answered)
    provider.script(reply, reply)
    outcomes: list[str] = []
    record_outcome = RunRecord.record_outcome

    def record(self: RunRecord, outcome: Outcome, *arguments: Any) -> None:
        outcomes.append(outcome)
        record_outcome(self, outcome, *arguments)

    monkeypatch.setattr(RunRecord, "record_outcome", record)
    agent = Agent("claude-sonnet-5-5", fallback=["claude-haiku-4-5"])
    has_ended = asyncio.Event()

    async def handler(turn: Turn, writer: StreamWriter) -> None:
        try:
            if kind == "read":
                async for chunk in agent.stream(turn):
                    writer.write(chunk)
            elif kind == "merged":
                await writer.merge(agent.stream(turn))
            else:
                async with asyncio.TaskGroup() as group:
                    merging = group.create_task(writer.merge(agent.stream(turn)))
                    try:
                        await asyncio.wait([merging])
                    finally:
                        # It is cancelled, but its agent is not yet.
                        await asyncio.wait([merging], timeout=1)
        finally:
            has_ended.set()

    run = await start_run(Runs(), TURN, handler)
    host = AsgiHost(run.response())
    response = host.request()
    await asyncio.to_thread(provider.request)
    if is_answered:
        await host.wait_for_body(lambda body: b"Hello" in body)
    if how == "disconnect":
        host.disconnect()
    else:
        run.stop()
    await asyncio.wait_for(asyncio.gather(response, has_ended.wait()), DEADLINE)
    await agent.aclose()
    assert outcomes == ["aborted", "aborted"]
    assert len(provider.requests) == 1
