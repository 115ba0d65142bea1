"""An error names the extra that is not installed."""

from __future__ import annotations

import subprocess
import sys

import pytest
from usechat_server import Agent, Settings, create_app


def test_redis_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    create_app(Agent("claude-sonnet-5-5"))
    with pytest.raises(ValueError, match=r"usechat-server\[redis\]"):
        create_app(Agent("claude-sonnet-5-5"), settings=Settings(redis_url="redis://127.0.0.1:1/0"))


@pytest.mark.parametrize("missing", ["mcp", "jsonschema"])
def test_mcp_is_an_extra(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    for name in list(sys.modules):
        if name == missing or name.startswith((f"{missing}.", "usechat_server.mcp")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ModuleNotFoundError, match=r"usechat-server\[mcp\]"):
        import usechat_server.mcp  # noqa: F401


def test_opentelemetry_is_not_imported_unless_the_app_does() -> None:
    code = """
import sys
for name in ("anthropic", "fastapi", "opentelemetry"):
    sys.modules[name] = None
from starlette.testclient import TestClient
from usechat_server import Agent, create_app
from usechat_server.providers.demo import DemoModel
part = {"type": "text", "text": "Hello"}
body = {"id": "c1", "messages": [{"id": "u1", "role": "user", "parts": [part]}]}
with TestClient(create_app(Agent(DemoModel(pace=0))), base_url="http://localhost") as client:
    assert "[DONE]" in client.post("/api/chat", json=body).text
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
