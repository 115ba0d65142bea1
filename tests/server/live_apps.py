"""Apps of the tests, and what their clients receive."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp
from usechat_server import Agent, StreamWriter, Turn, create_app

from tests.harness.live import LiveServer, ScriptedModel, chunks, user

__all__ = [
    "BODY",
    "agent",
    "choose",
    "handler",
    "own_routes",
    "refusal_text",
    "response_for",
    "response_text",
]

BODY = {"id": "c1", "messages": [user("Hello")]}


def agent() -> Agent:
    return Agent(ScriptedModel())


async def handler(turn: Turn, writer: StreamWriter) -> None:
    writer.text("Handled")


def choose(turn: Turn, default: Agent | None = None) -> Agent:
    """Takes two arguments, but returns an agent."""
    return default or agent()


def response_text(app: ASGIApp, path: str = "/api/chat") -> str:
    with LiveServer(app) as server:
        sent = chunks(server.request("POST", path, BODY).text)
    return "".join(chunk.get("delta", "") for chunk in sent)


def own_routes(routes: Mapping[str, Callable[[Request], Awaitable[Response]]]) -> LiveServer:
    return LiveServer(
        Starlette(routes=[Route(path, route, methods=["POST"]) for path, route in routes.items()])
    )


def refusal_text(response: httpx.Response, status: int) -> str:
    """Return the text of a refusal, as the client shows it to the user."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert 0 < len(response.text) < 300
    return response.text


def response_for(hook: Any) -> httpx.Response:
    """Return the response to a POST; a resume must get the same status."""
    with LiveServer(create_app(Agent(ScriptedModel()), user=hook)) as server:
        refusal = server.chat()
        assert server.request("GET", "/api/chat/c1/stream").status_code == refusal.status_code
        return refusal
