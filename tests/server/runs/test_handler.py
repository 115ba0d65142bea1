"""Apps that answer in plain code, choose an agent for each turn, or give the body a shape."""

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
)
from usechat_server.providers.base import StepResult
from usechat_server.results import RunResult, Usage

from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer, ScriptedModel, chunks, text, user
from tests.harness.scripted_model import ScriptedModel as Counting


def said(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return "".join(chunk.get("delta", "") for chunk in chunks(answer.text))


def post(server: LiveServer, **fields: Any) -> httpx.Response:
    body = {"id": "c", "messages": [user("Hello")], **fields}
    return server.request("POST", "/api/chat", body)


class Places(BaseModel):
    """The custom fields of a page."""

    city: str
    radius_km: float = Field(5, gt=0, alias="radiusKm")


def test_code_that_merges_agents_is_a_run_with_everything() -> None:
    saved: list[UIMessage] = []
    finished: list[RunResult] = []

    async def answer(turn: Turn, writer: StreamWriter) -> None:
        writer.text("Both say: ")
        for piece in ("Hi", " there"):
            agent = Agent(Counting([*text(piece), Usage(input=10), StepResult("stop")]))
            await writer.merge(agent.stream(turn))

    app = create_app(
        handler=answer,
        on_message=lambda turn, message: saved.append(message),
        on_finish=finished.append,
    )
    with LiveServer(app) as server:
        sent = chunks(server.chat(user("Hello")).text)
    assert "".join(chunk.get("delta", "") for chunk in sent) == "Both say: Hi there"
    [message] = saved
    assert sent[0] == {"type": "start", "messageId": message.id}
    [done] = finished
    assert (done.outcome, len(done.steps)) == ("finished", 2)
    # The page is told of the tokens of both, once.
    [told] = [chunk for chunk in sent if chunk["type"] == "message-metadata"]
    assert len(told["messageMetadata"]["usage"]["steps"]) == 2
    assert message.metadata == told["messageMetadata"]


def test_stop_ends_the_code_and_the_agent_in_it() -> None:
    model = ScriptedModel(hold=True)
    ended = threading.Event()

    async def answer(turn: Turn, writer: StreamWriter) -> None:
        try:
            await writer.merge(Agent(model).stream(turn))
        except asyncio.CancelledError:
            ended.set()
            raise

    body = {"id": "c", "messages": [user("Hello")]}
    with (
        LiveServer(create_app(handler=answer)) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=DEADLINE) as client,
        client.stream("POST", "/api/chat", json=body) as responder,
    ):
        lines = responder.iter_lines()
        assert any("there" in line for line in lines)
        assert client.post("/api/chat/c/stop").status_code == 204
        assert [line for line in lines if line][-2:] == ['data: {"type":"abort"}', "data: [DONE]"]
        assert ended.wait(DEADLINE)
        assert model.closed.wait(DEADLINE)


def test_a_page_can_come_back_to_what_code_writes() -> None:
    async def answer(turn: Turn, writer: StreamWriter) -> None:
        writer.text("Hel")
        began.set()
        await asyncio.to_thread(go_on.result, DEADLINE)
        writer.text("lo")

    began = threading.Event()
    go_on: Future[None] = Future()
    app = create_app(handler=answer, settings=Settings(resume=DEADLINE))
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
            go_on.set_result(None)
            after = "\n".join(lines)
        assert said(first.result(DEADLINE)) == "Hello"
    assert before.endswith('"delta":"Hel"}')
    assert '"delta":"lo"}' in after


def test_code_refuses_in_words_of_its_own() -> None:
    async def answer(turn: Turn, writer: StreamWriter) -> None:
        raise ChatError("Your quota is used up.")

    with LiveServer(create_app(handler=answer)) as server:
        sent = chunks(server.chat(user("Hello")).text)
    assert sent[-1] == {"type": "error", "errorText": "Your quota is used up."}


@pytest.mark.parametrize("is_async", [True, False])
def test_an_agent_for_each_turn(is_async: bool) -> None:
    agents = {"a": Agent(ScriptedModel(*text("A"))), "b": Agent(ScriptedModel(*text("B")))}

    def choose(turn: Turn) -> Agent:
        return agents[turn.body["agent"]]

    async def choose_later(turn: Turn) -> Agent:
        return agents[turn.body["agent"]]

    with LiveServer(create_app(agent=choose_later if is_async else choose)) as server:
        assert said(post(server, agent="a")) == "A"
        assert said(post(server, agent="b")) == "B"


def test_an_agent_that_the_page_s_release_cannot_read_is_refused_when_it_is_chosen() -> None:
    demanding = Agent(ScriptedModel(requires=frozenset({"tool-approval-request"})))
    with LiveServer(create_app(agent=lambda turn: demanding)) as server:
        answer = server.chat(user("Hello"))
    assert answer.status_code == 400
    assert "tool-approval-request" in answer.text


def test_a_system_prompt_of_the_turn_and_a_body_of_the_app_s_own_shape() -> None:
    model = ScriptedModel()
    bodies: list[Any] = []

    async def system(turn: Turn) -> str:
        bodies.append(turn.body)
        return f"The person is within {turn.body.radius_km:g} km of {turn.body.city}."

    app = create_app(Agent(model, system=system), body=Places)
    with LiveServer(app) as server:
        assert said(post(server, city="Paris", radiusKm=2)) == "Hello there"
        wrong = post(server, city="Paris", radiusKm="far " * 1000)
        missing = post(server, radiusKm=2)
    assert model.calls[0].system == "The person is within 2 km of Paris."
    assert isinstance(bodies[0], Places)
    assert len(model.calls) == 1
    for answer, field in [(wrong, "radiusKm"), (missing, "city")]:
        assert answer.status_code == 400
        assert answer.headers["content-type"].startswith("text/plain")
        assert answer.text.startswith(f"{field}: ")
        assert len(answer.text) < 200


def test_a_body_of_the_app_s_own_shape_reaches_another_process() -> None:
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


def test_a_route_of_the_app_s_own() -> None:
    app = FastAPI()
    turns: list[Turn] = []

    async def answer(turn: Turn, writer: StreamWriter) -> None:
        turns.append(turn)
        writer.text(f"Hello {turn.body.city}")

    @app.post("/chat")
    async def chat(request: Request) -> UIMessageStreamResponse:
        turn = await read_turn(request, user="ann", body=Places)
        return UIMessageStreamResponse.from_handler(answer, turn, headers={"x-own": "1"})

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
    assert said(good) == "Hello Paris"
    assert good.headers["x-own"] == "1"
    [turn] = turns
    assert (turn.user, turn.chat_id) == ("ann", "c")
    assert chunks(good.text)[0]["messageId"] == turn.message_id
    assert wrong.status_code == 400
    assert "city: " in wrong.json()["detail"]
    assert said(agents) == "Hello there"
