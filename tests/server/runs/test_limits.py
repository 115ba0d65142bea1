"""How many runs a user and a process may have at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from starlette.requests import Request
from usechat_server import Agent, ChatError, Settings, TooManyRequests, create_app
from usechat_server.coordination.base import ChatKey
from usechat_server.coordination.lease import Lease
from usechat_server.runs import RunConfig, RunLimits, Runs
from usechat_server.runs.responder import Responder
from usechat_server.turn import Turn

from tests.harness.live import LiveServer, ScriptedModel, text, user
from tests.harness.stream_client import StreamClient


async def user_from_query(request: Request) -> str:
    return request.query_params["user"]


@pytest.fixture
def server() -> Iterator[LiveServer]:
    model = ScriptedModel(*text("Hello"), hold=True)
    settings = Settings(max_runs=3, max_runs_per_user=2)
    app = create_app(Agent(model), user=user_from_query, settings=settings)
    with LiveServer(app) as server:
        yield server
        model.release()


def test_too_many_runs_are_refused(server: LiveServer) -> None:
    with ExitStack() as clients:

        def post(name: str, chat_id: str) -> StreamClient:
            body = {"id": chat_id, "messages": [user("Hello", id="u")]}
            url = f"{server.url}/api/chat?user={name}"
            return clients.enter_context(StreamClient("POST", url, body))

        for name, chat_id in (("ann", "a"), ("ann", "b"), ("bo", "a")):
            post(name, chat_id).wait_for_text("Hello")
        # The same request joins a run, and starts none.
        post("ann", "a").wait_for_text("Hello")

        body = {"id": "c", "messages": [user("Hello", id="u")]}
        for name, sentence in (("ann", "You have too many"), ("bo", "The server is responding")):
            refused = server.request("POST", f"/api/chat?user={name}", body)
            assert refused.status_code == 429
            assert refused.headers["retry-after"] == "5"
            assert refused.text.startswith(sentence)
            if name == "ann":
                continue
            stopped = server.request("POST", "/api/chat/a/stop?user=bo", {})
            assert stopped.is_success
            # Another user's place is free; this one's are not.
            assert server.request("POST", "/api/chat?user=ann", body).status_code == 429
            post("bo", "c").wait_for_text("Hello")


async def test_runs_count_before_they_begin() -> None:
    runs = Runs(RunConfig(limits=RunLimits(max_runs=3, max_runs_per_user=2)))
    proceed = asyncio.Event()

    async def begin(_: Lease) -> tuple[Turn, Responder]:
        await proceed.wait()
        raise ChatError("No.")

    async def start(name: str | None) -> str:
        try:
            await runs.start_or_join(ChatKey(name, str(next(numbers))), "digest", begin)
        except TooManyRequests:
            return "too many"
        except ChatError:
            return "began"
        return "started"

    numbers = iter(range(100))
    # Runs without a user have no limit of their own.
    tasks = [asyncio.create_task(start(name)) for name in ("ann", "ann", "ann", None, None)]
    await asyncio.sleep(0)
    proceed.set()
    assert await asyncio.gather(*tasks) == ["began", "began", "too many", "began", "too many"]
    assert [await start(None) for _ in range(4)] == ["began"] * 4
