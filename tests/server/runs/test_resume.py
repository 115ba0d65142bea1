"""GET /api/chat/{id}/stream: a client that resumes gets the whole message, then what follows."""

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
from usechat_server.coordination import local as local_coordinator
from usechat_server.coordination.base import ChatKey
from usechat_server.coordination.lease import Lease
from usechat_server.coordination.subscription import LogSubscription
from usechat_server.http.run_response import run_response
from usechat_server.loop.run_writer import RunWriter
from usechat_server.loop.usage_tracker import UsageTracker
from usechat_server.results import MetadataHook
from usechat_server.run_log.encoding import ui_message_stream
from usechat_server.runs import RunConfig, Runs
from usechat_server.runs.idle_timer import IdleTimer
from usechat_server.runs.responder import Responder

from tests.harness.asgi_host import LONG, AsgiHost
from tests.harness.common import DEADLINE, user_from_header
from tests.harness.live import LiveServer, ScriptedModel, text, user
from tests.harness.stream_client import StreamClient

KEY = ChatKey(None, "c")
LOCATE = ClientTool("locate", "Where the user is.", {"type": "object"})


@contextmanager
def serve_app(model: ScriptedModel, **settings: Any) -> Iterator[LiveServer]:
    agent = Agent(model, tools=[LOCATE])
    with LiveServer(
        create_app(agent, user=user_from_header, anonymous=True, settings=Settings(**settings))
    ) as server:
        yield server
        model.release()


def post(server: LiveServer, **fields: Any) -> StreamClient:
    body = {"id": "a/b", "messages": [user("Hello")], **fields}
    return StreamClient("POST", f"{server.url}/api/chat", body)


def resume(server: LiveServer, **options: Any) -> StreamClient:
    return StreamClient("GET", f"{server.url}/api/chat/a%2Fb/stream", **options)


def text_of(message: UIMessage) -> str:
    return "".join(part.text for part in message.parts if isinstance(part, TextPart))


def test_without_resume_a_disconnect_closes_the_provider_and_ends_the_run() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with serve_app(model) as server:
        with post(server) as client:
            client.wait_for_text("Hello")
            with resume(server) as second:
                assert second.end().status == 204
        assert model.closed.wait(DEADLINE)
        with resume(server) as late:
            assert late.end().status == 204


def test_a_client_resumes_the_whole_message_and_then_reads_live() -> None:
    model = ScriptedModel(*text(*"Hello there"), hold=True)
    with serve_app(model, resume=60) as server, ExitStack() as clients:
        with post(server) as disconnected:
            disconnected.wait_for_text("Hello there")
        readers = [clients.enter_context(resume(server)) for _ in range(3)]
        for reader in readers:
            reader.wait_for_text("Hello there")
            # The text that it missed is one delta.
            deltas = [chunk for chunk in reader.chunks if chunk["type"] == "text-delta"]
            assert len(deltas) == 1
        assert not model.closed.is_set()
        model.release()
        messages = [reader.end().message() for reader in readers]
        assert all(reader.done and reader.run_id == disconnected.run_id for reader in readers)
        assert messages[0] == messages[1] == messages[2]
        assert messages[0].id == disconnected.chunks[0]["messageId"]
        assert len(model.calls) == 1
        with resume(server) as late:
            assert late.end().status == 204


def test_a_client_that_was_offline_at_the_end_gets_it_once() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with serve_app(model, resume=60) as server:
        with post(server) as disconnected:
            disconnected.wait_for_text("Hello")
        model.release()
        assert model.closed.wait(DEADLINE)
        with resume(server) as client:
            assert client.end().chunks[-1] == {"type": "finish", "finishReason": "stop"}
            assert text_of(client.message()) == "Hello"
        with resume(server) as late:
            assert late.end().status == 204


def test_a_resumed_continuation_begins_with_the_message_so_far() -> None:
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
    continued = {"id": "m1", "role": "assistant", "parts": parts}
    with serve_app(model, resume=60) as server:
        with post(server, messages=[user("?"), continued]) as disconnected:
            disconnected.wait_for_text("Hello")
        with resume(server) as client:
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


def test_another_users_run_cannot_be_resumed_or_stopped() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with serve_app(model, resume=60) as server, post(server) as client:
        client.wait_for_text("Hello")
        response = server.request("GET", "/api/chat/a%2Fb/stream", headers={"x-user": "eve"})
        assert response.status_code == 204
        stop = server.request("POST", "/api/chat/a%2Fb/stop", headers={"x-user": "eve"})
        assert stop.status_code == 204
        assert not model.closed.is_set()
        model.release()
        assert client.end().chunks[-1]["type"] == "finish"


def test_a_run_without_clients_times_out_and_can_still_be_read() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with serve_app(model, resume=0.05) as server:
        with post(server) as disconnected:
            disconnected.wait_for_text("Hello")
        assert model.closed.wait(DEADLINE)
        with resume(server) as late:
            assert late.end().chunks[-1]["type"] == "abort"
            assert text_of(late.message()) == "Hello"


async def test_a_reader_that_reconnects_in_time_cancels_the_countdown() -> None:
    timed_out = asyncio.Event()
    timer = IdleTimer(0.01, timed_out.set)

    async def wait_for_a_later_timer() -> None:
        ended = asyncio.Event()
        IdleTimer(0.01, ended.set).set_remote_readers(0)
        await asyncio.wait_for(ended.wait(), DEADLINE)

    timer.add_reader()
    for _ in range(3):
        timer.remove_reader()
        timer.add_reader()
        await wait_for_a_later_timer()
    timer.set_remote_readers(1)
    timer.remove_reader()
    await wait_for_a_later_timer()
    assert not timed_out.is_set()
    timer.set_remote_readers(0)
    await asyncio.wait_for(timed_out.wait(), DEADLINE)


class ResettingResponder:
    """Writes a text, resets the step while a client reads it, and writes another."""

    name = "retracting"
    metadata: MetadataHook | None = None

    def __init__(self) -> None:
        self.may_reset = asyncio.Event()
        self.may_finish = asyncio.Event()

    async def respond(self, writer: RunWriter, usage: UsageTracker) -> FinishReason:
        writer.append([TextStart(id="0"), TextDelta(id="0", delta="Wrong")])
        await self.may_reset.wait()
        writer.append([ResetStep(), TextStart(id="1"), TextDelta(id="1", delta="Right")])
        await self.may_finish.wait()
        return "stop"

    def abort(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


async def start_run(responder: ResettingResponder, runs: Runs) -> LogSubscription:
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


async def test_a_client_that_cannot_discard_output_gets_an_error_and_the_run_continues() -> None:
    runs, responder = Runs(RunConfig(idle_timeout=3600)), ResettingResponder()
    old_client = AsgiHost(
        run_response(
            await start_run(responder, runs),
            runs.coordinator,
            KEY,
            ui_message_stream(DEFAULT_CLIENT_VERSION),
        )
    )
    request = old_client.request()
    await old_client.wait_for_body(lambda body: b"Wrong" in body)
    responder.may_reset.set()
    await asyncio.wait_for(request, LONG)
    assert old_client.complete
    assert isinstance(old_client.chunks[-1], Error)
    assert old_client.body.count(b"[DONE]") == 1
    [run] = runs.active_runs  # it continues: a client that reloads gets the right text

    subscription = await runs.resume(KEY)
    assert subscription is not None
    new_client = AsgiHost(
        run_response(
            subscription,
            runs.coordinator,
            KEY,
            ui_message_stream(DEFAULT_CLIENT_VERSION),
            from_start=True,
        )
    )
    request = new_client.request()
    await new_client.wait_for_body(lambda body: b"Right" in body)
    responder.may_finish.set()
    await asyncio.wait_for(request, LONG)
    assert text_of(reduce(new_client.chunks)) == "Right"
    assert isinstance(new_client.chunks[-1], Finish)
    assert run.log.has_ended
    await runs.aclose()


async def test_an_undelivered_end_is_dropped_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_coordinator, "UNACKNOWLEDGED_SECONDS", 0.05)
    runs, responder = Runs(RunConfig(idle_timeout=3600)), ResettingResponder()
    (await start_run(responder, runs)).close()
    responder.may_reset.set()
    responder.may_finish.set()
    await asyncio.wait_for(runs.drain(LONG), LONG)
    assert await runs.coordinator.get(KEY) is not None
    async with asyncio.timeout(LONG):
        while await runs.coordinator.get(KEY) is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await runs.aclose()
