"""POST /api/chat/{id}/stop ends the run for all of its readers."""

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
def started_run(**settings: Any) -> Iterator[tuple[LiveServer, ScriptedModel, StreamClient]]:
    """Start a run that writes "Hello" and then waits."""
    model = ScriptedModel(*text("Hello"), hold=True)
    app = create_app(Agent(model), settings=Settings(**settings))
    with LiveServer(app) as server:
        body = {"id": "a/b", "messages": [user("Hello")]}
        with StreamClient("POST", f"{server.url}/api/chat", body) as client:
            client.wait_for_text("Hello")
            yield server, model, client
            model.release()


#: The stop route, and the one of the AI SDK's own example.
ROUTES = ("POST", "/api/chat/a%2Fb/stop"), ("DELETE", "/api/chat/a%2Fb/stream")


def stop(server: LiveServer, guard: Any = None, route: Any = ROUTES[0], **options: Any) -> int:
    method, path = route
    return server.request(method, path, guard, **options).status_code


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("resume", [0, 60])
def test_a_stop_closes_the_provider_and_keeps_the_text_so_far(resume: float, route: Any) -> None:
    with started_run(resume=resume) as (server, model, client):
        assert stop(server, route=route) == 204
        # The run has ended once the stop request returns: the next message can follow at once.
        assert model.closed.wait(DEADLINE)
        assert client.end().chunks[-1]["type"] == "abort"
        assert client.done
        [_, part] = client.message().parts
        assert part.to_object() == {"type": "text", "text": "Hello", "state": "done"}
        assert stop(server) == 204
        next_body = {"id": "a/b", "messages": [user("And now?", id="u2")]}
        with StreamClient("POST", f"{server.url}/api/chat", next_body) as next_client:
            next_client.wait_for_text("Hello")


@pytest.mark.parametrize(
    "guard",
    [
        {"runId": "of an earlier turn"},
        {"messageId": "of an earlier turn"},
        {"runId": "of an earlier turn", "messageId": "u1"},
        {"activeStreamId": "of an earlier turn"},
        {"assistantMessage": {"id": "of an earlier turn", "role": "assistant", "parts": []}},
    ],
)
def test_a_guard_protects_the_next_run_from_a_late_stop(guard: Any) -> None:
    with started_run() as (server, model, client):
        assert stop(server, guard) == 204
        assert not model.closed.is_set()
        model.release()
        assert client.end().chunks[-1]["type"] == "finish"


@pytest.mark.parametrize(
    "target", ["run", "user message", "assistant message", "stream", "snapshot"]
)
def test_a_matching_guard_stops_the_run(target: str) -> None:
    with started_run() as (server, _, client):
        snapshot = client.message().to_object()
        guard = {
            "run": {"runId": client.run_id},
            "user message": {"messageId": "u1"},
            "assistant message": {"messageId": client.chunks[0]["messageId"]},
            "stream": {"activeStreamId": client.run_id, "assistantMessage": snapshot},
            "snapshot": {"activeStreamId": None, "assistantMessage": snapshot},
        }[target]
        assert stop(server, guard) == 204
        assert client.end().chunks[-1]["type"] == "abort"


def test_an_invalid_stop_is_rejected() -> None:
    with started_run() as (server, model, client):
        assert stop(server, headers={"origin": "https://evil.example"}) == 403
        assert stop(server, {"runId": 1}) == 400
        assert stop(server, ["runId"]) == 400
        assert stop(server, {"assistantMessage": "a"}) == 400
        assert not model.closed.is_set()
        model.release()
        assert client.end().chunks[-1]["type"] == "finish"


def test_a_client_of_an_allowed_origin_can_read_the_run_header() -> None:
    model = ScriptedModel()
    settings = Settings(allowed_origins=["https://chat.example.com"])
    with LiveServer(create_app(Agent(model), settings=settings)) as server:
        response = server.chat(headers={"origin": "https://chat.example.com"})
    assert response.headers["x-usechat-run"]
    assert "x-usechat-run" in response.headers["access-control-expose-headers"]
