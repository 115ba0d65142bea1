"""Liveness and readiness."""

from __future__ import annotations

from pathlib import Path

import pytest
from usechat_server import Agent, Settings, create_app
from usechat_server.http.routes import health
from usechat_server.store.sql import SqlChatStore

from tests.harness.live import LiveServer, ScriptedModel
from tests.server.live_apps import refusal_text


def test_health() -> None:
    with LiveServer(create_app(Agent(ScriptedModel()))) as server:
        assert refusal_text(server.request("GET", "/healthz"), 200) == "ok"
        assert server.request("GET", "/readyz").json() == {"status": "ok"}


def test_readiness_asks_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_VALID_SECONDS", 0.0)
    path = tmp_path / "chats.db"
    with LiveServer(create_app(Agent(ScriptedModel()), store=f"sqlite:///{path}")) as server:
        assert server.request("GET", "/readyz").json() == {"status": "ok", "store": "ok"}
        for file in tmp_path.glob("chats.db*"):
            file.write_bytes(b"garbage" * 1000)
        response = server.request("GET", "/readyz")
        assert response.status_code == 503
        assert response.headers["retry-after"]
        assert response.json() == {"status": "unavailable", "store": "unavailable"}
        assert server.request("GET", "/healthz").status_code == 200


def test_readiness_asks_redis() -> None:
    settings = Settings(redis_url="redis://127.0.0.1:1/0")  # no server listens there
    with LiveServer(create_app(Agent(ScriptedModel()), settings=settings)) as server:
        response = server.request("GET", "/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "unavailable", "redis": "unavailable"}


def test_readiness_is_checked_every_few_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pings: list[SqlChatStore] = []

    async def ping(store: SqlChatStore) -> None:
        pings.append(store)

    monkeypatch.setattr(SqlChatStore, "ping", ping)
    monkeypatch.setattr(health, "_VALID_SECONDS", 1000.0)
    store = f"sqlite:///{tmp_path}/chats.db"
    with LiveServer(create_app(Agent(ScriptedModel()), store=store)) as server:
        for _ in range(5):
            assert server.request("GET", "/readyz").status_code == 200
    assert len(pings) == 1
