"""Doors share everything of a run with the chat: users, limits, hooks, drain, hang-up."""

from __future__ import annotations

import asyncio
import json
from enum import IntEnum
from pathlib import Path
from typing import Any, Union

import httpx
import pytest
from pydantic import BaseModel, RootModel
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from ui_message_stream import TextDelta, TextStart
from usechat_server import (
    Agent,
    ClientTool,
    Completion,
    CompletionStreamResponse,
    NDJSONResponse,
    Object,
    ObjectStreamResponse,
    RawSSEResponse,
    RunResult,
    Settings,
    Text,
    TextStreamResponse,
    Turn,
    create_app,
    create_router,
    tool,
)
from usechat_server.doors.base import Door

from tests.harness.asgi_host import LONG, AsgiHost
from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer, ScriptedModel, text, user

CHAT = {"id": "c1", "messages": [user("Hello")]}


class Result(BaseModel):
    result: int


#: Path, body and response of each door, for the text `{"result": 42}`.
DOORS: list[tuple[Door, str, Any]] = [
    (Text(), "/api/text", CHAT),
    (Completion(), "/api/completion?protocol=text", {"prompt": "Hello"}),
    (Object(), "/api/object", "Hello"),
]
DOCUMENT = '{"result": 42}'


def model(**options: Any) -> ScriptedModel:
    return ScriptedModel(*text(DOCUMENT[:5], DOCUMENT[5:]), **options)


def app(scripted: ScriptedModel, **options: Any) -> Any:
    return create_app(
        Agent(scripted, output=Result), doors=[door for door, _, _ in DOORS], **options
    )


@pytest.fixture(params=DOORS, ids=lambda door: type(door[0]).__name__)
def door(request: pytest.FixtureRequest) -> tuple[Door, str, Any]:
    chosen: tuple[Door, str, Any] = request.param
    return chosen


def test_a_door_has_users_limits_and_hooks(door: tuple[Door, str, Any], tmp_path: Path) -> None:
    results: list[RunResult] = []
    scripted = model(hold=True)
    application = app(
        scripted,
        user=lambda request: request.headers.get("x-user"),
        on_finish=results.append,
        store=f"sqlite:///{tmp_path / 'chats.db'}",
        settings=Settings(max_runs_per_user=1),
    )
    _, path, body = door
    with LiveServer(application) as server:
        assert server.request("POST", path, body).status_code == 401
        headers = {"x-user": "ada"}
        with (
            httpx.Client(base_url=server.url, trust_env=False, timeout=DEADLINE) as client,
            client.stream("POST", path, json=body, headers=headers) as response,
        ):
            pieces = response.iter_text()
            received = next(pieces)
            refused = server.request("POST", path, {**CHAT, "prompt": "x", "id": "c2"}, headers)
            assert refused.status_code == 429
            scripted.release()
            received += "".join(pieces)
        assert received == DOCUMENT
        # Only the text door has a chat.
        stored = server.request("GET", "/api/chats", headers=headers).json()["chats"]
        assert [chat["id"] for chat in stored] == (["c1"] if path == "/api/text" else [])
    [result] = results
    assert (result.outcome, result.turn.user) == ("finished", "ada")
    assert result.output == Result(result=42)


def test_a_run_ends_with_its_connection_however_long_chats_are_kept(
    door: tuple[Door, str, Any], tmp_path: Path
) -> None:
    scripted = model(hold=True)
    application = app(
        scripted,
        store=f"sqlite:///{tmp_path / 'chats.db'}",
        settings=Settings(resume=3600),
    )
    _, path, body = door
    with LiveServer(application) as server:
        with (
            httpx.Client(base_url=server.url, trust_env=False, timeout=DEADLINE) as client,
            client.stream("POST", path, json=body) as response,
        ):
            pieces = response.iter_text()
            next(pieces)
            assert not scripted.closed.is_set()
        assert scripted.closed.wait(DEADLINE)


def test_a_drain_breaks_off_what_cannot_say_so(door: tuple[Door, str, Any]) -> None:
    scripted = model(hold=True)
    application = app(scripted)
    _, path, body = door

    async def drained() -> None:
        host = AsgiHost(application)
        host_request = asyncio.create_task(
            application(_scope(path, body), _receive(body, host), host._send)
        )
        await host.wait_for_body(lambda sent: b"result" in sent or b"42" in sent)
        await application.drain(0)
        with pytest.raises(Exception, match=r"failed after its headers|response already started"):
            await asyncio.wait_for(host_request, LONG)
        assert not host.complete

    asyncio.run(drained())


def _scope(path: str, body: Any) -> dict[str, Any]:
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "path": path,
        "root_path": "",
        "query_string": query.encode(),
        "headers": [],
        "server": ("127.0.0.1", 80),
    }


def _receive(body: Any, host: AsgiHost) -> Any:
    messages = iter([{"type": "http.request", "body": json.dumps(body).encode()}])

    async def receive() -> Any:
        for message in messages:
            return message
        return await host._receive()

    return receive


@pytest.mark.parametrize("wrap", [False, True], ids=["bare", "behind a middleware"])
def test_a_failure_breaks_the_connection_after_the_text(
    door: tuple[Door, str, Any], *, wrap: bool
) -> None:
    class Failing(ScriptedModel):
        def stream(self, call: Any) -> Any:
            stream = super().stream(call)
            batches = stream._batches

            async def fail() -> Any:
                async for batch in batches:
                    yield batch
                    if any(isinstance(chunk, TextDelta) for chunk in batch):
                        # Only when a reader has it, the model cannot be called again.
                        await asyncio.sleep(0.05)
                        raise RuntimeError("hunter2")

            stream._batches = fail()
            return stream

    async def pass_on(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        return response

    application: Any = app(Failing(*text(DOCUMENT[:5])))
    if wrap:
        application = Starlette(
            routes=[Mount("/", application)],
            middleware=[Middleware(BaseHTTPMiddleware, dispatch=pass_on)],
        )
    _, path, body = door
    with (
        LiveServer(application) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=DEADLINE) as client,
        client.stream("POST", path, json=body) as response,
    ):
        assert response.status_code == 200
        received = ""
        try:
            for piece in response.iter_text():
                received += piece
        except httpx.RemoteProtocolError:
            pass
        else:
            pytest.fail("the response looks complete")
        assert received == DOCUMENT[:5]


@pytest.mark.parametrize(
    ("path", "content", "status", "refusal"),
    [
        ("/api/completion", b"{}", 400, "prompt: expected a string, got nothing"),
        ("/api/completion", b'{"prompt": 1}', 400, "prompt: expected a string, got an integer"),
        ("/api/completion", b"[]", 400, "The request must be a JSON object, not a list."),
        (
            "/api/completion?protocol=sse",
            b'{"prompt": "x"}',
            400,
            "protocol: expected data or text, got sse",
        ),
        ("/api/chat?keepalive=no", None, 400, "keepalive: expected on or off, got no"),
        ("/api/object", b"{", 400, "The request is not readable as JSON"),
        ("/api/text", b'{"prompt": "x"}', 400, "This route is for useChat"),
    ],
)
def test_a_request_is_refused_readably(
    path: str, content: bytes | None, status: int, refusal: str
) -> None:
    with LiveServer(app(model())) as server:
        sent = json.dumps(CHAT).encode() if content is None else content
        response = server.request("POST", path, content=sent)
        assert response.status_code == status
        assert response.text.startswith(refusal)
        assert "retry-after" not in response.headers


@pytest.mark.parametrize("value", [b"", b"null", b"3", b"[1]", b'"Hi"', b'{"a": {"b": []}}'])
def test_an_object_takes_any_json_value(value: bytes) -> None:
    scripted = model()
    with LiveServer(app(scripted)) as server:
        response = server.request("POST", "/api/object", content=value)
        assert response.json() == {"result": 42}
    [call] = scripted.calls
    [message] = call.messages
    [part] = message.to_object()["parts"]
    assert part["text"] in (
        json.loads(value or b"null"),
        json.dumps(json.loads(value or b"null"), separators=(",", ":")),
    )


def test_a_text_chat_that_a_reload_looks_for_is_not_resumed(tmp_path: Path) -> None:
    application = app(model(), store=f"sqlite:///{tmp_path / 'chats.db'}", prefix="")
    with LiveServer(application) as server:
        assert server.request("POST", "/text", CHAT).text == DOCUMENT
        assert server.request("GET", "/text/c1/stream").status_code == 204
        assert server.request("GET", "/text/a/b/stream").status_code == 204
        stored = server.request("GET", "/chat/c1").json()["messages"]
        assert [message["role"] for message in stored] == ["user", "assistant"]
        # The client's own id of the response is not the stored one.
        previous = {
            "id": "client-2",
            "role": "assistant",
            "parts": [{"type": "text", "text": DOCUMENT}],
        }
        turn = {"id": "c1", "messages": [user("Hello"), previous, user("And?", id="u2")]}
        assert server.request("POST", "/text", turn).text == DOCUMENT
        stored = server.request("GET", "/chat/c1").json()["messages"]
        assert [message["role"] for message in stored] == ["user", "assistant"] * 2


@tool(needs_approval=True)
def pay(amount: int) -> int:
    """Pays."""
    return amount


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Tree(RootModel[Union["Tree", int, list[Result]]]):
    pass


WEATHER = ClientTool("weather", "The weather.", {"type": "object"})


@pytest.mark.parametrize(
    ("agent", "doors", "error"),
    [
        (Agent(model(), tools=[WEATHER]), [Text()], r"Text\(\) cannot run client tools"),
        (Agent(model(), tools=[pay]), [Completion()], r"Completion\(\) cannot show requests"),
        (Agent(model(), tools=[pay], approvals="client-tool"), [Text()], "cannot show requests"),
        (Agent(model()), [Object()], r"Object\(\) requires an agent with output="),
        (Agent(model(), output=RootModel[int]), [Object()], "an object, an array or a string"),
        (Agent(model(), output=RootModel[Size | None]), [Object()], "an array or a string"),
        (Agent(model()), [Text(), Completion("/text")], "two of them have the path '/text'"),
        (Agent(model()), [Text("/chat")], "expected a path such as"),
        (Agent(model()), [Text("/chats/text")], "expected a path such as"),
        (Agent(model()), [Text("text")], "expected a path such as"),
    ],
)
def test_a_door_that_cannot_work_is_refused_at_the_start(
    agent: Agent, doors: list[Door], error: str
) -> None:
    for create in (create_app, create_router):
        with pytest.raises(ValueError, match=error):
            create(agent, doors=doors)
        with pytest.raises(TypeError, match=r"doors: expected doors such as Text\(\), got"):
            create(Agent(model()), doors=[Text])  # type: ignore[list-item]


@pytest.mark.parametrize("output", [Result, RootModel[list[int]], RootModel[str | None], Tree])
def test_an_object_may_be_any_document(output: Any) -> None:
    create_app(Agent(model(), output=output), doors=[Object()])


def test_an_agent_that_a_function_chose_is_refused_before_it_is_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scripted = model()

    def choose(turn: Turn) -> Agent:
        return Agent(scripted, tools=[WEATHER])

    with LiveServer(create_app(agent=choose, doors=[Text()])) as server:
        assert server.chat().status_code == 200
        refused = server.request("POST", "/api/text", CHAT)
        assert (refused.status_code, refused.text) == (
            400,
            "This route cannot be used for this chat.",
        )
    assert len(scripted.calls) == 1
    assert "Text() cannot run client tools, and this agent has weather" in caplog.text


async def test_a_blank_keeps_an_object_alive_until_its_first_character() -> None:
    began, goes_on = asyncio.Event(), asyncio.Event()

    async def document() -> Any:
        yield TextStart(id="0")
        await began.wait()
        yield TextDelta(id="0", delta=' {"a": "x')
        await goes_on.wait()
        yield TextDelta(id="0", delta='y"}')

    host = AsgiHost(ObjectStreamResponse(document(), keep_alive=0.01))
    request = host.request()
    await host.wait_for_body(lambda body: body.count(b" ") >= 3)
    began.set()
    await host.wait_for_body(lambda body: b"x" in body)
    goes_on.set()
    await asyncio.wait_for(request, LONG)
    assert host.complete
    assert json.loads(host.body) == {"a": "xy"}


@pytest.mark.parametrize(
    ("response_class", "failure"),
    [
        (TextStreamResponse, None),
        (ObjectStreamResponse, None),
        (CompletionStreamResponse, '"type":"error"'),
        (RawSSEResponse, '"type":"error"'),
        (NDJSONResponse, '"type":"turn.failed"'),
    ],
)
def test_a_route_of_ones_own(response_class: Any, failure: str | None) -> None:
    async def sent(*, fails: bool) -> Any:
        yield TextStart(id="0")
        yield TextDelta(id="0", delta=DOCUMENT)
        if fails:
            raise RuntimeError("hunter2")

    async def route(request: Request) -> Response:
        response: Response = response_class(sent(fails="fails" in request.query_params))
        return response

    with LiveServer(Starlette(routes=[Route("/own", route)])) as server:
        response = server.request("GET", "/own")
        if failure is None:
            assert response.text == DOCUMENT
            with pytest.raises(httpx.RemoteProtocolError):
                server.request("GET", "/own?fails")
        else:
            assert json.dumps(DOCUMENT) in response.text
            assert failure not in response.text
            failed = server.request("GET", "/own?fails").text
            assert failure in failed
            assert "hunter2" not in failed


def test_comments_can_be_switched_off() -> None:
    scripted = model(hold=True)
    settings = Settings(keep_alive=0.01)
    with (
        LiveServer(app(scripted, settings=settings)) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=DEADLINE) as client,
    ):
        for query in ("", "?keepalive=on", "?keepalive=off"):
            with client.stream("POST", f"/api/chat{query}", json=CHAT) as response:
                lines = response.iter_lines()
                before = [next(lines)]
                while "text-delta" not in before[-1]:
                    before.append(next(lines))
                while "off" not in query and before[-1] != ": keep-alive":
                    before.append(next(lines))
                scripted.release()
                after = [*before, *lines]
            comments = [line for line in after if line.startswith(":")]
            assert bool(comments) == ("off" not in query)
            assert "data: [DONE]" in after
