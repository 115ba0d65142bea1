"""Every ending is one path: whatever ends an answer, the app gets the message and what became of
it, and nothing that the app does with them breaks the stream."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from ui_message_stream.chunks import ToolInputDelta
from ui_message_stream.messages import TextPart, UIMessage
from usechat_server import Agent, Settings, create_app
from usechat_server.results import RunResult
from usechat_server.runs import run as run_module
from usechat_server.turn import Turn

from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer, ScriptedModel, text, user
from tests.harness.stream_client import StreamClient

BODY = {"id": "c1", "messages": [user("Hello")]}


class Told:
    """What the hooks got."""

    def __init__(self) -> None:
        self.messages: list[UIMessage] = []
        self.answers: list[RunResult] = []
        self._finished = threading.Event()

    async def message(self, turn: Turn, message: UIMessage) -> None:
        assert turn.chat_id == "c1"
        self.messages.append(message)

    def finish(self, answer: RunResult) -> None:
        self.answers.append(answer)
        self._finished.set()

    def wait(self) -> None:
        assert self._finished.wait(DEADLINE)


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        ("finish", "finished"),
        ("stop", "aborted"),
        ("hang-up", "aborted"),
        ("error", "failed"),
        ("drain", "interrupted"),
    ],
)
def test_the_app_gets_the_message_whatever_ended_it(end: str, outcome: str) -> None:
    told = Told()
    wrong = [[ToolInputDelta(tool_call_id="none", input_text_delta="")]]
    model = ScriptedModel(*text("Hello"), *(wrong if end == "error" else []), hold=end != "error")
    app = create_app(
        Agent(model),
        settings=Settings(drain_grace=0),
        on_message=told.message,
        on_finish=told.finish,
    )
    with LiveServer(app) as server, StreamClient("POST", f"{server.url}/api/chat", BODY) as client:
        client.wait_for_text("Hello")
        match end:
            case "finish":
                model.release()
            case "stop":
                server.request("POST", "/api/chat/c1/stop")
            case "hang-up":
                client.close()
            case "drain":
                server.server.handle_exit(15, None)
        told.wait()
        if end != "hang-up":
            assert client.end().done
            # What is told is what the client has.
            assert told.messages == [client.message()]
        assert model.closed.wait(DEADLINE)
    [message], [answer] = told.messages, told.answers
    assert answer.outcome == outcome
    assert answer.turn.message_id == message.id
    assert message.parts[-1] == TextPart(text="Hello", state="done")


def test_the_app_has_the_message_before_the_page_has_the_end() -> None:
    saved: list[str] = []

    def save(turn: Turn, message: UIMessage) -> None:  # in a thread: it may take its time
        saved.append(message.id)

    with LiveServer(create_app(Agent(ScriptedModel()), on_message=save)) as server:
        for number in range(1, 20):
            assert server.chat().status_code == 200
            assert len(saved) == number


def test_a_hook_that_fails_or_hangs_breaks_no_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run_module, "STORED_SECONDS", 0.05)
    go_on = threading.Event()
    saved: list[str] = []

    def slow(turn: Turn, message: UIMessage) -> None:
        assert go_on.wait(DEADLINE)
        saved.append(message.id)

    def fails(*args: Any) -> None:
        raise RuntimeError("what the log says")

    app = create_app(Agent(ScriptedModel()), on_message=slow, on_finish=fails)
    with LiveServer(app) as server:
        for _ in range(2):  # nor does it hold the chat up
            assert server.chat().text.endswith("data: [DONE]\n\n")
        assert not saved
        go_on.set()
    # A server that goes down waits for them.
    assert len(saved) == 2
    assert [record.exc_text for record in caplog.records if "what the log" in str(record.exc_text)]


def test_a_reader_that_is_slow_delays_no_hook() -> None:
    told = Told()
    model = ScriptedModel(*text(*["x" * 50_000] * 200))
    app = create_app(Agent(model), on_message=told.message, on_finish=told.finish)
    with LiveServer(app) as server, server.connection() as client:
        content = b'{"messages":[{"id":"1","role":"user","parts":[]}],"id":"c1"}'
        head = (
            f"POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        client.sendall(head.encode() + content)
        told.wait()
        assert isinstance(told.messages[0].parts[-1], TextPart)
        assert len(told.messages[0].parts[-1].text) == 10_000_000
        # All of it can still be read.
        received = b""
        while b"[DONE]" not in received[-100:]:
            received += client.recv(1 << 20)
    assert received.count(b"x") >= 10_000_000
