"""Runs whose process, of an earlier release, was killed: another process takes them over."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.compatibility.backend import (
    DATA,
    BackendClient,
    answer_all,
    backend,
    summary,
    tool_results,
    upgrade,
)
from tests.compatibility.redis_dump import restore
from tests.harness.common import JSON
from tests.harness.fake_provider import FakeProvider
from tests.harness.live import chunks
from tests.harness.redis_server import RedisServer


@pytest.fixture(autouse=True)
def variables(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USECHAT_REDIS_URL", redis.url)
    monkeypatch.setenv("USECHAT_SECRET", "some secret of this test that no other process needs")
    monkeypatch.setenv("USECHAT_RESUME", "600")


def resume(client: BackendClient, chat_id: str) -> list[JSON]:
    """The chunks of a run, from its start to its end."""
    stream: list[JSON] = chunks(client.request("GET", f"/api/chat/{chat_id}/stream"))
    return stream


def of_type(stream: list[JSON], kind: str) -> list[JSON]:
    return [chunk for chunk in stream if chunk["type"] == kind]


def test_runs_are_taken_over_or_ended(redis: RedisServer, provider: FakeProvider) -> None:
    restore(redis.url, DATA / "redis.json")
    answer_all(provider, "It is 20 degrees.")
    with backend(provider) as ann:
        text, look, charge = (resume(ann, chat_id) for chat_id in ("text", "look", "charge"))
    # Each stream begins with what the killed process wrote.
    assert [chunk["output"] for chunk in of_type(text, "tool-output-available")] == [
        {"degrees": 20}
    ]
    assert text[-1] == {"type": "finish", "finishReason": "stop"}
    assert of_type(text, "text-delta")[-1]["delta"] == "It is 20 degrees."
    # A tool that may run twice does.
    assert [chunk["output"] for chunk in of_type(look, "tool-output-available")] == ["look done"]
    assert look[-1] == {"type": "finish", "finishReason": "stop"}
    # One that may not ends the run.
    assert [chunk["toolCallId"] for chunk in of_type(charge, "tool-output-error")] == ["toolu_1"]
    assert charge[-1] == {"type": "finish", "finishReason": "interrupted"}
    assert ann.tool_runs == [("look", "Bern")]
    results = [tool_results(request.json)[0]["content"] for request in provider.requests]
    assert sorted(results) == ["look done", '{"degrees":20}']


def test_a_stored_run_is_taken_over(
    redis: RedisServer, provider: FakeProvider, tmp_path: Path
) -> None:
    restore(redis.url, DATA / "chats-redis.json")
    shutil.copy(DATA / "chats.db", tmp_path)
    store = f"sqlite:///{tmp_path}/chats.db"
    upgrade(store)
    answer_all(provider, "It is 20 degrees.")
    with backend(provider, store=store) as ann:
        assert ann.request("GET", "/api/chat/running-shared?resume=1")["activeRunId"]
        stream = resume(ann, "running-shared")
        assert stream[-1] == {"type": "finish", "finishReason": "stop"}
        _, response = ann.messages("running-shared")
        [turn] = ann.turns("running-shared")
        # One that Redis knows nothing of was ended.
        assert [turn["outcome"] for turn in ann.turns("running")] == ["interrupted"]
    assert summary(response) == ["reasoning", "weather: output-available", "It is 20 degrees."]
    assert turn["outcome"] == "finished"
    assert ann.tool_runs == []
