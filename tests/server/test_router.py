"""`create_router` in FastAPI and Starlette apps."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Body, Depends, FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp
from usechat_server import (
    ChatRouter,
    Settings,
    create_router,
)

from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer, chunks
from tests.server.live_apps import BODY, agent


def in_fastapi(**options: Any) -> ASGIApp:
    app = FastAPI()
    app.include_router(create_router(agent(), **options), prefix="/ai")
    return app


def in_starlette(**options: Any) -> ASGIApp:
    router = create_router(agent(), **{"prefix": "/ai/api", **options})
    return Starlette(routes=[*router.routes], lifespan=router.lifespan_context)


@pytest.mark.parametrize("include", [in_fastapi, in_starlette])
def test_a_router_has_the_checks_and_errors_of_an_app(include: Callable[..., ASGIApp]) -> None:
    settings = Settings(allowed_origins=["https://good.example"])
    with LiveServer(include(settings=settings, headers={"x-served-by": "chat"})) as server:
        path = "/ai/api/chat"
        response = server.request("POST", path, BODY)
        assert chunks(response.text)[-1]["type"] == "finish"
        assert response.headers["x-served-by"] == "chat"
        foreign = server.request("POST", path, BODY, {"origin": "https://evil.example"})
        assert (foreign.status_code, foreign.headers["content-type"]) == (
            403,
            "text/plain; charset=utf-8",
        )
        allowed = {"origin": "https://good.example"}
        granted = server.request("POST", path, BODY, allowed).headers
        assert granted["access-control-allow-origin"] == "https://good.example"
        preflight = {**allowed, "access-control-request-method": "POST"}
        assert server.request("OPTIONS", path, headers=preflight).status_code == 200
        wrong = server.request("GET", path)
        assert (wrong.status_code, wrong.text) == (405, "GET is not allowed here.")
        assert wrong.headers["allow"] == "POST"
        assert server.request("POST", path, {}).text == "messages: expected a list, got null"
        assert server.request("GET", "/ai/api/chat/a%2Fb/stream").status_code == 204


@pytest.mark.parametrize("include", [in_fastapi, in_starlette])
def test_a_router_masks_what_breaks(
    include: Callable[..., ASGIApp], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(request: Request) -> str:
        raise KeyError("secret")

    with LiveServer(include(user=broken, errors="json")) as server:
        failed = server.request("POST", "/ai/api/chat", BODY)
    assert failed.status_code == 500
    assert failed.json()["error"]["status"] == 500
    assert "secret" not in failed.text
    assert "KeyError" in caplog.text


@pytest.mark.parametrize("include", [in_fastapi, in_starlette])
def test_the_lifespan_of_a_router_opens_the_store(
    include: Callable[..., ASGIApp], tmp_path: Path
) -> None:
    app = include(store=f"sqlite:///{tmp_path}/chats.db")

    async def start() -> None:
        messages = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive() -> Any:
            return {"type": next(messages)}

        async def send(message: Any) -> None:
            assert message["type"].endswith(".complete")
            assert (tmp_path / "chats.db").exists()

        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)

    asyncio.run(start())


def signed_in(request: Request) -> None:
    if "authorization" not in request.headers:
        raise HTTPException(401, "No token")


def on_the_router(router: ChatRouter) -> FastAPI:
    app = FastAPI()
    app.include_router(router, prefix="/ai", dependencies=[Depends(signed_in)])
    return app


def on_the_app(router: ChatRouter) -> FastAPI:
    app = FastAPI(dependencies=[Depends(signed_in)])
    app.include_router(router, prefix="/ai")
    return app


def on_a_router_between(router: ChatRouter) -> FastAPI:
    between = APIRouter(prefix="/ai", dependencies=[Depends(signed_in)])
    between.include_router(router)
    app = FastAPI()
    app.include_router(between)
    return app


@pytest.mark.parametrize("include", [on_the_router, on_the_app, on_a_router_between])
def test_fastapi_dependencies_apply_to_the_routes_of_a_router(
    include: Callable[[ChatRouter], FastAPI], tmp_path: Path
) -> None:
    settings = Settings(allowed_origins=["https://good.example"])
    store = f"sqlite:///{tmp_path}/chats.db"
    app = include(create_router(agent(), store=store, settings=settings))
    token = {"authorization": "Bearer x"}
    requests = [
        ("POST", "/ai/api/chat", BODY),
        ("GET", "/ai/api/chat/c1", None),
        ("HEAD", "/ai/api/chat/c1", None),
        ("GET", "/ai/api/chats", None),
        ("PATCH", "/ai/api/chat/c1", {"title": "Mine"}),
        ("POST", "/ai/api/chat/c1/stop", None),
        ("DELETE", "/ai/api/chat/c1", None),
    ]
    with LiveServer(app) as server:
        for method, path, body in requests:
            assert server.request(method, path, body).status_code == 401, (method, path)
            allowed = server.request(method, path, body, token)
            assert allowed.status_code in {200, 204}, (method, path, allowed.text)
        wrong = server.request("PUT", "/ai/api/chat")
        assert (wrong.status_code, wrong.text) == (405, "PUT is not allowed here.")
        # Browsers send preflights without credentials.
        preflight = {
            "origin": "https://good.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization",
        }
        assert server.request("OPTIONS", "/ai/api/chat", headers=preflight).status_code == 200
        assert server.request("GET", "/openapi.json").json()["paths"] == {}


def test_a_dependency_may_read_the_body_and_add_a_background_task() -> None:
    logged = threading.Event()

    async def log(request: Request, tasks: BackgroundTasks, chat: Annotated[Any, Body()]) -> None:
        assert chat == await request.json() == BODY
        tasks.add_task(logged.set)

    app = FastAPI(dependencies=[Depends(log)])
    app.include_router(create_router(agent()))
    with LiveServer(app) as server:
        response = server.chat(headers={"content-type": "application/json"})
        assert chunks(response.text)[-1]["type"] == "finish"
        assert logged.wait(DEADLINE)
