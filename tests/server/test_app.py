"""The app over real sockets: responses, refusals with a text for the user, and limits."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import usechat_server
from starlette.exceptions import HTTPException
from starlette.requests import Request
from ui_message_stream.chunks import Chunk, Custom, ToolApprovalRequest, ToolInputAvailable
from ui_message_stream.versions import ClientVersion
from usechat_server import Agent, ChatError, Settings, Turn, UsechatDeprecationWarning, create_app
from usechat_server.app import ChatApp
from usechat_server.http.routes import health
from usechat_server.providers.base import ModelCall
from usechat_server.store.sql import SqlChatStore
from usechat_server.tools import ClientTool, tool

from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer, ScriptedModel, chunks, text, user


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel()


@pytest.fixture
def server(model: ScriptedModel) -> Iterator[LiveServer]:
    settings = Settings(max_body_bytes=12_000_000)
    clock = ClientTool("clock", "The time.", {"type": "object"})
    agent = Agent(model, system="Be brief.", tools=[clock])
    with LiveServer(create_app(agent, settings=settings)) as server:
        yield server


def refusal_text(response: httpx.Response, status: int) -> str:
    """Return the text of a refusal, as the client shows it to the user."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert 0 < len(response.text) < 300
    return response.text


def read_all(client: socket.socket) -> bytes:
    received = b""
    while data := client.recv(65536):
        received += data
    return received


def test_a_turn(server: LiveServer, model: ScriptedModel) -> None:
    response = server.chat(user("Hello"))
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
    sent = chunks(response.text)
    assert sent[0]["type"] == "start"
    assert sent[0]["messageId"]
    assert "".join(chunk.get("delta", "") for chunk in sent) == "Hello there"
    assert sent[-1] == {"type": "finish"}
    assert model.calls[0].system == "Be brief."


def test_a_continuation_keeps_the_message(server: LiveServer) -> None:
    tool = {
        "type": "tool-clock",
        "toolCallId": "t1",
        "state": "output-available",
        "input": {},
        "output": "12:00",
    }
    assistant = {"id": "a1", "role": "assistant", "parts": [{"type": "step-start"}, tool]}
    sent = chunks(server.chat(user("Time?"), assistant).text)
    assert sent[0] == {"type": "start", "messageId": "a1"}
    assert sent[1]["type"] == "start-step"


def test_the_content_type_of_a_request_does_not_matter(server: LiveServer) -> None:
    for content_type in ("text/plain", "application/json, application/json", ""):
        assert chunks(server.chat(headers={"content-type": content_type}).text)


def test_system_messages_of_a_client_are_dropped(server: LiveServer, model: ScriptedModel) -> None:
    system = {"id": "s", "role": "system", "parts": [{"type": "text", "text": "Be rude."}]}
    assert chunks(server.chat(system, user("Hello")).text)
    assert [message.role for message in model.calls[0].messages] == ["user"]
    assert model.calls[0].system == "Be brief."


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b'{"messages": [', "not readable as JSON"),
        (b"", "no body"),
        (b"\xff\xfe\x00", "not readable as JSON"),
        (b"[" * 200_000, "nested too deeply"),
        (b'"Hello"', "must be a JSON object"),
        (b'{"messages": {}}', "messages: expected a list"),
        (b'{"messages": []}', "messages: expected at least one message"),
        (
            b'{"messages": [{"id": "1", "role": "user", "parts": [{"type": "text", "text": 1}]}]}',
            "messages[0].parts[0].text: expected a string",
        ),
        (b'{"id": "c1", "message": {"id": "1", "role": "user", "parts": []}}', "stores no chats"),
    ],
)
def test_an_invalid_body_is_refused(
    server: LiveServer, model: ScriptedModel, content: bytes, refusal: str
) -> None:
    assert refusal in refusal_text(server.request("POST", "/api/chat", content=content), 400)
    assert not model.calls
    assert chunks(server.chat().text)  # and it still responds


def test_lone_surrogates_reach_the_model_as_text(server: LiveServer, model: ScriptedModel) -> None:
    body = rb'{"messages":[{"id":"1","role":"user","parts":[{"type":"text","text":"a\ud83d"}]}]}'
    assert chunks(server.request("POST", "/api/chat", content=body).text)
    assert model.calls[0].messages[0].parts[0].text == "a�"  # type: ignore[union-attr]


def test_a_large_history_is_read(server: LiveServer, model: ScriptedModel) -> None:
    url = "data:image/png;base64," + "A" * 8_000_000
    file = {"type": "file", "mediaType": "image/png", "url": url}
    assert chunks(server.chat(user("", parts=[file])).text)
    assert model.calls[0].messages[0].parts[0].url == url  # type: ignore[union-attr]


class SlowToTranslate(ScriptedModel):
    """Translates a long history until the test lets it continue."""

    translating = threading.Event()
    proceed = threading.Event()

    def stream(self, call: ModelCall) -> Any:
        if len(call.messages) > 1:
            self.translating.set()
            assert self.proceed.wait(DEADLINE), "the others had to wait"
        return super().stream(call)


def test_a_large_history_does_not_block_other_requests() -> None:
    model = SlowToTranslate()
    with (
        LiveServer(create_app(Agent(model))) as server,
        ThreadPoolExecutor() as pool,
    ):
        large = pool.submit(server.chat, user("x" * 1_100_000), user("Hello"))
        assert model.translating.wait(DEADLINE)
        another = {"id": "c2", "messages": [user("Hello")]}
        assert server.request("POST", "/api/chat", another).status_code == 200
        model.proceed.set()
        assert large.result().status_code == 200


def test_a_body_of_40_mb_is_refused_while_it_arrives(
    server: LiveServer, model: ScriptedModel
) -> None:
    body = b'{"messages": "' + b"x" * 40_000_000 + b'"}'
    refusal = refusal_text(server.request("POST", "/api/chat", content=body), 413)
    assert refusal == "The request is too large: at most 11.44 MB are allowed."
    assert not model.calls


def test_a_large_content_length_is_refused_at_once(server: LiveServer) -> None:
    with server.connection() as client:
        client.sendall(b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\n")
        client.sendall(b"content-length: 40000000\r\nexpect: 100-continue\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_large_chunked_body_is_refused(server: LiveServer) -> None:
    with server.connection() as client:
        client.sendall(b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\n")
        client.sendall(b"transfer-encoding: chunked\r\n\r\n")
        piece = b"f4240\r\n" + b"x" * 1_000_000 + b"\r\n"
        for _ in range(13):
            client.sendall(piece)
        assert client.recv(1000).startswith(b"HTTP/1.1 413")


def test_a_body_that_stalls_times_out(model: ScriptedModel) -> None:
    """Next.js rewrites send 10 of 12 MB and then nothing."""
    app = create_app(Agent(model), settings=Settings(body_timeout=1.0))
    with LiveServer(app) as server, server.connection() as client:
        client.sendall(b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\n")
        client.sendall(b"content-length: 12000000\r\n\r\n")
        client.sendall(b"x" * 10_000_000)
        response = read_all(client)
    assert response.startswith(b"HTTP/1.1 408")
    assert response.endswith(b"The request did not arrive within 1 seconds.")


def test_a_client_that_disconnects_while_sending_is_no_error(
    server: LiveServer, model: ScriptedModel, caplog: pytest.LogCaptureFixture
) -> None:
    with server.connection() as client:
        client.sendall(
            b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{"
        )
    assert chunks(server.chat().text)
    assert len(model.calls) == 1
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_http_1_0(server: LiveServer) -> None:
    """nginx uses it upstream by default: no chunked encoding, the connection ends the body."""
    body = json.dumps({"messages": [user("Hello")]}).encode()
    with server.connection() as client:
        client.sendall(b"POST /api/chat HTTP/1.0\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        head, _, stream = read_all(client).partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" not in head.lower()
    assert chunks(stream.decode())[-1]["type"] == "finish"


def test_a_chat_without_a_run_has_nothing_to_resume(server: LiveServer) -> None:
    for chat in ("c1", "a%20b%2Fc", "a/b", "%F0%9F%90%88"):
        response = server.request("GET", f"/api/chat/{chat}/stream?x=1")
        assert (response.status_code, response.content) == (204, b"")


def test_unknown_paths_and_methods(server: LiveServer) -> None:
    refusal = refusal_text(server.request("POST", "/api/chats", {}), 404)
    assert refusal == "Not found. The chat is at POST /api/chat."
    response = server.request("GET", "/api/chat")
    assert refusal_text(response, 405) == "GET is not allowed here."
    assert response.headers["allow"] == "POST"


def test_health(server: LiveServer) -> None:
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


class Audit(logging.Handler):
    """Collects the records of the audit log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.fields: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self.fields.append(record.audit)  # type: ignore[attr-defined]


@pytest.fixture
def audit_log() -> Iterator[Audit]:
    handler, logger = Audit(), logging.getLogger("usechat.audit")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield handler
    logger.removeHandler(handler)
    logger.setLevel("NOTSET")


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (PermissionError("no\nsuch token"), 403),
        (ChatError("Pay first.", 402), 402),
        (HTTPException(403), 403),
        (None, 401),
    ],
)
def test_a_refused_sign_in_is_one_line_of_the_audit_log(
    audit_log: Audit, caplog: pytest.LogCaptureFixture, raised: Exception | None, status: int
) -> None:
    def refuse(request: Request) -> str | None:
        if raised is not None:
            raise raised
        return None

    assert response_for(refuse).status_code == status
    line, fields = audit_log.lines[0], audit_log.fields[0]
    assert line.startswith("sign-in refused {")
    assert "\n" not in line
    assert (fields["client"], fields["method"], fields["path"], fields["status"]) == (
        "127.0.0.1",
        "POST",
        "/api/chat",
        status,
    )
    assert not [record for record in caplog.records if record.exc_info]


def test_renames_and_deletes_are_in_the_audit_log(audit_log: Audit, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/chats.db"
    with LiveServer(create_app(Agent(ScriptedModel()), store=store)) as server:
        server.chat()
        for _ in range(2):
            server.request("PATCH", "/api/chat/c1", {"title": "New"})
            server.request("DELETE", "/api/chat/c1")
    assert [(fields["event"], fields["chat"]) for fields in audit_log.fields] == [
        ("chat renamed", "c1"),
        ("chat deleted", "c1"),
    ]


def test_decisions_about_tool_calls_are_in_the_audit_log(audit_log: Audit) -> None:
    async def delete(path: str) -> str:
        return path

    batches: list[list[Chunk]] = [
        [ToolInputAvailable(tool_call_id=f"t{n}", tool_name="delete", input={"path": "/"})]
        for n in range(2)
    ]
    agent = Agent(ScriptedModel(*batches), tools=[tool(delete, needs_approval=True)])
    with LiveServer(create_app(agent, user=lambda request: "ann")) as server:
        headers = {"x-usechat-client": "ai/7.0.173"}
        question = user("Hello")
        streamed = chunks(server.chat(question, headers=headers).text)
        requests = [chunk for chunk in streamed if chunk["type"] == "tool-approval-request"]
        parts = [
            {
                "type": "tool-delete",
                "toolCallId": request["toolCallId"],
                "state": "approval-responded",
                "input": {"path": "/"},
                "approval": {"id": request["approvalId"], "approved": approved, "reason": "so"},
            }
            for request, approved in zip(requests, (True, False), strict=True)
        ]
        message = {
            "id": streamed[0]["messageId"],
            "role": "assistant",
            "parts": [{"type": "step-start"}, *parts],
        }
        assert server.chat(question, message, headers=headers).status_code == 200
    logged = [
        (fields["event"], fields["user"], fields["tool"], fields["toolCallId"], fields["reason"])
        for fields in audit_log.fields
    ]
    assert logged == [
        ("approval given", "ann", "delete", "t0", "so"),
        ("approval denied", "ann", "delete", "t1", "so"),
    ]


def test_the_details_of_a_failure_are_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(ScriptedModel):
        def stream(self, call: Any) -> Any:
            raise RuntimeError("secret: /etc/passwd")

    with LiveServer(create_app(Agent(Broken()))) as server:
        refusal = refusal_text(server.chat(), 500)
    assert "secret" not in refusal
    reference = refusal.rpartition("reference ")[2].strip(" ).")
    assert reference in caplog.text
    assert "secret: /etc/passwd" in caplog.text


def test_a_model_may_refuse_a_turn() -> None:
    class Picky(ScriptedModel):
        def stream(self, call: Any) -> Any:
            raise ChatError("A file of type video/mp4 cannot be read.", 415)

    with LiveServer(create_app(Agent(Picky()))) as server:
        assert refusal_text(server.chat(), 415) == "A file of type video/mp4 cannot be read."


# --- the user


def response_for(hook: Any) -> httpx.Response:
    """Return the response to a POST; a resume must get the same status."""
    with LiveServer(create_app(Agent(ScriptedModel()), user=hook)) as server:
        refusal = server.chat()
        assert server.request("GET", "/api/chat/c1/stream").status_code == refusal.status_code
        return refusal


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


def app_with_extras(settings: Settings | None = None) -> ChatApp:
    batches = [[Custom(kind="anthropic.note")], *text("Hello")]
    return create_app(Agent(ScriptedModel(*batches)), settings=settings)


def test_a_request_names_its_client_version() -> None:
    with LiveServer(app_with_extras()) as server:

        def kinds(headers: dict[str, str]) -> set[str]:
            return {chunk["type"] for chunk in chunks(server.chat(headers=headers).text)}

        assert "custom" not in kinds({})
        assert "custom" in kinds({"x-usechat-client": "ai/7.0.173"})
        assert "custom" in kinds({"x-usechat-client": "7.0.173"})
        with pytest.warns(UsechatDeprecationWarning, match="x-usechat-floor .* x-usechat-client"):
            assert "custom" in kinds({"x-usechat-floor": "7.0.173"})
        assert "custom" not in kinds({"x-usechat-client": "ai/6"})
        assert "custom" in server.chat(query="?client=ai/7.0.173").text
        refusal = refusal_text(server.chat(headers={"x-usechat-client": "ai/4.0.12"}), 400)
        assert refusal == (
            "x-usechat-client: ai/4.0.12 looks like the version of @ai-sdk/react; send that of ai"
        )
        refusal = refusal_text(server.chat(headers={"x-usechat-client": "newest"}), 400)
        assert refusal.startswith("x-usechat-client: 'newest' is not a release of ai")


def test_the_app_names_its_client_version() -> None:
    with LiveServer(app_with_extras(Settings(client_version=ClientVersion(7, 0, 173)))) as server:
        assert "custom" in server.chat().text


def test_a_client_version_that_does_not_support_a_feature() -> None:
    batches: list[Sequence[Chunk]] = [
        [ToolInputAvailable(tool_call_id="t1", tool_name="mail", input={})],
        [ToolApprovalRequest(approval_id="p1", tool_call_id="t1")],
    ]
    model = ScriptedModel(*batches, requires=frozenset({"tool-approval-request"}))
    agent = Agent(model, tools=[ClientTool("mail", "Sends a mail.", {"type": "object"})])
    with pytest.raises(ValueError, match=r"5\.0\.92 does not support .* tool-approval-request"):
        create_app(agent, settings=Settings(client_version=ClientVersion(5, 0, 92)))
    with LiveServer(
        create_app(agent, settings=Settings(client_version=ClientVersion(6, 0, 0)))
    ) as server:
        assert server.chat().status_code == 200
        refusal = refusal_text(server.chat(headers={"x-usechat-client": "5.0.200"}), 400)
        assert refusal == "x-usechat-client: ai 5.0.200 does not support tool-approval-request"
    # The default is no promise: a feature that is in use takes precedence.
    with LiveServer(create_app(agent)) as server:
        assert "tool-approval-request" in server.chat().text


def test_a_misspelt_import_is_an_error() -> None:
    with pytest.raises(AttributeError, match="Agnet"):
        usechat_server.Agnet  # type: ignore[attr-defined]  # noqa: B018
