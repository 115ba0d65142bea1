"""`read_turn` and `respond` in a route of the app."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Body, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from ui_message_stream import ToolInputAvailable
from usechat_server import (
    Agent,
    Settings,
    StreamWriter,
    Turn,
    UIMessageStreamResponse,
    read_turn,
    respond,
    tool,
)

from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer, ScriptedModel, chunks, text, user
from tests.server.live_apps import BODY, choose, handler, own_routes


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
