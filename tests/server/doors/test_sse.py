"""RawSSE over HTTP: a simple client of one's own, and an EventSource that comes back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from usechat_server import Agent, RawSSE, Settings, create_app

from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer, ScriptedModel, text, user
from tests.harness.redis_server import redis_server

QUESTION = {"message": "Hello"}


def events(stream: str) -> list[dict[str, Any]]:
    """Read a stream as the simplest clients do."""
    data = [frame.removeprefix("data: ") for frame in stream.split("\n\n")]
    return [json.loads(each) for each in data[: data.index("[DONE]")] if each]


@contextmanager
def serve(model: ScriptedModel, **options: Any) -> Iterator[LiveServer]:
    with LiveServer(create_app(Agent(model), doors=[RawSSE()], **options)) as server:
        yield server


def test_a_question_and_the_next_one_in_its_chat(tmp_path: Path) -> None:
    model = ScriptedModel()
    with serve(model, store=f"sqlite:///{tmp_path / 'chats.db'}") as server:
        first = server.request("POST", "/api/sse", QUESTION)
        assert first.headers["content-type"] == "text/event-stream"
        assert "x-vercel-ai-ui-message-stream" not in first.headers
        start, *others = events(first.text)
        assert start["type"] == "start"
        assert "".join(event["value"] for event in others[:-1]) == "Hello there"
        assert others[-1] == {"type": "finish", "reason": "stop"}
        headers = {"x-chat-id": first.headers["x-chat-id"]}
        second = server.request("POST", "/api/sse", {"message": "And?"}, headers)
        assert second.headers["x-chat-id"] == headers["x-chat-id"]
    roles = [[message.role for message in call.messages] for call in model.calls]
    assert roles == [["user"], ["user", "assistant", "user"]]


@pytest.mark.parametrize(
    ("method", "path", "content", "headers", "refusal"),
    [
        ("POST", "/api/sse", b"{}", {}, "message: expected a string, got nothing"),
        ("POST", "/api/sse", b'{"message": {}}', {}, "message: expected a string, got an object"),
        ("POST", "/api/sse", b'{"message": "x"}', {"x-chat-id": "a/../b"}, "id: expected no empty"),
        ("POST", "/api/sse", b'{"message": "x"}', {"x-chat-id": ""}, "id: expected 1 to 200"),
        ("GET", "/api/sse", None, {}, "expected the id of a chat, in x-chat-id or ?chat="),
        ("GET", "/api/sse?chat=a/stop", None, {}, "id: expected an id that does not end in"),
    ],
)
def test_a_request_is_refused_readably(
    method: str, path: str, content: bytes | None, headers: dict[str, str], refusal: str
) -> None:
    with serve(ScriptedModel()) as server:
        response = server.request(method, path, content=content, headers=headers)
        assert response.status_code == 400
        assert response.text.startswith(refusal)


def test_a_client_comes_back_and_gets_exactly_the_rest() -> None:
    model, ended = ScriptedModel(*text("Hel", "lo", " there"), hold=True), threading.Event()
    headers = {"x-chat-id": "c1", "accept": "text/event-stream"}
    with (
        serve(model, settings=Settings(resume=60), on_finish=lambda _: ended.set()) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=DEADLINE) as client,
    ):
        with client.stream("POST", "/api/sse", json=QUESTION, headers=headers) as response:
            lines = response.iter_lines()
            received = []
            while "there" not in (line := next(lines)):
                received.append(line)
        # Up to the event before the last, whose id it has.
        ids = [line.removeprefix("id: ") for line in received if line.startswith("id: ")]
        got = [json.loads(line[6:]) for line in received if line.startswith("data: ")]
        reached = {"last-event-id": ids[len(got) - 1]}
        with client.stream("GET", "/api/sse?chat=c1", headers={**headers, **reached}) as response:
            model.release()
            rest = response.read().decode()
        frames = [line[6:] for line in rest.splitlines() if line.startswith("data: ")]
        assert frames[-1] == "[DONE]"
        rest_events = [json.loads(frame) for frame in frames[:-1]]
        values = [event.get("value", "") for event in [*got, *rest_events]]
        assert "".join(values) == "Hello there"
        assert [event["type"] for event in rest_events][-1] == "finish"
        assert ended.wait(DEADLINE)
        # An EventSource that has it all asks once more, and has to stop.
        assert server.request("GET", "/api/sse?chat=c1", headers=headers).status_code == 204


def test_a_client_comes_back_to_a_chat_of_any_name() -> None:
    settings, ended = Settings(resume=0.01), threading.Event()
    chat_id = "旅行 é"
    chat = {"id": chat_id, "messages": [user("Hello")]}
    with (
        serve(
            ScriptedModel(hold=True), settings=settings, on_finish=lambda _: ended.set()
        ) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=DEADLINE) as client,
    ):
        with client.stream("POST", "/api/chat", json=chat) as first:
            next(first.iter_lines())
            with client.stream("GET", "/api/sse", params={"chat": chat_id}) as response:
                assert response.status_code == 200
                assert json.loads(next(response.iter_lines())[6:])["type"] == "start"
        assert ended.wait(DEADLINE)


def test_a_response_that_cannot_begin_is_no_reader() -> None:
    class Broken(RawSSE):
        def encoding(self, *arguments: Any) -> Any:
            encoding = super().encoding(*arguments)
            encoding.headers = {"x-note": "旅行"}
            return encoding

    settings, ended = Settings(resume=0.01), threading.Event()
    app = create_app(
        Agent(ScriptedModel(hold=True)),
        doors=[Broken()],
        settings=settings,
        on_finish=lambda _: ended.set(),
    )
    with LiveServer(app) as server:
        assert server.request("POST", "/api/sse", QUESTION).status_code == 500
        assert ended.wait(DEADLINE)


def test_a_client_comes_back_to_another_process() -> None:
    model = ScriptedModel(*text("Hel", "lo", " there"), hold=True)
    headers = {"x-chat-id": "c1", "accept": "text/event-stream"}
    with redis_server() as redis:
        settings = Settings(
            redis_url=redis.url,
            secret=SecretStr("a secret of thirty-two characters or more"),
            resume=60,
        )
        with (
            serve(model, settings=settings) as server,
            serve(ScriptedModel(), settings=settings) as other,
            httpx.Client(trust_env=False, timeout=DEADLINE) as client,
            client.stream(
                "POST", f"{server.url}/api/sse", json=QUESTION, headers=headers
            ) as response,
        ):
            lines = response.iter_lines()
            received: list[str] = []
            while not received or "Hel" not in received[-1]:
                received.append(next(lines))
            cursor = received[-2].removeprefix("id: ")
            back = {**headers, "last-event-id": cursor}
            url = f"{other.url}/api/sse?chat=c1"
            with client.stream("GET", url, headers=back) as resumed:
                assert resumed.status_code == 200
                model.release()
                rest = resumed.read().decode()
        got = [*received, *rest.splitlines()]
        sent = [json.loads(line[6:]) for line in got if line.startswith("data: {")]
        assert "".join(event.get("value", "") for event in sent) == "Hello there"
        assert [event["type"] for event in sent if event["type"] != "text"] == ["start", "finish"]


def test_a_blank_event_keeps_the_connection_alive() -> None:
    model = ScriptedModel(hold=True)
    with (
        serve(model, settings=Settings(keep_alive=0.01)) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=DEADLINE) as client,
        client.stream("POST", "/api/sse", json=QUESTION) as response,
    ):
        pieces, received = response.iter_text(), ""
        while not received.endswith("\n\n" * 3):
            received += next(pieces)
        model.release()
        received += "".join(pieces)
        assert "\n:" not in received
        assert "".join(event.get("value", "") for event in events(received)) == "Hello there"
