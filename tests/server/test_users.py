"""`user=`: who a request is of, and apps without users."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from usechat_server import Agent, ChatError, Settings, Turn, create_app
from usechat_server.app import ChatApp

from tests.harness.live import LiveServer, ScriptedModel, chunks
from tests.server.live_apps import refusal_text, response_for


def test_the_user_of_a_turn() -> None:
    agent = Agent(ScriptedModel())

    def choose(turn: Turn) -> Agent:
        turns.append(turn)
        return agent

    async def name(request: Request) -> str | None:
        return request.headers.get("authorization", "").removeprefix("Bearer ") or None

    def name_in_thread(request: Request) -> str | None:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return request.headers.get("authorization", "").removeprefix("Bearer ")

    for hook in (name, name_in_thread):
        turns: list[Turn] = []
        with LiveServer(create_app(agent=choose, user=hook)) as server:
            assert chunks(server.chat(headers={"authorization": "Bearer ada"}).text)
            assert refusal_text(server.chat(), 401) == "Please sign in."
        with LiveServer(create_app(agent=choose, user=hook, anonymous=True)) as server:
            is_let_in = server.chat().status_code == 200
        # An empty id is never the absence of a user: all who send none would share it.
        assert is_let_in == (hook is name)
        assert [turn.user for turn in turns] == (["ada", None] if is_let_in else ["ada"])


@pytest.mark.parametrize(
    ("raised", "status", "refusal"),
    [
        (HTTPException(403, "Not on your plan."), 403, "Not on your plan."),
        (HTTPException(402), 402, "Payment Required"),
        (PermissionError("/secret"), 403, "You may not use this chat."),
        (ChatError("Your trial is over.", 402), 402, "Your trial is over."),
    ],
)
def test_a_user_function_may_refuse(raised: Exception, status: int, refusal: str) -> None:
    async def refuse(request: Request) -> str | None:
        raise raised

    assert refusal_text(response_for(refuse), status) == refusal


def test_a_user_function_that_fails_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async def number(request: Request) -> Any:
        return 7

    def broken(request: Request) -> str:
        raise KeyError("secret")

    def slow_database(request: Request) -> str:
        raise TimeoutError("secret")

    def unreadable_file(request: Request) -> str:
        raise PermissionError(errno.EACCES, "secret")  # as open() raises it: not a refusal

    for hook, logged in [
        (number, "user= returned int: expected a str or None"),
        (broken, "KeyError('secret')"),
        (slow_database, "TimeoutError('secret')"),
        (unreadable_file, "PermissionError(13, 'secret')"),
    ]:
        caplog.clear()
        refusal = refusal_text(response_for(hook), 500)
        assert "sign in" not in refusal
        assert "secret" not in refusal
        assert logged in caplog.text


@pytest.mark.parametrize("user_id", ["ann\0", "ann\nWARNING: forged", "\ud83d", "a" * 256])
def test_a_user_id_that_cannot_be_stored_is_refused(
    user_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert refusal_text(response_for(lambda request: user_id), 401) == "Please sign in."
    messages = [record.message for record in caplog.records if "user= returned" in record.message]
    assert messages
    assert all(message.isprintable() and len(message) < 200 for message in messages)


def test_a_user_function_has_a_time_limit() -> None:
    async def hang(request: Request) -> str:
        await asyncio.Event().wait()
        return "never"

    app = create_app(Agent(ScriptedModel()), user=hang, settings=Settings(user_timeout=0.05))
    with LiveServer(app) as server:
        refused = server.chat()
        assert refusal_text(refused, 503) == "Signing in took too long. Please try again."
        assert refused.headers["retry-after"] == "5"


def test_a_user_is_refused_before_the_upload() -> None:
    async def refuse(request: Request) -> str | None:
        raise HTTPException(401, "Please sign in.")

    app = create_app(Agent(ScriptedModel()), user=refuse)
    with LiveServer(app) as server, server.connection() as client:
        client.sendall(
            b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9000\r\n\r\n"
        )
        assert client.recv(1000).startswith(b"HTTP/1.1 401")


def test_an_app_without_users_on_a_network_logs_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def name(request: Request) -> str | None:
        return None

    def warnings(user: Any, host: str, **settings: Any) -> list[str]:
        caplog.clear()
        create_app(Agent(ScriptedModel()), user=user, settings=Settings(host=host, **settings))
        return caplog.messages

    [warning] = warnings(None, "0.0.0.0")
    assert warning.startswith("create_app on 0.0.0.0 without user=: anyone who can reach it can")
    assert "USECHAT_PUBLIC" in warning
    assert not warnings(None, "0.0.0.0", public=True)
    assert not warnings(name, "0.0.0.0")
    assert not warnings(None, "127.0.0.1")


async def request_on(app: ChatApp, address: str, host: str = "chat.example.com") -> httpx.Response:
    """Send GET /api/chats to an app that stock uvicorn serves on an address."""

    async def at_address(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "server": (address, 8000)}, receive, send)

    transport = httpx.ASGITransport(at_address)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
        return await client.get("/api/chats")


async def test_the_first_request_on_a_public_address_logs_the_warning_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = create_app(Agent(ScriptedModel()))
    await request_on(app, "127.0.0.1", "localhost")
    assert not caplog.messages
    for _ in range(2):
        await request_on(app, "192.168.1.5")
    [message] = caplog.messages
    assert message.startswith("listening on 192.168.1.5 without user=: anyone who can reach it")


@pytest.mark.parametrize(
    ("options", "address", "host", "status"),
    [
        ({}, "127.0.0.1", "localhost:8000", 200),
        ({}, "192.168.1.5", "localhost:8000", 404),
        ({}, "192.168.1.5", "192.168.1.5", 404),
        ({"settings": Settings(allowed_hosts=["chat.example.com"])}, "127.0.0.1", None, 404),
        ({"settings": Settings(public=True)}, "192.168.1.5", None, 200),
        ({"user": lambda request: "ann"}, "192.168.1.5", None, 200),
        ({"user": lambda request: None, "anonymous": True}, "192.168.1.5", None, 200),
    ],
)
async def test_chats_are_listed_to_users_and_on_this_machine(
    tmp_path: Path, options: Any, address: str, host: str | None, status: int
) -> None:
    app = create_app(Agent(ScriptedModel()), store=f"sqlite:///{tmp_path}/chats.db", **options)
    async with app.lifespan():
        response = await request_on(app, address, host or "chat.example.com")
    assert response.status_code == status
    if status == 404:
        assert response.text == "Chats are not listed here, since users are not told apart."
