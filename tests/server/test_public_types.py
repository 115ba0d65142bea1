"""The types of the public API, the version, and deprecations."""

from __future__ import annotations

import threading
import tomllib
from pathlib import Path
from typing import Any, assert_type

import pytest
import usechat_server
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from ui_message_stream import UIMessage
from usechat_server import (
    Agent,
    ChatHandler,
    MessageHook,
    RunResult,
    StreamWriter,
    Turn,
    UIMessageStreamResponse,
    UsechatDeprecationWarning,
    UserHook,
    create_app,
    read_turn,
)
from usechat_server.cli import main

from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer, ScriptedModel, text
from tests.server.live_apps import BODY, agent, own_routes, response_text


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


def test_the_types_of_a_route_of_ones_own() -> None:
    async def chat(request: Request) -> Response:
        turn = await read_turn(request, body=Options)
        assert_type(turn, Turn[Options])

        async def in_city(turn: Turn[Options], writer: StreamWriter) -> None:
            writer.text(turn.body.city)

        return UIMessageStreamResponse.from_handler(in_city, turn)

    with own_routes({"/chat": chat}) as server:
        assert '"delta":"Oslo"' in server.request("POST", "/chat", {**BODY, "city": "Oslo"}).text


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"usechat-server {usechat_server.__version__}\n"
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert usechat_server.__version__ in {project["project"]["version"], "unknown"}


def test_a_deprecation_is_shown_by_default() -> None:
    assert issubclass(UsechatDeprecationWarning, FutureWarning)
