"""However a run ends, the hooks get its message and its result, and no hook breaks the stream."""

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


class HookCalls:
    """The arguments that the hooks were called with."""

    def __init__(self) -> None:
        self.messages: list[UIMessage] = []
        self.results: list[RunResult] = []
        self._finished = threading.Event()

    async def message(self, turn: Turn, message: UIMessage) -> None:
        assert turn.chat_id == "c1"
        self.messages.append(message)

    def finish(self, result: RunResult) -> None:
        self.results.append(result)
        self._finished.set()

    def wait(self) -> None:
        assert self._finished.wait(DEADLINE)


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        ("finish", "finished"),
        ("stop", "aborted"),
        ("disconnect", "aborted"),
        ("error", "failed"),
        ("drain", "interrupted"),
    ],
)
def test_the_hooks_get_the_message_and_the_outcome_of_every_end(end: str, outcome: str) -> None:
    calls = HookCalls()
    wrong = [[ToolInputDelta(tool_call_id="none", input_text_delta="")]]
    model = ScriptedModel(*text("Hello"), *(wrong if end == "error" else []), hold=end != "error")
    app = create_app(
        Agent(model),
        settings=Settings(drain_grace=0),
        on_message=calls.message,
        on_finish=calls.finish,
    )
    with LiveServer(app) as server, StreamClient("POST", f"{server.url}/api/chat", BODY) as client:
        client.wait_for_text("Hello")
        match end:
            case "finish":
                model.release()
            case "stop":
                server.request("POST", "/api/chat/c1/stop")
            case "disconnect":
                client.close()
            case "drain":
                server.server.handle_exit(15, None)
        calls.wait()
        if end != "disconnect":
            assert client.end().done
            # The hook gets what the client has.
            assert calls.messages == [client.message()]
        assert model.closed.wait(DEADLINE)
    [message], [result] = calls.messages, calls.results
    assert result.outcome == outcome
    assert result.turn.message_id == message.id
    assert message.parts[-1] == TextPart(text="Hello", state="done")


def test_on_message_is_called_before_the_client_has_the_end() -> None:
    saved: list[str] = []

    def save(turn: Turn, message: UIMessage) -> None:  # in a thread
        saved.append(message.id)

    with LiveServer(create_app(Agent(ScriptedModel()), on_message=save)) as server:
        for number in range(1, 20):
            assert server.chat().status_code == 200
            assert len(saved) == number


def test_a_hook_that_fails_or_hangs_does_not_break_the_stream(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run_module, "STORED_SECONDS", 0.05)
    may_return = threading.Event()
    saved: list[str] = []

    def hang(turn: Turn, message: UIMessage) -> None:
        assert may_return.wait(DEADLINE)
        saved.append(message.id)

    def fail(*args: Any) -> None:
        raise RuntimeError("logged error")

    app = create_app(Agent(ScriptedModel()), on_message=hang, on_finish=fail)
    with LiveServer(app) as server:
        for _ in range(2):  # nor does it keep the chat busy
            assert server.chat().text.endswith("data: [DONE]\n\n")
        assert not saved
        may_return.set()
    # A server that shuts down waits for them.
    assert len(saved) == 2
    assert [record.exc_text for record in caplog.records if "logged error" in str(record.exc_text)]


def test_a_slow_reader_does_not_delay_the_hooks() -> None:
    calls = HookCalls()
    model = ScriptedModel(*text(*["x" * 50_000] * 200))
    app = create_app(Agent(model), on_message=calls.message, on_finish=calls.finish)
    with LiveServer(app) as server, server.connection() as client:
        content = b'{"messages":[{"id":"1","role":"user","parts":[]}],"id":"c1"}'
        head = (
            f"POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        client.sendall(head.encode() + content)
        calls.wait()
        assert isinstance(calls.messages[0].parts[-1], TextPart)
        assert len(calls.messages[0].parts[-1].text) == 10_000_000
        # The client can still read all of it.
        received = b""
        while b"[DONE]" not in received[-100:]:
            received += client.recv(1 << 20)
    assert received.count(b"x") >= 10_000_000
