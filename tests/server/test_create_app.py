"""What `create_app` and `create_router` take, and what an app then does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from usechat_server import (
    Agent,
    ChatNotFound,
    Settings,
    StreamWriter,
    Turn,
    create_app,
    create_router,
    respond,
)
from usechat_server.http import state

from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer, chunks, user
from tests.server.live_apps import BODY, agent, choose, handler, response_text


@pytest.mark.parametrize("create", [create_app, create_router])
def test_a_function_by_position_is_refused(create: Callable[..., Any]) -> None:
    for function in (choose, handler, lambda turn: agent()):
        with pytest.raises(TypeError, match=r"takes an Agent by position.*agent=.*handler="):
            create(function)


@pytest.mark.parametrize("create", [create_app, create_router])
def test_exactly_one_of_agent_and_handler(create: Callable[..., Any]) -> None:
    wrong: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
        ((), {}, "neither"),
        ((agent(),), {"handler": handler}, "both"),
        ((agent(),), {"agent": agent()}, "two agents"),
        ((), {"agent": choose, "handler": handler}, "both"),
    ]
    for args, options, got in wrong:
        with pytest.raises(TypeError, match=f"requires either an agent or a handler=, got {got}"):
            create(*args, **options)


def sync_handler(turn: Turn, writer: StreamWriter) -> None:
    writer.text("Handled")


WRONG_SOURCES: list[tuple[dict[str, Any], str]] = [
    ({"agent": "demo"}, "agent: expected an Agent or a function of the turn, got str"),
    ({"agent": Agent}, "agent: expected .* got the class Agent"),
    ({"handler": agent()}, "handler: expected an async function, got Agent"),
    ({"handler": sync_handler}, "handler: expected an async function, got the function sync_h"),
    ({"handler": partial(sync_handler)}, "handler: expected an async function, got partial"),
    ({"agent": agent(), "body": dict}, "body: expected a pydantic model, got dict"),
    ({"agent": agent(), "settings": {}}, "settings: expected Settings, got dict"),
]


@pytest.mark.parametrize(("options", "error_text"), WRONG_SOURCES)
def test_agents_and_handlers_of_the_wrong_type(options: dict[str, Any], error_text: str) -> None:
    request = Request({"type": "http", "method": "POST", "path": "/", "headers": []})
    with pytest.raises(TypeError, match=error_text):
        create_app(**options)
    with pytest.raises(TypeError, match=error_text):
        create_router(**options)
    with pytest.raises(TypeError, match=error_text):
        asyncio.run(respond(request, **options))


class CallableHandler:
    """A handler that is an object."""

    async def __call__(self, turn: Turn, writer: StreamWriter) -> None:
        writer.text("Handled")


def test_the_parameters_of_a_function_are_not_counted() -> None:
    async def choose_later(turn: Turn) -> Agent:
        return agent()

    assert response_text(create_app(agent())) == "Hello there"
    assert response_text(create_app(agent=agent())) == "Hello there"
    assert response_text(create_app(agent=choose)) == "Hello there"
    assert response_text(create_app(agent=choose_later)) == "Hello there"
    assert response_text(create_app(handler=handler)) == "Handled"
    assert response_text(create_app(handler=partial(handler))) == "Handled"
    assert response_text(create_app(handler=CallableHandler())) == "Handled"


@pytest.mark.parametrize("prefix", ["/v1/ai", ""])
def test_a_prefix_moves_every_route(prefix: str, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/chats.db"
    app = create_app(agent(), prefix=prefix, store=store)
    with LiveServer(app) as server:
        assert server.request("POST", f"{prefix}/chat", BODY).status_code == 200
        assert server.request("GET", f"{prefix}/chat/c1/stream").status_code in {200, 204}
        assert server.request("POST", f"{prefix}/chat/c1/stop").status_code == 204
        [chat] = server.request("GET", f"{prefix}/chats").json()["chats"]
        assert chat["id"] == "c1"
        assert server.request("GET", f"{prefix}/chat/c1").json()["title"] == "Hello"
        assert server.request("GET", "/healthz").text == "ok"
        missing = server.request("POST", "/api/chat", BODY)
        assert missing.text == f"Not found. The chat is at POST {prefix}/chat."


@pytest.mark.parametrize(
    ("options", "error_text"),
    [
        ({"prefix": "api"}, "prefix: expected a path such as '/api', got 'api'"),
        ({"prefix": "/api/"}, "prefix: expected a path such as '/api', got '/api/'"),
        ({"errors": "xml"}, "errors: expected 'text' or 'json', got 'xml'"),
        ({"anonymous": True}, "anonymous requires user"),
        ({"prefix": "/v1", "settings": Settings(page=True)}, "USECHAT_PAGE requires prefix='/api'"),
        ({"on_chat_created": print}, "on_chat_created requires a store"),
        ({"headers": {"x-name": "a\r\nset-cookie: b"}}, "headers: expected printable Latin-1"),
        ({"headers": {"x-name": "€"}}, "headers: expected printable Latin-1"),
        ({"headers": {"x name": "a"}}, "headers: expected the name of a header, got 'x name'"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], error_text: str) -> None:
    with pytest.raises(ValueError, match=error_text):
        create_app(agent(), **options)


@pytest.mark.parametrize(
    ("options", "error_text"),
    [
        ({"prefix": None}, "prefix: expected a path such as '/api', got NoneType"),
        ({"user": "bob"}, "user: expected a function of the request, got str"),
        ({"store": 5}, "store: expected a URL or a ChatStore, got int"),
        ({"store": {}}, "store: expected a URL or a ChatStore, got dict"),
        ({"on_message": "save"}, "on_message: expected a function, got str"),
        ({"on_finish": 3}, "on_finish: expected a function, got int"),
        ({"on_chat_created": []}, "on_chat_created: expected a function, got list"),
        ({"headers": {"x-count": 1}}, "headers: expected strings, got 'x-count': 1"),
        ({"headers": [("x-name", "a")]}, "headers: expected a mapping, got list"),
    ],
)
def test_options_of_the_wrong_type(options: dict[str, Any], error_text: str) -> None:
    with pytest.raises(TypeError, match=error_text):
        create_app(agent(), **options)
    with pytest.raises(TypeError, match=error_text):
        create_router(agent(), **options)


def test_headers_of_the_app_are_in_every_response() -> None:
    app = create_app(agent(), headers={"X-Served-By": "chat", "cache-control": "private"})
    with LiveServer(app) as server:
        foreign = {"origin": "https://evil.example"}
        for response, status in [
            (server.chat(), 200),
            (server.request("GET", "/api/chat"), 405),
            (server.request("GET", "/nowhere"), 404),
            (server.request("POST", "/api/chat", BODY, foreign), 403),
            (server.request("GET", "/healthz"), 200),
        ]:
            assert response.status_code == status
            assert response.headers.get_list("x-served-by") == ["chat"]
            assert response.headers.get_list("cache-control") == ["private"]


@pytest.mark.parametrize("is_async", [True, False])
def test_a_hook_gets_the_first_turn_of_each_new_chat(is_async: bool, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/chats.db"
    created: list[str] = []
    called = threading.Event()

    def hook(turn: Turn) -> None:
        created.append(turn.chat_id)
        called.set()
        raise RuntimeError("costs a log line")

    async def hook_later(turn: Turn) -> None:
        hook(turn)

    app = create_app(agent(), store=store, on_chat_created=hook_later if is_async else hook)
    with LiveServer(app) as server:
        for chat_id, message in [("c1", "m1"), ("c1", "m2"), ("c2", "m3")]:
            called.clear()
            text = {**user("Hello"), "id": message}
            body = {"id": chat_id, "message": text}
            assert server.request("POST", "/api/chat", body).status_code == 200
            if message != "m2":
                assert called.wait(DEADLINE)
    assert created == ["c1", "c2"]


def test_a_hook_that_hangs_does_not_block_the_shutdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(state, "_HOOK_SECONDS", 0.01)
    cancelled = threading.Event()

    async def hang(turn: Turn) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    app = create_app(agent(), store=f"sqlite:///{tmp_path}/chats.db", on_chat_created=hang)
    body = {"id": "c1", "message": user("Hello")}
    with LiveServer(app) as server:
        assert server.request("POST", "/api/chat", body).status_code == 200
    assert cancelled.is_set()
    assert "on_chat_created= did not end in time, cancelled: 1" in caplog.text


def test_anonymous_users_have_no_list(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/chats.db"

    def name(request: Request) -> str | None:
        return request.headers.get("x-user")

    with LiveServer(create_app(agent(), store=store, user=name, anonymous=True)) as server:
        for headers in ({}, {"x-user": "ada"}):
            assert server.request("POST", "/api/chat", BODY, headers).status_code == 200
        assert server.request("GET", "/api/chats").json() == {"chats": [], "nextCursor": None}
        assert server.request("GET", "/api/chat/c1").json()["id"] == "c1"
        listed = server.request("GET", "/api/chats", headers={"x-user": "ada"}).json()["chats"]
        assert [chat["id"] for chat in listed] == ["c1"]


def test_an_error_of_a_handler_has_its_own_text() -> None:
    async def refuse(turn: Turn, writer: StreamWriter) -> None:
        raise ChatNotFound("There is no such room.")

    with LiveServer(create_app(handler=refuse)) as server:
        [*_, error] = chunks(server.chat().text)
    assert error == {"type": "error", "errorText": "There is no such room."}
