"""What a request may be: its size, its speed, its path, and anything a client gets wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp
from ui_message_stream import json_codec
from usechat_server import Agent, Settings, create_app, create_router
from usechat_server.http import body as body_module

from tests.harness.common import DEADLINE, user_from_header
from tests.harness.live import LiveServer, ScriptedModel, chunks, user


@contextlib.contextmanager
def serving(tmp_path: Path, **limits: Any) -> Iterator[LiveServer]:
    store = f"sqlite:///{tmp_path}/chats.db"
    app = create_app(
        Agent(ScriptedModel()), user=user_from_header, anonymous=True, store=store,
        settings=Settings(**limits),
    )  # fmt: skip
    with LiveServer(app) as server:
        yield server


@contextlib.contextmanager
def client_of(server: LiveServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=DEADLINE) as client:
        yield client


@pytest.fixture(scope="module")
def client(server: LiveServer) -> Iterator[httpx.Client]:
    with client_of(server) as client:
        yield client


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with serving(tmp_path_factory.mktemp("limits")) as server:
        yield server


def history(messages: int, parts: int = 1) -> dict[str, Any]:
    part = {"type": "text", "text": "Hi"}
    return {
        "id": "c1",
        "messages": [
            {"id": f"u{number}", "role": "user", "parts": [part] * parts}
            for number in range(messages)
        ],
    }


@pytest.mark.parametrize(
    ("limit", "body", "refusal"),
    [
        ("max_messages", history(11), "too many messages: at most 10 are allowed"),
        ("max_parts", history(1, 11), "too many parts: at most 10 are allowed"),
        ("max_parts", {"id": "c1", "message": history(1, 11)["messages"][0]}, "too many parts"),
        ("max_json_values", {**history(1), "x": [[], {}, 1] * 10}, "too many values: at most 10"),
        (
            "max_json_values",
            {**history(1), "x": {f"{n}": "" for n in range(50)}},
            "too many values",
        ),
    ],
)
def test_a_request_beyond_a_limit_is_refused(
    tmp_path: Path, limit: str, body: Any, refusal: str
) -> None:
    with serving(tmp_path, **{limit: 10}) as server:
        response = server.request("POST", "/api/chat", body)
        assert response.status_code == 413
        assert refusal in response.text
        if limit != "max_json_values":
            assert server.request("POST", "/api/chat", history(1)).status_code == 200


@given(
    st.recursive(
        st.one_of(
            st.integers(), st.text(max_size=4), st.sampled_from(['"', "\\", ',[{\\"', "\\\\"])
        ),
        lambda inner: (
            st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=5)
        ),
        max_leaves=30,
    ),
    st.integers(0, 40),
)
def test_values_are_counted_wherever_they_are(value: Any, limit: int) -> None:
    def count(value: Any) -> int:
        """Each value, and for each empty container one more than there are."""
        if not isinstance(value, (list, dict)):
            return 1
        children = value.values() if isinstance(value, dict) else value
        return 1 + (sum(map(count, children)) or 1)

    def count_without_empty(value: Any) -> int:
        children = value.values() if isinstance(value, dict) else value
        return 1 + sum(map(count_without_empty, children)) if isinstance(value, (list, dict)) else 1

    text = json.dumps(value).encode()
    if count(value) <= limit:
        assert not json_codec.has_more_values(text, limit)
    if count_without_empty(value) > limit:
        assert json_codec.has_more_values(text, limit)


def test_a_new_title_is_short(server: LiveServer) -> None:
    large = b'{"title": "' + b"a" * 70_000 + b'"}'
    response = server.request("PATCH", "/api/chat/c1", content=large)
    assert response.status_code == 413
    assert response.text == "The request is too large: at most 65536 bytes are allowed."


async def test_long_bodies_are_parsed_in_a_thread() -> None:
    def thread(_: bytes) -> int:
        return threading.get_ident()

    here = threading.get_ident()
    assert await body_module.parse_body(b" " * 60_000, thread) == here
    assert await body_module.parse_body(b" " * 70_000, thread) != here


def start_body(client: socket.socket, length: int, sent: int) -> None:
    client.sendall(b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: ")
    client.sendall(b"%d\r\n\r\n" % length + b" " * sent)


def test_a_body_that_drips_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "_RATE_SECONDS", 0.3)
    with serving(tmp_path, min_body_rate=10_000) as server, server.connection() as client:
        began = time.monotonic()
        start_body(client, 100_000, 50_000)
        with contextlib.suppress(OSError):
            while time.monotonic() - began < DEADLINE:
                client.sendall(b" ")
                client.settimeout(0.02)
                with contextlib.suppress(TimeoutError):
                    response = client.recv(10_000)
                    break
        assert response.startswith(b"HTTP/1.1 408")
        assert response.endswith(b"The request arrived too slowly. Please try again.")


def test_bodies_that_arrive_at_the_same_time_are_bounded(tmp_path: Path) -> None:
    with (
        serving(tmp_path, max_pending_body_bytes=300_000) as server,
        contextlib.ExitStack() as stack,
    ):
        clients = [stack.enter_context(server.connection()) for _ in range(3)]
        for client in clients:
            start_body(client, 200_000, 140_000)
        received = _first_response(clients)
        assert received.startswith(b"HTTP/1.1 503")
        assert b"retry-after:" in received
        # Small requests still get through.
        assert chunks(server.request("POST", "/api/chat", history(1)).text)
    assert body_module._pending.size == 0


def _first_response(clients: list[socket.socket]) -> bytes:
    async def first() -> bytes:
        loop = asyncio.get_running_loop()
        for client in clients:
            client.setblocking(False)
        reads = [asyncio.create_task(loop.sock_recv(client, 10_000)) for client in clients]
        done, pending = await asyncio.wait(
            reads, timeout=DEADLINE, return_when=asyncio.FIRST_COMPLETED
        )
        for read in pending:
            read.cancel()
        return done.pop().result()

    return asyncio.run(first())


CHAT = create_app(Agent(ScriptedModel()), store="sqlite:///unused.db")
ROUTES = sorted({route.path.rstrip("/") for route in CHAT.routes})  # type: ignore[attr-defined]


def in_an_app(store: str) -> tuple[ASGIApp, str]:
    return create_app(Agent(ScriptedModel()), store=store), ""


def mounted(store: str) -> tuple[ASGIApp, str]:
    app = create_app(Agent(ScriptedModel()), store=store)
    return Starlette(routes=[Mount("/deep", app=app)]), "/deep"


def included(store: str) -> tuple[ASGIApp, str]:
    app = FastAPI()
    app.include_router(create_router(Agent(ScriptedModel()), store=store), prefix="/v1")
    return app, "/v1"


def in_starlette(store: str) -> tuple[ASGIApp, str]:
    return Starlette(routes=[*create_router(Agent(ScriptedModel()), store=store).routes]), ""


@pytest.mark.parametrize("place", [in_an_app, mounted, included, in_starlette])
def test_a_slash_at_the_end_of_a_path_changes_nothing(
    tmp_path: Path, place: Callable[[str], tuple[ASGIApp, str]]
) -> None:
    app, prefix = place(f"sqlite:///{tmp_path}/chats.db")
    is_router = place in (included, in_starlette)
    paths = [path for path in ROUTES if not is_router or path.startswith("/api")]
    assert "/api/chat" in paths
    body = {"id": "c/1", "messages": [user("Hello")], "title": "New"}
    with LiveServer(app) as server, client_of(server) as client:
        for path in paths:
            url = prefix + path.replace("{id:path}", "c%2F1")
            for method in ("GET", "PATCH", "POST", "DELETE", "OPTIONS"):
                statuses = []
                for slash in ("", "/"):
                    client.post(f"{prefix}/api/chat", json=body)  # it may be deleted
                    statuses.append(client.request(method, url + slash, json=body).status_code)
                assert statuses[0] == statuses[1], (method, url)
                assert statuses[0] not in (301, 307, 308, 404), (method, url)


@pytest.mark.parametrize(
    "chat_id",
    [
        "a\nb", "a\r", "\u2028", "a\u200bb", "a\u0085", "\x1b[31m", "a\0", "x" * 201,
        "a/stream", "a/stop", "a/branches", "a/usage", "a/", "/a", "a//b", ".", "..", "a/../b",
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_stored", [True, False])
def test_an_id_that_no_path_could_reach_is_refused(
    server: LiveServer, chat_id: str, is_stored: bool
) -> None:
    with contextlib.ExitStack() as stack:
        if not is_stored:
            app = create_app(Agent(ScriptedModel()))
            server = stack.enter_context(LiveServer(app))
        response = server.request("POST", "/api/chat", {"id": chat_id, "messages": [user("Hello")]})
        assert response.status_code == 400
        assert response.text.startswith("id: expected")


@settings(max_examples=60, deadline=None)
@given(
    chat_id=st.text(max_size=12) | st.text(st.sampled_from("ab/. \n\u2028%?#stream"), max_size=9)
)
def test_a_chat_that_is_accepted_can_be_reached(client: httpx.Client, chat_id: str) -> None:
    response = client.post("/api/chat", json={"id": chat_id, "messages": [user("Hello")]})
    assert response.status_code in (200, 400)
    if response.status_code == 200 and chat_id:
        path = "/api/chat/" + quote(json_codec.replace_surrogates(chat_id), safe="")
        for method, suffix, status in (
            ("GET", "", 200),
            ("GET", "/usage", 200),
            ("GET", "/branches", 200),
            ("GET", "/stream", 204),
            ("POST", "/stop", 204),
            ("DELETE", "", 204),
        ):
            assert client.request(method, path + suffix).status_code == status, (method, suffix)


#: Bytes that a client may put anywhere.
_TOKENS = st.lists(
    st.sampled_from(
        ["a", "%00", "%ff", "%F0%9F%98%80", "%0a", "%2F", "..", "9" * 5000, "-1", "0", "१", "null",
         "%", "&", "=", ";", "+", "{}", "[", "*", "\\", "ai/7.0.173", "ai/9999999999999999.0.0"]
    ),
    max_size=4,
).map("".join)  # fmt: skip
_NAMES = st.sampled_from(
    ["x-usechat-client", "x-usechat-floor", "accept", "cookie", "origin", "range", "host",
     "content-type", "x-user", "x-forwarded-host", "sec-fetch-site", "user-agent",
     "access-control-request-method", "access-control-request-headers"]
)  # fmt: skip
_JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5),
        st.sampled_from(["submit-message", "regenerate-message", "c1", "u1", "user", "text"]),
    ),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["id", "messages", "message", "role", "parts", "type", "text", "trigger", "messageId",
             "title", "runId", "metadata", "output", "state", "toolCallId", "approval", "url"]
        ),
        inner, max_size=6,
    ),
    max_leaves=12,
)  # fmt: skip
_BODIES = st.binary(max_size=40) | _JSON.map(lambda value: json.dumps(value).encode())


_METHODS = st.sampled_from(["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT", "BREW"])
_QUERIES = st.lists(
    st.tuples(st.sampled_from(["limit", "cursor", "client", "resume", "x"]), _TOKENS), max_size=2
)
_LINES = st.tuples(_METHODS, st.sampled_from(ROUTES), _TOKENS, _QUERIES)


@settings(max_examples=250, deadline=None)
@given(_LINES, st.dictionaries(_NAMES, _TOKENS, max_size=3), _BODIES)
def test_no_request_makes_the_server_fail(
    server: LiveServer, line: Any, headers: dict[str, str], body: bytes
) -> None:
    method, route, inside, query = line
    path = route.replace("{id:path}", inside).replace("{name}", inside)
    text = "&".join(f"{name}={value}" for name, value in query)
    head = [f"{method} {path}?{text} HTTP/1.1", f"content-length: {len(body)}", "connection: close"]
    head += [f"{name}: {value}" for name, value in {"host": "localhost", **headers}.items()]
    with server.connection() as connection:
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(65536):
                received += data
    status = int(received.split(b" ", 2)[1])
    assert status < 500, (head, body, received)


@pytest.mark.parametrize("limit", ["0", "201", "9" * 5_000, "1e1", "１", "", "-1", " 1"])
def test_a_limit_of_a_list_is_a_number_within_bounds(server: LiveServer, limit: str) -> None:
    response = server.request("GET", f"/api/chats?limit={quote(limit)}", headers={"x-user": "ann"})
    assert response.status_code == 400
    assert response.text == "limit: expected a number from 1 to 200"


def test_browsers_may_read_what_clients_need(tmp_path: Path) -> None:
    origin = "https://chat.example.com"
    with serving(tmp_path, allowed_origins=origin) as server:
        response: httpx.Response = server.chat(headers={"origin": origin})
    exposed = response.headers["access-control-expose-headers"].lower()
    assert {"retry-after", "x-usechat-run", "x-vercel-ai-ui-message-stream"} <= {
        name.strip() for name in exposed.split(",")
    }
