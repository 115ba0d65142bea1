"""POST /api/chat/{id}/stop: the answer ends where it is, whoever reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from usechat_server import Agent, Settings, create_app

from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer, ScriptedModel, text, user
from tests.harness.stream_client import StreamClient


@contextmanager
def responder(**settings: Any) -> Iterator[tuple[LiveServer, ScriptedModel, StreamClient]]:
    """A chat with an answer under way, which says "Hello" and then nothing."""
    model = ScriptedModel(*text("Hello"), hold=True)
    app = create_app(Agent(model), settings=Settings(**settings))
    with LiveServer(app) as server:
        body = {"id": "a/b", "messages": [user("Hello")]}
        with StreamClient("POST", f"{server.url}/api/chat", body) as client:
            client.wait_for_text("Hello")
            yield server, model, client
            model.release()


def stop(server: LiveServer, guard: Any = None, **options: Any) -> int:
    return server.request("POST", "/api/chat/a%2Fb/stop", guard, **options).status_code


@pytest.mark.parametrize("resume", [0, 60])
def test_a_stop_closes_the_provider_and_keeps_what_was_said(resume: float) -> None:
    with responder(resume=resume) as (server, model, client):
        assert stop(server) == 204
        # It has ended when the request to stop is answered: the next message can follow at once.
        assert model.closed.wait(DEADLINE)
        assert client.end().chunks[-1]["type"] == "abort"
        assert client.done
        [_, said] = client.message().parts
        assert said.to_object() == {"type": "text", "text": "Hello", "state": "done"}
        assert stop(server) == 204
        again = {"id": "a/b", "messages": [user("And now?", id="u2")]}
        with StreamClient("POST", f"{server.url}/api/chat", again) as next_page:
            next_page.wait_for_text("Hello")


@pytest.mark.parametrize(
    "guard",
    [
        {"runId": "of the turn before"},
        {"messageId": "of the turn before"},
        {"runId": "of the turn before", "messageId": "u1"},
    ],
)
def test_a_guard_keeps_a_late_stop_from_the_next_answer(guard: Any) -> None:
    with responder() as (server, model, client):
        assert stop(server, guard) == 204
        assert not model.closed.is_set()
        model.release()
        assert client.end().chunks[-1]["type"] == "finish"


@pytest.mark.parametrize("named", ["run", "question", "answer"])
def test_a_guard_that_is_right_stops(named: str) -> None:
    with responder() as (server, _, client):
        guard = {
            "run": {"runId": client.run_id},
            "question": {"messageId": "u1"},
            "answer": {"messageId": client.chunks[0]["messageId"]},
        }[named]
        assert stop(server, guard) == 204
        assert client.end().chunks[-1]["type"] == "abort"


def test_who_may_not_stop() -> None:
    with responder() as (server, model, client):
        assert stop(server, headers={"origin": "https://evil.example"}) == 403
        assert stop(server, {"runId": 1}) == 400
        assert stop(server, ["runId"]) == 400
        assert not model.closed.is_set()
        model.release()
        assert client.end().chunks[-1]["type"] == "finish"


def test_a_page_of_another_origin_may_read_which_run_it_is() -> None:
    model = ScriptedModel()
    settings = Settings(allowed_origins=["https://chat.example.com"])
    with LiveServer(create_app(Agent(model), settings=settings)) as server:
        answer = server.chat(headers={"origin": "https://chat.example.com"})
    assert answer.headers["x-usechat-run"]
    assert "x-usechat-run" in answer.headers["access-control-expose-headers"]
