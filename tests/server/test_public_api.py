"""What `create_app` and `create_router` take, as an app and its clients see it."""

from __future__ import annotations

import asyncio
import threading
import tomllib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, assert_type

import httpx
import pytest
import usechat_server
from fastapi import APIRouter, BackgroundTasks, Body, Depends, FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from ui_message_stream import ToolInputAvailable, UIMessage
from usechat_server import (
    Agent,
    ChatHandler,
    ChatNotFound,
    ChatRouter,
    MessageHook,
    RunResult,
    Settings,
    StreamWriter,
    Turn,
    UIMessageStreamResponse,
    UsechatDeprecationWarning,
    UserHook,
    create_app,
    create_router,
    read_turn,
    respond,
    tool,
)
from usechat_server.cli import main
from usechat_server.http import state

from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer, ScriptedModel, chunks, text, user

BODY = {"id": "c1", "messages": [user("Hello")]}


def agent() -> Agent:
    return Agent(ScriptedModel())


async def handler(turn: Turn, writer: StreamWriter) -> None:
    writer.text("Handled")


def choose(turn: Turn, default: Agent | None = None) -> Agent:
    """Takes two arguments, but returns an agent."""
    return default or agent()


# --- agent or handler


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


@pytest.mark.parametrize(
    ("options", "error_text"),
    [
        ({"body": dict}, "body: expected a pydantic model, got dict"),
        ({"settings": {}}, "settings: expected Settings, got dict"),
    ],
)
def test_options_of_read_turn_of_the_wrong_type(options: dict[str, Any], error_text: str) -> None:
    request = Request({"type": "http", "method": "POST", "path": "/", "headers": []})
    with pytest.raises(TypeError, match=error_text):
        asyncio.run(read_turn(request, **options))


class CallableHandler:
    """A handler that is an object."""

    async def __call__(self, turn: Turn, writer: StreamWriter) -> None:
        writer.text("Handled")


def response_text(app: ASGIApp, path: str = "/api/chat") -> str:
    with LiveServer(app) as server:
        sent = chunks(server.request("POST", path, BODY).text)
    return "".join(chunk.get("delta", "") for chunk in sent)


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


# --- prefix, headers, hooks


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


# --- a router in an app of one's own


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


def test_an_error_of_a_handler_has_its_own_text() -> None:
    async def refuse(turn: Turn, writer: StreamWriter) -> None:
        raise ChatNotFound("There is no such room.")

    with LiveServer(create_app(handler=refuse)) as server:
        [*_, error] = chunks(server.chat().text)
    assert error == {"type": "error", "errorText": "There is no such room."}


# --- models by their names


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("anthropic:claude-sonnet-5-5", "claude-sonnet-5-5"),
        ("claude-sonnet-5-5", "claude-sonnet-5-5"),
        ("anthropic:eu.anthropic.claude-sonnet-5-5-v1:0", "eu.anthropic.claude-sonnet-5-5-v1:0"),
        ("demo", "demo"),
    ],
)
def test_a_model_by_its_name(name: str, model: str) -> None:
    assert Agent(name).spec.model.name == model
    assert Agent("demo", fallback=[name]).spec.fallback[0].name == model


@pytest.mark.parametrize("name", ["gpt-5", "openai:gpt-5", "anthropic:", "", "Claude", "google:x"])
def test_a_name_that_is_no_model(name: str) -> None:
    with pytest.raises(ValueError, match=r"'anthropic:…', 'claude-…', 'demo' or a Model, got"):
        Agent(name)
    with pytest.raises(ValueError, match="got"):
        Agent(ScriptedModel(), fallback=[name])


@pytest.mark.parametrize("model", [None, 5, ScriptedModel, object()])
def test_an_object_that_is_no_model(model: Any) -> None:
    with pytest.raises(TypeError, match="model: expected a model name or a Model, got"):
        Agent(model)
    with pytest.raises(TypeError, match="model: expected a model name or a Model, got"):
        Agent("demo", fallback=[model])


# --- types, which mypy checks in this file


class Options(BaseModel):
    """What the frontend sends besides."""

    model_config = {"extra": "ignore"}
    city: str = "Rome"


class Weather(BaseModel):
    """What the agent returns."""

    degrees: int


def test_the_types_of_body_and_output() -> None:
    results: list[RunResult[Weather]] = []
    finished = threading.Event()

    def system(turn: Turn[Options]) -> str:
        assert_type(turn.body, Options)
        return f"You are in {turn.body.city}."

    def on_finish(result: RunResult[Weather]) -> None:
        assert_type(result.output, Weather | None)
        results.append(result)
        finished.set()

    def on_message(turn: Turn[Options], message: UIMessage) -> None:
        assert_type(turn.body.city, str)

    model = ScriptedModel(*text('{"degrees": ', "21}"))
    typed = Agent(model, system=system, output=Weather)
    assert_type(typed, Agent[Weather])
    app = create_app(typed, body=Options, on_finish=on_finish, on_message=on_message)
    with LiveServer(app) as server:
        server.request("POST", "/api/chat", {**BODY, "city": "Oslo"})
        assert finished.wait(DEADLINE)
    [result] = results
    assert result.output == Weather(degrees=21)
    assert (result.outcome, result.finish_reason) == ("finished", "stop")
    assert model.calls[0].system == "You are in Oslo."


def test_the_type_of_a_handlers_body() -> None:
    async def in_city(turn: Turn[Options], writer: StreamWriter) -> None:
        writer.text(turn.body.city)

    assert response_text(create_app(handler=in_city, body=Options)) == "Rome"
    with pytest.raises(TypeError, match="body: expected a pydantic model, got dict"):
        create_app(agent(), body=dict)


def test_hooks_can_be_annotated() -> None:
    async def write(turn: Turn[Options], writer: StreamWriter) -> None:
        writer.text(turn.body.city)

    def save(turn: Turn[Options], message: UIMessage) -> None:
        pass

    handler: ChatHandler[Options] = write
    on_message: MessageHook[Options] = save
    user: UserHook = name_of_user
    options: dict[str, Any] = {"on_message": on_message, "user": user}
    assert response_text(create_app(handler=handler, body=Options, **options)) == "Rome"


def name_of_user(request: Request) -> str:
    return request.headers.get("x-user", "guest")


def test_a_failed_run_has_no_finish_reason() -> None:
    results: list[RunResult] = []
    finished = threading.Event()

    def on_finish(result: RunResult) -> None:
        results.append(result)
        finished.set()

    async def fail(turn: Turn, writer: StreamWriter) -> None:
        raise RuntimeError

    with LiveServer(create_app(handler=fail, on_finish=on_finish)) as server:
        server.chat()
        assert finished.wait(DEADLINE)
    assert (results[0].outcome, results[0].finish_reason) == ("failed", None)


# --- a route of one's own


def own_routes(routes: Mapping[str, Callable[[Request], Awaitable[Response]]]) -> LiveServer:
    return LiveServer(
        Starlette(routes=[Route(path, route, methods=["POST"]) for path, route in routes.items()])
    )


def test_respond_is_the_chat_route_in_a_route_of_ones_own() -> None:
    model = ScriptedModel()
    typed = Agent(model)

    async def with_agent(request: Request) -> Response:
        return await respond(request, agent=typed, user=request.headers.get("x-user"))

    async def with_function(request: Request) -> Response:
        return await respond(request, agent=choose, errors="json")

    async def with_handler(request: Request) -> Response:
        return await respond(request, handler=handler)

    async def with_neither(request: Request) -> Response:
        return await respond(request)

    routes = {"/a": with_agent, "/f": with_function, "/h": with_handler, "/n": with_neither}
    with own_routes(routes) as server:

        def sent(path: str) -> str:
            return server.request("POST", path, BODY).text

        assert '"delta":"Hello there"' in sent("/a")
        assert '"delta":"Hello there"' in sent("/f")
        assert '"delta":"Handled"' in sent("/h")
        assert chunks(sent("/a"))[-1] == {"type": "finish"}
        refused = server.request("POST", "/a", {})
        assert (refused.status_code, refused.text) == (400, "messages: expected a list, got null")
        refused = server.request("POST", "/f", {})
        message = "messages: expected a list, got null"
        assert refused.json() == {"error": {"status": 400, "message": message}}
        assert server.request("POST", "/n", BODY).status_code == 500


def test_an_approval_counts_in_a_route_of_ones_own() -> None:
    paid: list[int] = []

    @tool(needs_approval=True)
    def pay(amount: int) -> str:
        """Make a payment."""
        paid.append(amount)
        return "paid"

    model = ScriptedModel(
        [ToolInputAvailable(tool_call_id="t1", tool_name="pay", input={"amount": 5})]
    )

    async def chat(request: Request) -> Response:
        # As in an app that creates them for each request.
        approving = Agent(model, tools=[pay])
        return await respond(request, agent=approving, settings=Settings())

    newest = {"x-usechat-client": "ai/7.0.173"}
    with own_routes({"/chat": chat}) as server:
        first = chunks(server.request("POST", "/chat", BODY, newest).text)
        [approval] = [chunk for chunk in first if chunk["type"] == "tool-approval-request"]
        [start] = [chunk for chunk in first if chunk["type"] == "start"]
        part = {
            "type": "tool-pay",
            "toolCallId": "t1",
            "state": "approval-responded",
            "input": {"amount": 5},
            "approval": {"id": approval["approvalId"], "approved": True},
        }
        parts = [{"type": "step-start"}, part]
        assistant = {"id": start["messageId"], "role": "assistant", "parts": parts}
        model.batches = text("Done")
        body = {"id": "c1", "messages": [user("Hello"), assistant]}
        response = server.request("POST", "/chat", body, newest)
        assert response.status_code == 200, response.text
        assert server.request("POST", "/chat", body, newest).status_code == 409
    assert paid == [5]


@dataclass
class Greeting:
    """A handler that has no hash."""

    text: str

    async def __call__(self, turn: Turn, writer: StreamWriter) -> None:
        writer.text(self.text)


def test_a_handler_that_is_created_in_the_route() -> None:
    async def chat(request: Request) -> Response:
        async def write(turn: Turn, writer: StreamWriter) -> None:
            writer.text(f"Hello {request.headers['x-user']}")

        return await respond(request, handler=write, settings=Settings())

    async def greet(request: Request) -> Response:
        return await respond(request, handler=Greeting("Good day"))

    with own_routes({"/chat": chat, "/greet": greet}) as server:
        for name in ("Ada", "Bob"):
            response = server.request("POST", "/chat", BODY, {"x-user": name})
            assert f'"delta":"Hello {name}"' in response.text
        assert '"delta":"Good day"' in server.request("POST", "/greet", BODY).text


def test_a_chat_has_one_run_in_all_routes_and_the_server_drains_them_once() -> None:
    model = ScriptedModel(hold=True)

    async def with_agent(request: Request) -> Response:
        return await respond(request, agent=Agent(model), user="ann")

    async def with_handler(request: Request) -> Response:
        return await respond(request, handler=handler, user="ann")

    drains: list[Callable[..., Awaitable[None]]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {"usechat.on_drain": drains.append}
        await routes(scope, receive, send)

    routes = Starlette(
        routes=[
            Route("/a", with_agent, methods=["POST"]),
            Route("/h", with_handler, methods=["POST"]),
        ]
    )
    with LiveServer(app) as server, httpx.Client(trust_env=False) as client:
        with client.stream("POST", f"{server.url}/a", json=BODY) as response:
            lines = response.iter_lines()
            while ' there"' not in next(lines):
                pass
            for path in ("/a", "/h"):
                other = {"id": "c1", "messages": [user("Another question", id="u2")]}
                assert server.request("POST", path, other).status_code == 409
            model.release()
            assert chunks("\n".join(lines))[-1]["type"] == "finish"
        assert len(drains) == 1


def test_a_run_ends_with_its_connection_though_a_run_of_an_app_would_go_on() -> None:
    model = ScriptedModel(hold=True)
    settings = Settings(resume=60)

    async def chat(request: Request) -> Response:
        return await respond(request, agent=Agent(model), settings=settings)

    with own_routes({"/chat": chat}) as server, httpx.Client(trust_env=False) as client:
        with client.stream("POST", f"{server.url}/chat", json=BODY) as response:
            lines = response.iter_lines()
            while ' there"' not in next(lines):
                pass
        assert model.closed.wait(DEADLINE)


def test_what_breaks_in_a_route_of_ones_own_is_masked(caplog: pytest.LogCaptureFixture) -> None:
    def broken(turn: Turn) -> Agent:
        raise KeyError("secret")

    async def chat(request: Request) -> Response:
        return await respond(request, agent=broken, errors="json")

    with own_routes({"/chat": chat}) as server:
        failed = server.request("POST", "/chat", BODY)
    assert (failed.status_code, failed.json()["error"]["status"]) == (500, 500)
    assert "secret" not in failed.text
    assert "KeyError" in caplog.text


def test_an_empty_user_is_not_signed_in() -> None:
    async def with_respond(request: Request) -> Response:
        return await respond(request, handler=handler, user="")

    async def with_turn(request: Request) -> Response:
        return UIMessageStreamResponse.from_handler(handler, await read_turn(request, user=""))

    with own_routes({"/r": with_respond, "/t": with_turn}) as server:
        for path in ("/r", "/t"):
            refused = server.request("POST", path, BODY)
            assert (refused.status_code, refused.text) == (401, "Please sign in.")


async def respond_to(request: Request) -> Response:
    return await respond(request, handler=handler)


async def stream_to(request: Request) -> Response:
    return UIMessageStreamResponse.from_handler(handler, await read_turn(request))


@pytest.mark.parametrize("route", [respond_to, stream_to])
def test_a_body_that_the_app_has_read(
    route: Callable[[Request], Awaitable[Response]], caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()

    @app.post("/whole")
    async def read_whole(request: Request) -> Response:
        assert await request.json() == BODY
        return await route(request)

    @app.post("/parameter")
    async def read_as_parameter(request: Request, chat: Annotated[Any, Body()]) -> Response:
        assert chat == BODY
        return await route(request)

    @app.post("/stream")
    async def read_as_stream(request: Request) -> Response:
        assert [piece async for piece in request.stream()]
        return await route(request)

    as_json = {"content-type": "application/json"}
    with LiveServer(app) as server:
        for path in ("/whole", "/parameter"):
            assert '"delta":"Handled"' in server.request("POST", path, BODY, as_json).text
        assert server.request("POST", "/stream", BODY).status_code == 500
    assert "the request's body was already read, as a stream or a form" in caplog.text


def test_the_types_of_a_route_of_ones_own() -> None:
    async def chat(request: Request) -> Response:
        turn = await read_turn(request, body=Options)
        assert_type(turn, Turn[Options])

        async def in_city(turn: Turn[Options], writer: StreamWriter) -> None:
            writer.text(turn.body.city)

        return UIMessageStreamResponse.from_handler(in_city, turn)

    with own_routes({"/chat": chat}) as server:
        assert '"delta":"Oslo"' in server.request("POST", "/chat", {**BODY, "city": "Oslo"}).text


# --- the version


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"usechat-server {usechat_server.__version__}\n"
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert usechat_server.__version__ in {project["project"]["version"], "unknown"}


def test_a_deprecation_is_shown_by_default() -> None:
    assert issubclass(UsechatDeprecationWarning, FutureWarning)
