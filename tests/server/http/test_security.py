"""Which origins and hosts are allowed, and their CORS headers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send
from usechat_server import Agent, Settings, create_app
from usechat_server.http.errors import ErrorRenderer
from usechat_server.http.security import Security

from tests.harness.live import LiveServer, ScriptedModel, chunks, user

EVIL = "https://evil.example"
FRONTEND = "https://chat.example.com"


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    return ScriptedModel()


@pytest.fixture(scope="module")
def server(model: ScriptedModel) -> Iterator[LiveServer]:
    settings = Settings(
        allowed_origins=[FRONTEND, "https://*.preview.example", "http://app-*.example:*"],
        allowed_hosts=["box.lan", "a.example", "*.box.lan"],
    )
    with LiveServer(create_app(Agent(model), settings=settings)) as server:
        yield server


def is_refused(response: httpx.Response) -> bool:
    assert "access-control-allow-credentials" not in response.headers
    if response.status_code == 403:
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert "USECHAT_ALLOWED_" in response.text
    return response.status_code == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("path", ["/api/chat", "/healthz", "/nowhere"])
def test_a_foreign_origin_is_refused(server: LiveServer, method: str, path: str) -> None:
    response = server.request(method, path, headers={"origin": EVIL})
    assert response.status_code == 403
    assert method == "HEAD" or is_refused(response)


def test_a_form_of_another_site_calls_no_model(server: LiveServer, model: ScriptedModel) -> None:
    """A text/plain POST needs no preflight, so the refusal must not depend on one."""
    before = len(model.calls)
    body = {"id": "c1", "messages": [user("Pay them")]}
    for origin in (EVIL, "null", "https://chat.example.com.evil.example", "file://", "x"):
        headers = {"content-type": "text/plain", "origin": origin}
        assert is_refused(server.request("POST", "/api/chat", body, headers)), origin
    assert len(model.calls) == before


def test_a_request_is_refused_before_its_body_is_read(server: LiveServer) -> None:
    with server.connection() as client:
        client.sendall(
            b"POST /api/chat HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\n"
            b"content-length: 1000000\r\n\r\n"
        )
        assert client.recv(1000).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no browser"),
        pytest.param({"origin": "http://{host}"}, id="same origin"),
        pytest.param(
            {"origin": "http://localhost:3000", "x-forwarded-host": "localhost:3000"},
            id="behind Next.js rewrites",
        ),
        pytest.param(
            {"origin": "http://192.168.1.5:3000", "x-forwarded-host": "192.168.1.5:3000"},
            id="behind Next.js rewrites, from a phone",
        ),
        pytest.param(
            {"origin": "https://a.example", "x-forwarded-host": "A.example:443, b.internal"},
            id="behind two proxies and TLS",
        ),
        pytest.param(
            {"origin": "https://a.example", "sec-fetch-site": "same-origin"},
            id="behind a proxy that rewrites Host and tells nothing",
        ),
        pytest.param({"origin": FRONTEND, "sec-fetch-site": "cross-site"}, id="allowed"),
        pytest.param({"origin": "https://pr-7.preview.example"}, id="allowed by a pattern"),
        pytest.param({"origin": "http://app-7.example:3000"}, id="a pattern with a port"),
    ],
)
def test_allowed_requests(server: LiveServer, headers: dict[str, str]) -> None:
    host = f"127.0.0.1:{server.port}"
    filled = {name: value.replace("{host}", host) for name, value in headers.items()}
    assert chunks(server.chat(headers=filled).text)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://127.0.0.1:1"},
        {"origin": "http://127.0.0.1"},
        {"origin": "http://localhost:3000", "sec-fetch-site": "same-site"},
        {"origin": EVIL, "sec-fetch-site": "cross-site"},
        {"origin": EVIL, "x-forwarded-host": "evil.example.org"},
        {"origin": EVIL, "x-forwarded-host": "b.internal, evil.example"},
        {"origin": "", "x-forwarded-host": ""},
        # Rebinding through the proxy of Next.js: the page may add what it likes.
        {"origin": "http://evil.example", "x-forwarded-host": "evil.example"},
        {"x-forwarded-host": "evil.example"},
        {"origin": "https://preview.example"},
        {"origin": "https://a.b.preview.example"},
        {"origin": "https://a.preview.example.evil.example"},
        {"origin": "https://a.preview.example:444"},
        {"origin": "http://a.preview.example"},
        {"origin": "https://evil.example/.preview.example"},
    ],
)
def test_rejected_requests(server: LiveServer, headers: dict[str, str]) -> None:
    assert is_refused(server.chat(headers=headers))


@pytest.mark.parametrize(
    ("host", "let_in"),
    [
        ("localhost", True),
        ("LOCALHOST:8000", True),
        ("app.localhost:8000", True),
        ("127.0.0.1:1", True),
        ("127.1.2.3", True),
        ("[::1]:8000", True),
        ("box.lan:8000", True),
        ("evil.example", False),
        ("evil.example:8000", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("192.168.1.5", True),
        ("[::2]", True),
        ("a.box.lan", True),
        ("a.b.box.lan", False),
        ("", False),
    ],
)
def test_a_host_name_that_resolves_to_loopback_is_rejected(
    server: LiveServer, host: str, let_in: bool
) -> None:
    # The page of such a name is of the same origin, and may claim what it likes.
    headers = {"host": host, "origin": f"http://{host}", "x-forwarded-host": "localhost"}
    response = server.chat(headers=headers)
    assert response.status_code == 200 if let_in else is_refused(response)


def test_host_names_are_checked_on_any_address_once_one_is_allowed(model: ScriptedModel) -> None:
    settings = Settings(host="0.0.0.0", allowed_hosts=["chat.example.com"])
    with LiveServer(create_app(Agent(model), settings=settings)) as server:
        assert server.chat(headers={"host": "chat.example.com"}).status_code == 200
        assert server.chat(headers={"host": "10.0.0.1"}).status_code == 200
        for headers in (
            {"host": "evil.example", "origin": "http://evil.example"},
            {"host": "chat.example.com", "x-forwarded-host": "evil.example"},
        ):
            assert is_refused(server.chat(headers=headers))


def test_a_browser_shows_the_refusal_of_a_foreign_origin(
    server: LiveServer, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {
        "origin": "https://new.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,x-forwarded-host",
    }
    preflight = server.request("OPTIONS", "/api/chat", headers=headers)
    assert preflight.status_code == 204
    allowed = preflight.headers["access-control-allow-headers"]
    assert "content-type" in allowed
    assert "forwarded" not in allowed  # with it, the origin would look like the server's own
    for level in ("WARNING", "INFO"):
        caplog.clear()
        with caplog.at_level("INFO", "usechat.app"):
            refusal = server.chat(headers={"origin": "https://new.example"})
        assert is_refused(refusal)
        assert refusal.headers["access-control-allow-origin"] == "https://new.example"
        [record] = [record for record in caplog.records if record.name == "usechat.app"]
        assert record.levelname == level  # a page that tries again and again fills no log
        assert record.getMessage() == (
            "refused POST '/api/chat' of 127.0.0.1: the origin 'https://new.example' is not in "
            "USECHAT_ALLOWED_ORIGINS"
        )


@pytest.mark.parametrize(
    "origin", ["chat.example.com", "https://a.example/chat", "https://", "a b"]
)
def test_an_origin_that_no_browser_sends_is_an_error_at_the_start(origin: str) -> None:
    with pytest.raises(ValueError, match="expected origins such as https"):
        Settings(allowed_origins=[origin])


@pytest.mark.parametrize("host", ["https://a.example", "a.example:8000", "a/b"])
def test_an_allowed_host_is_a_name(host: str) -> None:
    with pytest.raises(ValueError, match="expected host names without scheme and port"):
        Settings(allowed_hosts=[host])


def test_any_host_name_is_allowed_on_another_address(model: ScriptedModel) -> None:
    everywhere = Settings(host="0.0.0.0")
    starred = Settings(allowed_hosts=["*"])
    for settings in (everywhere, starred):
        with LiveServer(create_app(Agent(model), settings=settings)) as server:
            assert server.chat(headers={"host": "chat.example.com"}).status_code == 200
            assert is_refused(server.chat(headers={"host": "chat.example.com", "origin": EVIL}))


def test_preflight(server: LiveServer) -> None:
    response = server.request(
        "OPTIONS",
        "/api/chat",
        headers={
            "origin": FRONTEND,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type,user-agent,x-my-own,"
            "x-usechat-client",
        },
    )
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == FRONTEND
    assert response.headers["access-control-allow-credentials"] == "true"
    assert {"GET", "POST"} <= set(response.headers["access-control-allow-methods"].split(", "))
    allowed = response.headers["access-control-allow-headers"].replace(" ", "").split(",")
    assert {"authorization", "content-type", "user-agent", "x-my-own"} <= set(allowed)


def test_an_allowed_origin_can_read_responses_and_errors(server: LiveServer) -> None:
    for path, method in [
        ("/api/chat", "POST"),
        ("/nowhere", "GET"),
        ("/api/chat/c1/stream", "GET"),
    ]:
        response = server.request(method, path, headers={"origin": FRONTEND})
        assert response.headers["access-control-allow-origin"] == FRONTEND, path
        assert "origin" in response.headers["vary"].lower()
    for origin in (FRONTEND, "https://pr-7.preview.example"):
        streamed = server.chat(headers={"origin": origin})
        assert streamed.headers["access-control-allow-origin"] == origin
        assert streamed.headers["access-control-allow-credentials"] == "true"
        assert chunks(streamed.text)


def test_an_allowed_origin_can_read_internal_errors() -> None:
    class Broken(ScriptedModel):
        def stream(self, call: object) -> object:  # type: ignore[override]
            raise RuntimeError("secret detail")

    settings = Settings(allowed_origins=[FRONTEND])
    with LiveServer(create_app(Agent(Broken()), settings=settings)) as server:  # type: ignore[arg-type]
        response = server.chat(headers={"origin": FRONTEND})
    assert response.status_code == 500
    assert response.headers["access-control-allow-origin"] == FRONTEND
    assert "secret" not in response.text
    assert "reference" in response.text


def test_a_star_allows_every_origin_without_cookies(model: ScriptedModel) -> None:
    with LiveServer(create_app(Agent(model), settings=Settings(allowed_origins=["*"]))) as server:
        response = server.chat(headers={"origin": EVIL})
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers


def hosts_and_origins() -> st.SearchStrategy[list[tuple[bytes, bytes]]]:
    names = st.sampled_from(["localhost", "chat.example.com", "evil.example", "box.lan", "[::1]:1"])
    origins = st.builds("{}://{}".format, st.sampled_from(["http", "https", "file"]), names)
    fields = {
        b"host": names,
        b"origin": origins | st.just("null"),
        b"x-forwarded-host": names,
        b"sec-fetch-site": st.sampled_from(["same-origin", "same-site", "cross-site"]),
    }
    return st.fixed_dictionaries({}, optional=fields).map(
        lambda headers: [(name, value.encode()) for name, value in headers.items()]
    )


@given(headers=hosts_and_origins(), any_origin=st.booleans(), can_respond=st.booleans())
def test_a_websocket_is_let_in_where_a_request_is(
    headers: list[tuple[bytes, bytes]], *, any_origin: bool, can_respond: bool
) -> None:
    """No browser applies CORS to a handshake, so the server must refuse it before it accepts."""
    settings = Settings(
        allowed_origins=["*" if any_origin else FRONTEND], allowed_hosts=["*.example.com"]
    )
    reached: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["type"])

    async def outcome(kind: str, extensions: dict[str, Any]) -> list[Message]:
        sent: list[Message] = []
        scope = {
            "type": kind,
            "path": "/api/ws",
            "headers": headers,
            "server": ("127.0.0.1", 80),
            "extensions": extensions,
            **({"method": "GET"} if kind == "http" else {}),
        }

        async def send(message: Message) -> None:
            sent.append(message)

        await Security(app, settings, ErrorRenderer())(scope, receive_nothing, send)
        return sent

    extensions: dict[str, Any] = {"websocket.http.response": {}} if can_respond else {}
    refused = asyncio.run(outcome("http", {}))
    handshake = asyncio.run(outcome("websocket", extensions))
    if not refused:
        assert reached == ["http", "websocket"]
        assert not handshake
        return
    assert not reached
    if can_respond:
        assert [message["type"] for message in handshake] == [
            "websocket.http.response.start",
            "websocket.http.response.body",
        ]
        assert handshake[0]["status"] == 403
        assert handshake[1]["body"] == refused[1]["body"]
    else:
        assert handshake == [{"type": "websocket.close"}]


async def receive_nothing() -> Message:
    raise AssertionError("nothing is read before the checks")


@pytest.mark.parametrize("origin", [EVIL, FRONTEND, None])
def test_a_websocket_without_a_route_is_refused_legally(
    server: LiveServer, origin: str | None
) -> None:
    headers = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        **({"origin": origin} if origin else {}),
    }
    response = server.request("GET", "/api/chat", headers=headers)
    assert response.status_code == 403
    assert is_refused(response) if origin == EVIL else not response.text
