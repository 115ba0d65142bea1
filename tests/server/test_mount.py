"""The app mounted in another one: any path, several event loops, its lifespan passed on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp
from usechat_server import Agent, ChatApp, create_app

from tests.harness.common import DEADLINE
from tests.harness.fake_provider import FakeProvider, Reply, message
from tests.harness.fake_provider import text as provider_text
from tests.harness.live import LiveServer, ScriptedModel, chunks, user
from tests.harness.serving import serve


def in_starlette(chat: ChatApp) -> ASGIApp:
    return Starlette(routes=[Mount("/deep/ai", app=chat)], lifespan=chat.lifespan)


def in_fastapi(chat: ChatApp) -> ASGIApp:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with chat.lifespan():
            yield

    app = FastAPI(lifespan=lifespan)
    app.mount("/deep/ai", chat)
    return app


def without_lifespan(chat: ChatApp) -> ASGIApp:
    return Starlette(routes=[Mount("/deep/ai", app=chat)])


MOUNTS = [in_starlette, in_fastapi, without_lifespan]


@pytest.mark.parametrize("mount", MOUNTS)
def test_every_route_is_below_the_path(mount: Callable[[ChatApp], ASGIApp]) -> None:
    body = {"messages": [user("Hello")]}
    with LiveServer(mount(create_app(Agent(ScriptedModel())))) as server:
        response = server.request("POST", "/deep/ai/api/chat", body)
        assert chunks(response.text)[-1]["type"] == "finish"
        assert server.request("GET", "/deep/ai/api/chat/a%2Fb/stream").status_code == 204
        assert server.request("GET", "/deep/ai/healthz").text == "ok"
        response = server.request("POST", "/deep/ai/api/chats", body)
        assert response.text == "Not found. The chat is at POST /deep/ai/api/chat."
        foreign = server.request("POST", "/deep/ai/api/chat", body, {"origin": "https://x.example"})
        assert foreign.status_code == 403
        assert server.request("POST", "/api/chat", body).status_code == 404


@pytest.mark.parametrize("mount", MOUNTS)
def test_one_app_in_two_event_loops(mount: Callable[[ChatApp], ASGIApp]) -> None:
    model = ScriptedModel(hold=True)
    app = mount(create_app(Agent(model)))
    body = {"messages": [user("Hello")]}
    with LiveServer(app) as one, LiveServer(app) as two, httpx.Client(trust_env=False) as client:
        urls = [f"{server.url}/deep/ai/api/chat" for server in (one, two, one)]
        requests = [client.build_request("POST", url, json=body) for url in urls]
        responses = [client.send(request, stream=True) for request in requests]
        pieces = [response.iter_text() for response in responses]
        texts = ["", "", ""]
        for index in range(3):
            while ' there"' not in texts[index]:
                texts[index] += next(pieces[index])
        model.release()
        for index in range(3):
            texts[index] += "".join(pieces[index])
            assert chunks(texts[index])[-1]["type"] == "finish"


async def test_the_end_of_the_lifespan_ends_active_runs() -> None:
    """As in an ASGI host: requests, then the end of the lifespan, in one event loop."""
    model = ScriptedModel(hold=True)
    chat = create_app(Agent(model))
    sent: list[dict[str, Any]] = []
    streaming = asyncio.Event()
    body = iter([{"type": "http.request", "body": b'{"messages": [%s]}' % _HELLO}])

    async def receive() -> Any:
        if message := next(body, None):
            return message
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)
        if b" there" in message.get("body", b""):
            streaming.set()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/api/chat",
        "query_string": b"",
        "headers": [],
    }
    async with asyncio.timeout(DEADLINE):
        async with chat.lifespan():
            responder = asyncio.create_task(chat(scope, receive, send))
            await streaming.wait()
        await responder
    stream = b"".join(message.get("body", b"") for message in sent).decode()
    assert chunks(stream)[-1]["type"] == "error"
    assert model.closed.is_set()


async def test_the_lifespan_closes_the_connections_to_the_provider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with FakeProvider() as provider:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "any")
        provider.script(Reply(message(provider_text("Hi"))))
        chat = create_app(Agent("claude-sonnet-5-5"))
        transport = httpx.ASGITransport(chat)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            async with chat.lifespan():
                response = await client.post("/api/chat", json={"messages": [user("Hello")]})
                assert chunks(response.text)[-1]["type"] == "finish"
                assert not provider.wait_disconnected(deadline=0), "it is kept for the next turn"
            assert await asyncio.to_thread(provider.wait_disconnected)


_HELLO = b'{"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}'


def test_two_workers() -> None:
    body = {"messages": [user("Hello")]}
    with serve("tests.harness.apps:mounted", "uvicorn", args=("--workers", "2")) as served:
        for _ in range(6):
            # A connection each, so that both get some.
            url = f"{served.url}/ai/api/chat"
            response = httpx.post(url, json=body, trust_env=False, timeout=DEADLINE)
            assert chunks(response.text)[-1]["type"] == "finish"
