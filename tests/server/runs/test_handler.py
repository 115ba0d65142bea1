"""Apps that respond in plain code, choose an agent for each turn, or give the body a shape."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field
from starlette.requests import Request
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server import (
    Agent,
    ChatError,
    Settings,
    StreamWriter,
    Turn,
    UIMessageStreamResponse,
    create_app,
    read_turn,
    usage_metadata,
)
from usechat_server.providers.base import StepResult
from usechat_server.results import RunResult, Usage

from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer, ScriptedModel, chunks, text, user
from tests.harness.scripted_model import ScriptedModel as UsageModel


def text_of(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return "".join(chunk.get("delta", "") for chunk in chunks(response.text))


def post(server: LiveServer, **fields: Any) -> httpx.Response:
    body = {"id": "c", "messages": [user("Hello")], **fields}
    return server.request("POST", "/api/chat", body)


class Places(BaseModel):
    """The custom fields of a request."""

    city: str
    radius_km: float = Field(5, gt=0, alias="radiusKm")


def test_a_handler_that_merges_agents_has_hooks_usage_and_metadata() -> None:
    saved: list[UIMessage] = []
    finished: list[RunResult] = []

    async def handler(turn: Turn, writer: StreamWriter) -> None:
        writer.text("Both say: ")
        for piece in ("Hi", " there"):
            model = UsageModel([*text(piece), Usage(input=10), StepResult("stop")])
            agent = Agent(model, metadata=usage_metadata)
            await writer.merge(agent.stream(turn))

    app = create_app(
        handler=handler,
        on_message=lambda turn, message: saved.append(message),
        on_finish=finished.append,
    )
    with LiveServer(app) as server:
        received = chunks(server.chat(user("Hello")).text)
    assert "".join(chunk.get("delta", "") for chunk in received) == "Both say: Hi there"
    [message] = saved
    assert received[0] == {"type": "start", "messageId": message.id}
    [done] = finished
    assert (done.outcome, len(done.steps)) == ("finished", 2)
    # The client gets the usage of both, once.
    [metadata] = [chunk for chunk in received if chunk["type"] == "message-metadata"]
    assert len(metadata["messageMetadata"]["usage"]["steps"]) == 2
    assert message.metadata == metadata["messageMetadata"]


def test_stop_cancels_the_handler_and_its_agent() -> None:
    model = ScriptedModel(hold=True)
    ended = threading.Event()

    async def handler(turn: Turn, writer: StreamWriter) -> None:
        try:
            await writer.merge(Agent(model).stream(turn))
        except asyncio.CancelledError:
            ended.set()
            raise

    body = {"id": "c", "messages": [user("Hello")]}
    with (
        LiveServer(create_app(handler=handler)) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=DEADLINE) as client,
        client.stream("POST", "/api/chat", json=body) as response,
    ):
        lines = response.iter_lines()
        assert any("there" in line for line in lines)
        assert client.post("/api/chat/c/stop").status_code == 204
        assert [line for line in lines if line][-2:] == ['data: {"type":"abort"}', "data: [DONE]"]
        assert ended.wait(DEADLINE)
        assert model.closed.wait(DEADLINE)


def test_a_client_can_resume_a_handlers_response() -> None:
    async def handler(turn: Turn, writer: StreamWriter) -> None:
        writer.text("Hel")
        began.set()
        await asyncio.to_thread(may_continue.result, DEADLINE)
        writer.text("lo")

    began = threading.Event()
    may_continue: Future[None] = Future()
    app = create_app(handler=handler, settings=Settings(resume=DEADLINE))
    with (
        LiveServer(app) as server,
        ThreadPoolExecutor() as pool,
        httpx.Client(base_url=server.url, trust_env=False, timeout=DEADLINE) as client,
    ):
        first = pool.submit(post, server)
        assert began.wait(DEADLINE)
        with client.stream("GET", "/api/chat/c/stream") as second:
            lines = second.iter_lines()
            before = next(line for line in lines if "Hel" in line)
            may_continue.set_result(None)
            after = "\n".join(lines)
        assert text_of(first.result(DEADLINE)) == "Hello"
    assert before.endswith('"delta":"Hel"}')
    assert '"delta":"lo"}' in after


def test_a_handler_can_fail_with_a_text_of_its_own() -> None:
    async def handler(turn: Turn, writer: StreamWriter) -> None:
        raise ChatError("Your quota is used up.")

    with LiveServer(create_app(handler=handler)) as server:
        received = chunks(server.chat(user("Hello")).text)
    assert received[-1] == {"type": "error", "errorText": "Your quota is used up."}


@pytest.mark.parametrize("is_async", [True, False])
def test_an_agent_can_be_chosen_for_each_turn(is_async: bool) -> None:
    agents = {"a": Agent(ScriptedModel(*text("A"))), "b": Agent(ScriptedModel(*text("B")))}

    def choose(turn: Turn) -> Agent:
        return agents[turn.body["agent"]]

    async def choose_later(turn: Turn) -> Agent:
        return agents[turn.body["agent"]]

    with LiveServer(create_app(agent=choose_later if is_async else choose)) as server:
        assert text_of(post(server, agent="a")) == "A"
        assert text_of(post(server, agent="b")) == "B"


def test_a_chosen_agent_that_the_client_does_not_support_is_rejected() -> None:
    demanding = Agent(ScriptedModel(requires=frozenset({"tool-approval-request"})))
    with LiveServer(create_app(agent=lambda turn: demanding)) as server:
        response = server.chat(user("Hello"), headers={"x-usechat-client": "5.0.277"})
    assert response.status_code == 400
    assert "tool-approval-request" in response.text


def test_a_system_prompt_can_depend_on_a_validated_body() -> None:
    model = ScriptedModel()
    bodies: list[Any] = []

    async def system(turn: Turn) -> str:
        bodies.append(turn.body)
        return f"The user is within {turn.body.radius_km:g} km of {turn.body.city}."

    app = create_app(Agent(model, system=system), body=Places)
    with LiveServer(app) as server:
        assert text_of(post(server, city="Paris", radiusKm=2)) == "Hello there"
        wrong = post(server, city="Paris", radiusKm="far " * 1000)
        missing = post(server, radiusKm=2)
    assert model.calls[0].system == "The user is within 2 km of Paris."
    assert isinstance(bodies[0], Places)
    assert len(model.calls) == 1
    for response, field in [(wrong, "radiusKm"), (missing, "city")]:
        assert response.status_code == 400
        assert response.headers["content-type"].startswith("text/plain")
        assert response.text.startswith(f"{field}: ")
        assert len(response.text) < 200


def test_a_validated_body_reaches_another_process() -> None:
    message = UIMessage.from_object(user("Hello"))
    turn = Turn(
        user="ann",
        chat_id="c",
        client_version=NEWEST_CLIENT_VERSION,
        messages=[message],
        message_id="m",
        body=Places.model_validate({"city": "Paris", "radiusKm": 2}),
    )
    assert Turn.from_json(turn.to_json(), Places) == turn


def test_a_route_of_the_apps_own() -> None:
    app = FastAPI()
    turns: list[Turn] = []

    async def handler(turn: Turn, writer: StreamWriter) -> None:
        turns.append(turn)
        writer.text(f"Hello {turn.body.city}")

    @app.post("/chat")
    async def chat(request: Request) -> UIMessageStreamResponse:
        turn = await read_turn(request, user="ann", body=Places)
        return UIMessageStreamResponse.from_handler(handler, turn, headers={"x-own": "1"})

    @app.post("/agent")
    async def agent(request: Request) -> UIMessageStreamResponse:
        turn = await read_turn(request)
        return UIMessageStreamResponse(
            Agent(ScriptedModel()).stream(turn), client_version=turn.client_version
        )

    with LiveServer(app) as server:
        body = {"id": "c", "messages": [user("Hi")], "city": "Paris"}
        good = server.request("POST", "/chat", body)
        wrong = server.request("POST", "/chat", {"messages": [user("Hi")]})
        agents = server.request("POST", "/agent", body)
    assert text_of(good) == "Hello Paris"
    assert good.headers["x-own"] == "1"
    [turn] = turns
    assert (turn.user, turn.chat_id) == ("ann", "c")
    assert chunks(good.text)[0]["messageId"] == turn.message_id
    assert wrong.status_code == 400
    assert "city: " in wrong.json()["detail"]
    assert text_of(agents) == "Hello there"
