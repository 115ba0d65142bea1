"""GET /api/chat/{id}/stream: a page that comes back has the whole message, then what follows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from ui_message_stream.chunks import (
    Error,
    Finish,
    FinishReason,
    ResetStep,
    TextDelta,
    TextStart,
)
from ui_message_stream.messages import TextPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION
from usechat_server import Agent, ClientTool, Settings, Turn, create_app
from usechat_server.coordination import local as local_board
from usechat_server.coordination.base import ChatKey, Lease, LogSubscription
from usechat_server.http.run_response import run_response
from usechat_server.loop.run_writer import RunWriter
from usechat_server.loop.usage_tracker import UsageTracker
from usechat_server.results import MetadataHook
from usechat_server.runs import RunConfig, Runs
from usechat_server.runs.idle_timer import IdleTimer
from usechat_server.runs.responder import Responder

from tests.harness.asgi_host import LONG, AsgiHost
from tests.harness.common import DEADLINE, user_from_header
from tests.harness.live import LiveServer, ScriptedModel, text, user
from tests.harness.stream_client import StreamClient

KEY = ChatKey(None, "c")
LOCATE = ClientTool("locate", "Where the person is.", {"type": "object"})


@contextmanager
def serving(model: ScriptedModel, **settings: Any) -> Iterator[LiveServer]:
    agent = Agent(model, tools=[LOCATE])
    with LiveServer(
        create_app(agent, user=user_from_header, anonymous=True, settings=Settings(**settings))
    ) as server:
        yield server
        model.release()


def ask(server: LiveServer, **fields: Any) -> StreamClient:
    body = {"id": "a/b", "messages": [user("Hello")], **fields}
    return StreamClient("POST", f"{server.url}/api/chat", body)


def come_back(server: LiveServer, **options: Any) -> StreamClient:
    return StreamClient("GET", f"{server.url}/api/chat/a%2Fb/stream", **options)


def said(message: UIMessage) -> str:
    return "".join(part.text for part in message.parts if isinstance(part, TextPart))


def test_without_resume_a_hang_up_closes_the_provider_and_nobody_comes_back() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with serving(model) as server:
        with ask(server) as client:
            client.wait_for_text("Hello")
            with come_back(server) as second:
                assert second.end().status == 204
        assert model.closed.wait(DEADLINE)
        with come_back(server) as late:
            assert late.end().status == 204


def test_a_page_comes_back_to_the_whole_message_and_then_goes_on_live() -> None:
    model = ScriptedModel(*text(*"Hello there"), hold=True)
    with serving(model, resume=60) as server, ExitStack() as clients:
        with ask(server) as lost:
            lost.wait_for_text("Hello there")
        readers = [clients.enter_context(come_back(server)) for _ in range(3)]
        for reader in readers:
            reader.wait_for_text("Hello there")
            # What was said while it was away is one delta.
            deltas = [chunk for chunk in reader.chunks if chunk["type"] == "text-delta"]
            assert len(deltas) == 1
        assert not model.closed.is_set()
        model.release()
        whole = [reader.end().message() for reader in readers]
        assert all(reader.done and reader.run_id == lost.run_id for reader in readers)
        assert whole[0] == whole[1] == whole[2]
        assert whole[0].id == lost.chunks[0]["messageId"]
        assert len(model.calls) == 1
        with come_back(server) as late:
            assert late.end().status == 204


def test_a_page_that_was_offline_at_the_end_gets_it_once() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with serving(model, resume=60) as server:
        with ask(server) as lost:
            lost.wait_for_text("Hello")
        model.release()
        assert model.closed.wait(DEADLINE)
        with come_back(server) as client:
            assert client.end().chunks[-1] == {"type": "finish", "finishReason": "stop"}
            assert said(client.message()) == "Hello"
        with come_back(server) as late:
            assert late.end().status == 204


def test_a_continuation_is_replayed_with_the_message_that_it_continues() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    parts = [
        {"type": "step-start"},
        {
            "type": "tool-locate",
            "toolCallId": "t",
            "state": "output-available",
            "input": {},
            "output": "Paris",
        },
    ]
    begun = {"id": "m1", "role": "assistant", "parts": parts}
    with serving(model, resume=60) as server:
        with ask(server, messages=[user("?"), begun]) as lost:
            lost.wait_for_text("Hello")
        with come_back(server) as client:
            client.wait_for_text("Hello")
            model.release()
            message = client.end().message()
        assert message.id == "m1"
        assert [part.type for part in message.parts] == [
            "step-start",
            "tool-locate",
            "step-start",
            "text",
        ]


def test_nobody_reads_the_chat_of_somebody_else() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with serving(model, resume=60) as server, ask(server) as client:
        client.wait_for_text("Hello")
        answer = server.request("GET", "/api/chat/a%2Fb/stream", headers={"x-user": "eve"})
        assert answer.status_code == 204
        stop = server.request("POST", "/api/chat/a%2Fb/stop", headers={"x-user": "eve"})
        assert stop.status_code == 204
        assert not model.closed.is_set()
        model.release()
        assert client.end().chunks[-1]["type"] == "finish"


def test_an_answer_that_nobody_comes_back_to_ends_and_can_still_be_read() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with serving(model, resume=0.05) as server:
        with ask(server) as lost:
            lost.wait_for_text("Hello")
        assert model.closed.wait(DEADLINE)
        with come_back(server) as late:
            assert late.end().chunks[-1]["type"] == "abort"
            assert said(late.message()) == "Hello"


async def test_a_reader_that_comes_back_in_time_makes_the_countdown_nothing() -> None:
    gone = asyncio.Event()
    timer = IdleTimer(0.05, gone.set)
    timer.add_reader()
    for _ in range(3):
        timer.remove_reader()
        timer.add_reader()
        await asyncio.sleep(0.06)
    timer.set_remote_readers(1)
    timer.remove_reader()
    await asyncio.sleep(0.06)
    assert not gone.is_set()
    timer.set_remote_readers(0)
    await asyncio.wait_for(gone.wait(), DEADLINE)


class Retracting:
    """An answer that takes its first words back, while it is read."""

    name = "retracting"
    metadata: MetadataHook | None = None

    def __init__(self) -> None:
        self.shown = asyncio.Event()
        self.go_on = asyncio.Event()

    async def respond(self, writer: RunWriter, usage: UsageTracker) -> FinishReason:
        writer.append([TextStart(id="0"), TextDelta(id="0", delta="Wrong")])
        await self.shown.wait()
        writer.append([ResetStep(), TextStart(id="1"), TextDelta(id="1", delta="Right")])
        await self.go_on.wait()
        return "stop"

    async def aclose(self) -> None:
        pass


async def answered_by(responder: Retracting, runs: Runs) -> LogSubscription:
    question = UIMessage(id="u", role="user", parts=[TextPart(text="?")])
    turn = Turn(
        user=None,
        chat_id="c",
        client_version=DEFAULT_CLIENT_VERSION,
        messages=[question],
        message_id="m",
    )

    async def begin(lease: Lease) -> tuple[Turn, Responder]:
        return turn, responder

    return await runs.start_or_join(KEY, "", begin)


async def test_a_page_that_cannot_forget_is_broken_off_and_the_answer_goes_on() -> None:
    runs, responder = Runs(RunConfig(idle_timeout=3600)), Retracting()
    old = AsgiHost(
        run_response(
            await answered_by(responder, runs), runs.coordinator, KEY, DEFAULT_CLIENT_VERSION
        )
    )
    reading = old.request()
    await old.wait_for_body(lambda body: b"Wrong" in body)
    responder.shown.set()
    await asyncio.wait_for(reading, LONG)
    assert old.complete
    assert isinstance(old.chunks[-1], Error)
    assert old.body.count(b"[DONE]") == 1
    [run] = runs.active_runs  # it goes on: the page that is reloaded has what is right

    opened = await runs.resume(KEY)
    assert opened is not None
    reloaded = AsgiHost(
        run_response(opened, runs.coordinator, KEY, DEFAULT_CLIENT_VERSION, from_start=True)
    )
    reading = reloaded.request()
    await reloaded.wait_for_body(lambda body: b"Right" in body)
    responder.go_on.set()
    await asyncio.wait_for(reading, LONG)
    assert said(reduce(reloaded.chunks)) == "Right"
    assert isinstance(reloaded.chunks[-1], Finish)
    assert run.log.has_ended
    await runs.aclose()


async def test_an_end_that_nobody_fetches_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_board, "UNACKNOWLEDGED_SECONDS", 0.05)
    runs, responder = Runs(RunConfig(idle_timeout=3600)), Retracting()
    (await answered_by(responder, runs)).close()
    responder.shown.set()
    responder.go_on.set()
    await asyncio.wait_for(runs.drain(LONG), LONG)
    assert await runs.coordinator.get(KEY) is not None
    await asyncio.sleep(0.1)
    assert await runs.coordinator.get(KEY) is None
    await runs.aclose()
