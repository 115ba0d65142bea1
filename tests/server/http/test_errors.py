"""Every refusal has one form, in text and in JSON, and docs/errors.md lists them all."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import HTTPException as FastAPIError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from usechat_server import (
    Agent,
    ChatConflict,
    ChatError,
    ChatNotFound,
    Forbidden,
    InvalidRequest,
    ModelError,
    NotSignedIn,
    PayloadTooLarge,
    RequestTimeout,
    ServiceUnavailable,
    Settings,
    StoreUnavailable,
    StreamWriter,
    Turn,
    create_app,
    create_router,
    read_turn,
)

from tests.harness.errors_table import chunk_table, refusal_table
from tests.harness.live import LiveServer, ScriptedModel, chunks

PAGE = (Path(__file__).parents[3] / "docs" / "errors.md").read_text()


class Failing(ScriptedModel):
    """Raises what the test says."""

    error: Exception = RuntimeError("secret")

    def stream(self, call: Any) -> Any:
        raise self.error


@pytest.fixture(scope="module", params=["text", "json"])
def errors(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model() -> Failing:
    return Failing()


@pytest.fixture(scope="module")
def server(errors: Any, model: Failing) -> Iterator[LiveServer]:
    def user(request: Request) -> str | None:
        return request.headers.get("x-user", "ada")

    settings = Settings(max_body_bytes=1000)
    app = create_app(Agent(model), user=user, settings=settings, errors=errors)
    with LiveServer(app) as server:
        yield server


def message(response: httpx.Response, errors: str) -> str:
    """The text of a refusal, in either form."""
    if errors == "text":
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        return response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert body == {"error": {"status": response.status_code, "message": body["error"]["message"]}}
    return str(body["error"]["message"])


@pytest.mark.parametrize(
    ("target", "headers", "content", "refusal"),
    [
        ("POST /api/chat", {}, b"[]", (400, "The request must be a JSON object, not a list.")),
        ("POST /api/chat", {"x-user": ""}, b"{}", (401, "Please sign in.")),
        ("POST /api/chat", {"origin": "https://x.example"}, b"{}", (403, "https://x.example")),
        ("POST /nowhere", {}, b"", (404, "Not found. The chat is at POST /api/chat.")),
        ("PUT /api/chat", {}, b"", (405, "PUT is not allowed here.")),
        ("DELETE /healthz", {}, b"", (405, "DELETE is not allowed here.")),
        ("POST /api/chat", {}, b"x" * 1001, (413, "The request is too large")),
    ],
)
def test_a_refusal(  # noqa: PLR0917
    server: LiveServer,
    errors: str,
    target: str,
    headers: dict[str, str],
    content: bytes,
    refusal: tuple[int, str],
) -> None:
    method, path = target.split()
    response = server.request(method, path, headers=headers, content=content)
    status, text = refusal
    assert response.status_code == status
    assert text in message(response, errors)


def test_an_error_of_each_class(server: LiveServer, errors: str, model: Failing) -> None:
    for error, status, text in [
        (ChatError("Out of credit.", 402), 402, "Out of credit."),
        (InvalidRequest("No."), 400, "No."),
        (NotSignedIn(), 401, "Please sign in."),
        (Forbidden(), 403, "You may not use this chat."),
        (ChatNotFound(), 404, "There is no such chat."),
        (RequestTimeout("Slow."), 408, "Slow."),
        (ChatConflict("Busy."), 409, "Busy."),
        (PayloadTooLarge("Large."), 413, "Large."),
        (ServiceUnavailable("Later.", retry_after=60), 503, "Later."),
        (StoreUnavailable(), 503, "The chats cannot be reached right now. Please try again."),
    ]:
        model.error = error
        response = server.chat()
        assert (response.status_code, message(response, errors)) == (status, text)
        assert (error.status, error.text) == (status, text)
        expected = str(error.retry_after) if isinstance(error, ServiceUnavailable) else None
        assert response.headers.get("retry-after") == expected


def test_a_failure(
    server: LiveServer, errors: str, model: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    model.error = RuntimeError("secret")
    response = server.chat()
    text = message(response, errors)
    assert response.status_code == 500
    assert text.startswith("Something went wrong on the server.")
    assert "secret" not in text
    reference = text.rpartition("reference ")[2].strip(" ).")
    # Once, with the traceback: neither Starlette nor the server logs it again.
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    line = record.getMessage()
    assert line.startswith("request failed: POST /api/chat, RuntimeError('secret')")
    assert reference in line
    assert record.exc_info is not None
    assert record.exc_info[1] is model.error


def test_a_failure_in_a_host_app(errors: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def host_error(request: Request, error: Exception) -> Response:
        raise AssertionError("the error was already rendered")

    model = Failing()
    router = create_router(Agent(model), errors=errors)
    app = Starlette(routes=[*router.routes], exception_handlers={RuntimeError: host_error})
    with LiveServer(app) as server:
        response = server.chat()
    assert response.status_code == 500
    assert message(response, errors).startswith("Something went wrong on the server.")
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.getMessage().startswith("request failed: POST /api/chat, RuntimeError('secret')")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (HTTPException(499, "Pay first."), "Pay first."),
        (HTTPException(599, "Later."), "Later."),
        (HTTPException(404, "No such plan."), "No such plan."),
        (FastAPIError(422, {"plan": "größer"}), '{"plan": "größer"}'),
        (FastAPIError(422, [1, Path("/x")]), '[1, "/x"]'),
        (ChatError("Half an emoji: \ud83d"), "Half an emoji: �"),
        (HTTPException(400, "Half an emoji: \ud83d"), "Half an emoji: �"),
    ],
)
def test_an_unusual_refusal_of_an_app(
    server: LiveServer, errors: str, model: Failing, error: Exception, text: str
) -> None:
    model.error = error
    response = server.chat()
    status = error.status if isinstance(error, ChatError) else error.status_code  # type: ignore[attr-defined]
    assert response.status_code == status
    assert message(response, errors) == text


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body(server: LiveServer, model: Failing, status: int) -> None:
    model.error = HTTPException(status, headers={"x-plan": "trial"})
    response = server.chat()
    assert response.status_code == status
    assert response.headers["x-plan"] == "trial"
    assert response.content == b""
    assert "content-type" not in response.headers


@pytest.mark.parametrize("status", [0, 200, 399, 600])
def test_a_chat_error_requires_the_status_of_an_error(status: int) -> None:
    with pytest.raises(ValueError, match=f"status: expected 400 to 599, got {status}"):
        ChatError("No.", status)


@pytest.mark.parametrize(
    ("length", "status"),
    [(b"x", 400), (b"-1", 400), (b"1_0", 400), (b"", 400), (b"1001", 413), (b"9" * 5000, 413)],
)
async def test_the_content_length_of_a_request(length: bytes, status: int) -> None:
    # Without a server, which would check the header first.
    request = Request(
        {
            "type": "http",
            "method": "POST",
            "query_string": b"",
            "headers": [(b"content-length", length)],
        }
    )
    with pytest.raises(HTTPException) as caught:
        await read_turn(request, settings=Settings(max_body_bytes=1000))
    assert caught.value.status_code == status
    if status == 400:
        assert caught.value.detail == "content-length: expected a number of bytes"


def test_after_the_stream_began_it_is_an_error_chunk() -> None:
    async def handler(turn: Turn, writer: StreamWriter) -> None:
        writer.text("Hello")
        raise ModelError("secret", "overloaded")

    with LiveServer(create_app(handler=handler, errors="json")) as server:
        response = server.chat()
    assert response.status_code == 200
    text = chunks(response.text)[-1]["errorText"]
    assert text.startswith("The model is overloaded right now. Please try again in a moment.")
    assert "secret" not in response.text


def test_the_page_lists_every_refusal_and_every_error_chunk() -> None:
    """After a change: `python tests/harness/errors_table.py` prints the tables."""
    assert refusal_table() in PAGE
    assert chunk_table() in PAGE
